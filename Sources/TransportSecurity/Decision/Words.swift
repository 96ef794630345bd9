import DNSRecords
import MailSyntax

// How decisions, evidence and proofs are written in records and shown to people: short, stable, one line each.

extension TLSVerdict: CustomStringConvertible {
  public var description: String {
    switch self {
    case .opportunistic: "opportunistic"
    case .encrypt: "encrypt"
    case .authenticate(let proof): "authenticate \(proof.rawValue)"
    case .tryLater: "try-later"
    case .refuse: "refuse"
    }
  }
}

extension TLSDecision {
  /// The evidence of each rule that asks for more than whatever can be had, in their order.
  public var demands: [String] { findings.filter { $0.verdict != .opportunistic }.map(\.evidence) }
}

extension TLSFinding: CustomStringConvertible {
  public var description: String { "\(rule.rawValue): \(verdict), \(evidence) (\(source))" }
}

extension STSEvidence {
  /// `enforce id=20260101T000000 fetched=…`; nil where no policy is in force.
  public var summary: String? {
    guard case .inForce(let known, _) = self else { return nil }
    return "\(known.policy.mode.rawValue) id=\(known.recordID) fetched=\(known.fetchedAt.seconds)"
  }
}

extension CertificateVerification: CustomStringConvertible {
  public var description: String {
    switch self {
    case .verified(let hostName): "verified \(hostName)"
    case .failed(let fault): fault.resultType
    }
  }
}

extension DANEVerification: CustomStringConvertible {
  public var description: String {
    switch self {
    case .matched(let record, let name): "matched \(record)\(name.map { " for \($0)" } ?? "")"
    case .failed(let fault): fault.resultType
    }
  }
}
