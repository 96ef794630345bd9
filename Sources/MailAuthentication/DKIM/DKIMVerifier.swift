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

  private let converter: any IDNAConverter
  private var fields: SignedFields?
  private var candidates: [Candidate] = []
  private var passedOver = 0
  private var bodies: [(canonicalization: DKIMCanonicalization, hash: DKIMBodyHash)] = []

  public init(converter: any IDNAConverter) { self.converter = converter }

  public mutating func begin(_ header: HeaderSection) {
    fields = SignedFields(header)
    let found = header.fields.filter { $0.name == "dkim-signature" }
    passedOver = max(0, found.count - DKIMVerifier.maximumSignatures)
    for (place, field) in found.prefix(DKIMVerifier.maximumSignatures).enumerated() {
      let reading: Result<DKIMSignature, DKIMSignatureFault>
      do throws(DKIMSignatureFault) {
        reading = .success(try DKIMSignature(header.octets(in: field.valueRange), converter: converter))
      } catch {
        reading = .failure(error)
      }
      candidates.append(Candidate(place: place, field: field, reading: reading))
      guard case .success(let signature) = reading else { continue }
      let canonicalization = signature.bodyCanonicalization
      if !bodies.contains(where: { $0.canonicalization == canonicalization }) {
        bodies.append((canonicalization, DKIMBodyHash(canonicalization)))
      }
    }
  }

  public mutating func append(_ body: ByteBuffer) {
    for index in bodies.indices { bodies[index].hash.append(body) }
  }

  /// - Returns: one outcome a signature, in the order of their fields; none where the message has none.
  public consuming func finish(resolver: any Resolver, now: UTCInstant) async -> [DKIMOutcome] {
    guard let fields else { return [] }
    let results = bodies.map { ($0.canonicalization, $0.hash.finish()) }
    var readings: [(candidate: Candidate, signature: DKIMSignature, judgement: DKIMJudgement, needsKey: Bool)] = []
    var outcomes: [DKIMOutcome] = []
    for candidate in candidates {
      switch candidate.reading {
      case .failure(let fault): outcomes.append(DKIMOutcome(place: candidate.place, fault))
      case .success(let signature):
        guard let body = results.first(where: { $0.0 == signature.bodyCanonicalization })?.1 else { continue }
        var judgement = DKIMJudgement(signature, place: candidate.place)
        let needsKey = judgement.acceptsBeforeKey(body, now: now)
        readings.append((candidate, signature, judgement, needsKey))
      }
    }
    let keys = await findings(Set(readings.compactMap { $0.needsKey ? $0.signature.keyName : nil }), resolver)
    for var reading in readings {
      if reading.needsKey {
        let name = reading.signature.keyName
        let finding = name.flatMap { keys[$0] } ?? .unusable("its name can't be looked up")
        let digest = fields.digest(reading.signature, field: reading.candidate.field)
        reading.judgement.judge(finding, at: name, digest: digest)
      }
      outcomes.append(reading.judgement.outcome)
    }
    outcomes.sort { $0.place < $1.place }
    if passedOver > 0 { outcomes.append(DKIMOutcome(passedOver: passedOver, place: candidates.count)) }
    return outcomes
  }

  /// All at once: one whose name server says nothing must not keep the others' answers from being heard.
  private func findings(_ names: Set<DomainName>, _ resolver: any Resolver) async -> [DomainName: KeyFinding] {
    await withTaskGroup(of: (DomainName, KeyFinding).self) { group in
      for name in names { group.addTask { (name, await KeyFinding.find(name, resolver)) } }
      return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
  }
}
