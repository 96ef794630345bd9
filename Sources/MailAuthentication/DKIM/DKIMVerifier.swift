import Crypto
public import DNSRecords
public import MailMessage
public import MailSyntax
public import NIOCore

/// Verifies the DKIM signatures of a message that comes in chunks, in constant memory. Source: RFC 6376 §6.
///
/// `begin` with the header section, `append` each piece of the body, `finish`. Each way of reading the body is hashed once,
/// however many signatures ask for it; each key is looked up once. Nothing throws: a signature that can't be read or
/// verified is an outcome, and no reason to refuse the message (§6.1).
public struct DKIMVerifier: Sendable {
  /// Of signatures that are looked at, the uppermost first: a message may bring any number (RFC 6376 §6.1).
  public static let maximumSignatures = 10

  private struct Candidate {
    let place: Int
    let field: HeaderSection.Field
    let reading: Result<DKIMSignature, DKIMSignatureFault>
  }

  private struct BodyReading: Hashable {
    let canonicalization: DKIMCanonicalization
    let limit: Int?
  }

  private let converter: any IDNAConverter
  private var fields: SignedFields?
  private var candidates: [Candidate] = []
  private var passedOver = 0
  private var bodies: [(reading: BodyReading, hash: DKIMBodyHash)] = []

  public init(converter: any IDNAConverter) { self.converter = converter }

  public mutating func begin(_ header: HeaderSection) {
    fields = SignedFields(header)
    let found = header.fields.filter { $0.name == "dkim-signature" }
    passedOver = max(0, found.count - DKIMVerifier.maximumSignatures)
    for (place, field) in found.prefix(DKIMVerifier.maximumSignatures).enumerated() {
      let reading: Result<DKIMSignature, DKIMSignatureFault>
      do throws(DKIMSignatureFault) {
        reading = .success(try DKIMSignature(header.octets(in: field.valueRange)))
      } catch {
        reading = .failure(error)
      }
      candidates.append(Candidate(place: place, field: field, reading: reading))
      guard case .success(let signature) = reading else { continue }
      let body = BodyReading(canonicalization: signature.bodyCanonicalization, limit: signature.bodyLimit)
      if !bodies.contains(where: { $0.reading == body }) {
        bodies.append((body, DKIMBodyHash(body.canonicalization, limit: body.limit)))
      }
    }
  }

  public mutating func append(_ body: ByteBuffer) {
    for index in bodies.indices { bodies[index].hash.append(body) }
  }

  /// - Returns: one outcome a signature, in the order of their fields; none where the message has none.
  public consuming func finish(resolver: any Resolver, now: UTCInstant) async -> [DKIMOutcome] {
    guard let fields else { return [] }
    let results = bodies.map { ($0.reading, $0.hash.finish()) }
    var keys: [(name: DomainName, finding: KeyFinding)] = []
    var outcomes: [DKIMOutcome] = []
    for candidate in candidates {
      switch candidate.reading {
      case .failure(let fault): outcomes.append(DKIMOutcome(place: candidate.place, unreadable: "\(fault)"))
      case .success(let signature):
        let reading = BodyReading(canonicalization: signature.bodyCanonicalization, limit: signature.bodyLimit)
        guard let body = results.first(where: { $0.0 == reading })?.1 else { continue }
        var judgement = DKIMJudgement(signature, place: candidate.place)
        if judgement.acceptsBeforeKey(body, now: now) {
          let name = keyName(signature)
          let known = keys.first { $0.name == name }?.finding
          let finding: KeyFinding =
            if let known { known } else { await KeyFinding.find(name, of: signature, resolver) }
          if known == nil, let name { keys.append((name, finding)) }
          judgement.judge(finding, at: name, digest: fields.digest(signature, field: candidate.field), body)
        }
        outcomes.append(judgement.outcome)
      }
    }
    if passedOver > 0 { outcomes.append(DKIMOutcome(passedOver: passedOver, place: candidates.count)) }
    return outcomes
  }

  private func keyName(_ signature: DKIMSignature) -> DomainName? {
    signature.keyName.flatMap { $0.isASCII ? $0 : converter.asciiForm(of: $0) }
  }
}
