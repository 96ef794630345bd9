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

/// A header section's fields by their names, as signatures take them: from the bottom up (RFC 6376 §5.4.2).
struct SignedFields: Sendable {
  private let header: HeaderSection
  /// The lowest last.
  private let places: [String: [Int]]

  init(_ header: HeaderSection) {
    self.header = header
    places = Dictionary(grouping: header.fields.indices) { header.fields[$0].name }
  }

  /// The hash that a signature stands for: its fields, and at last itself without its value (RFC 6376 §3.7).
  func digest(_ signature: DKIMSignature, field own: HeaderSection.Field) -> SHA256Digest {
    var raw = Array(header.octets(in: own.rawRange))
    let start = own.valueRange.lowerBound - own.rawRange.lowerBound
    raw.removeSubrange(start + signature.signatureRange.lowerBound..<start + signature.signatureRange.upperBound)
    return digest(
      of: signature.fieldNames, signature.headerCanonicalization, last: raw, without: own.rawRange.lowerBound)
  }

  /// - Parameters:
  ///   - own: the signature's own field with an empty `b=`; it is taken without its line end.
  ///   - start: where in the section that field stands, which is not one of those it signs.
  func digest(
    of names: [String], _ canonicalization: DKIMCanonicalization, last own: [UInt8], without start: Int? = nil
  ) -> SHA256Digest {
    var hash = SHA256()
    var taken: [String: Int] = [:]
    for name in names {
      // A name that stands more often than the field is signed as absent: added later, the signature breaks.
      var found = places[name] ?? []
      if name == "dkim-signature" { found.removeAll { header.fields[$0].rawRange.lowerBound == start } }
      let count = taken[name, default: 0]
      guard count < found.count else { continue }
      taken[name] = count + 1
      let field = header.fields[found[found.count - 1 - count]]
      hash.update(data: canonicalization.field(header.octets(in: field.rawRange)))
    }
    hash.update(data: canonicalization.field(own).dropLast(2))
    return hash.finalize()
  }
}
