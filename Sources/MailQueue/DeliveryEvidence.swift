/// What is kept, beside the channel itself, of the one that had the last word on a recipient: what was asked of it and by
/// whom, and what its certificate proves whether or not anybody asked. It stands in the events of the recipient's
/// attempts, and so in the log, in the store as long as the history is kept, and in what is shown of it.
public struct DeliveryEvidence: Hashable, Sendable {
  /// What was asked of the channel: `opportunistic`, `encrypt`, `authenticate dane`.
  public var verdict: String
  /// By whose word it was that: each rule that asked for more than whatever can be had, an override with its author and
  /// reason, a sender that waived TLS, else the configured floor.
  public var demands: [String]
  /// SHA-256 of the certificate, in hexadecimal.
  public var certificate: String?
  /// Its DNS-IDs, at most `maximumNames`.
  public var certificateNames: [String]
  /// What the host's TLSA records prove: `matched 3 1 1 …`, or why nothing; nil where there were none to match.
  public var dane: String?
  /// The MTA-STS policy that was known: its mode, its id, and when it was fetched last.
  public var policy: String?

  public static let maximumNames = 10

  public init(
    verdict: String, demands: [String] = [], certificate: String? = nil, certificateNames: [String] = [],
    dane: String? = nil, policy: String? = nil
  ) {
    self.verdict = verdict
    self.demands = demands
    self.certificate = certificate
    self.certificateNames = Array(certificateNames.prefix(DeliveryEvidence.maximumNames))
    self.dane = dane
    self.policy = policy
  }

  /// For the event of the recipient's outcome, behind the channel that it names already.
  public var fields: [MailEvent.Field] {
    var fields: [MailEvent.Field] = [.init("policy", .text(verdict))]
    if !demands.isEmpty { fields.append(.init("asked-by", .text(demands.joined(separator: "; ")))) }
    if let certificate { fields.append(.init("certificate", .text(certificate))) }
    if !certificateNames.isEmpty {
      fields.append(.init("certificate-names", .text(certificateNames.joined(separator: " "))))
    }
    if let dane { fields.append(.init("dane", .text(dane))) }
    if let policy { fields.append(.init("mta-sts", .text(policy))) }
    return fields
  }
}
