import MailAuthentication
public import MailQueue
public import MailSyntax

/// What came from whom in whose name, and what was found and done: what an aggregate report tells the domain's owner.
/// Source: RFC 9990 §3.
public struct AuthenticationRecord: Hashable, Sendable {
  /// Days of UTC since 1970: a report is of one.
  public let day: Int
  /// Where the policy stood, and the record.
  public let policyDomain: DomainName
  public let policy: String
  public let authorDomain: DomainName
  public let client: IPAddress
  /// Of the reverse path; empty for the null one.
  public let reversePathDomain: String
  /// `pass example.org`, with the domain that was asked about.
  public let spf: String
  /// `pass example.org/selector`, `fail example.net`; one a line.
  public let dkim: String
  public let isSPFAligned: Bool
  public let isDKIMAligned: Bool
  public let disposition: Disposition
  /// Why it isn't what the policy asks for; empty where it is.
  public let override: String

  public enum Disposition: String, Hashable, Sendable, CaseIterable { case none, quarantine, reject }

  public init(
    day: Int, policyDomain: DomainName, policy: String, authorDomain: DomainName, client: IPAddress,
    reversePathDomain: String, spf: String, dkim: String, isSPFAligned: Bool, isDKIMAligned: Bool,
    disposition: Disposition, override: String
  ) {
    self.day = day
    self.policyDomain = policyDomain
    self.policy = policy
    self.authorDomain = authorDomain
    self.client = client
    self.reversePathDomain = reversePathDomain
    self.spf = spf
    self.dkim = dkim
    self.isSPFAligned = isSPFAligned
    self.isDKIMAligned = isDKIMAligned
    self.disposition = disposition
    self.override = override
  }
}

/// Records with how often each came.
public struct CountedRecord: Hashable, Sendable {
  public let record: AuthenticationRecord
  public let count: Int
  public init(record: AuthenticationRecord, count: Int) {
    self.record = record
    self.count = count
  }
}

/// Where counts are read.
public protocol AuthenticationRecordSource: Sendable {
  /// Of one day, the first `limit`, by policy domain, and of each what came most often first.
  func authenticationRecords(of day: Int, limit: Int) async throws(StoreFault) -> [CountedRecord]
}

/// Where counts outlive a restart.
public protocol AuthenticationRecordStore: AuthenticationRecordSource {
  /// Adds to what is there of the same record, in one transaction.
  ///
  /// - Returns: how many messages found no room, for all the different records of their day.
  func add(_ records: [CountedRecord]) async throws(StoreFault) -> Int
}

extension AuthenticationRecord {
  /// Octets of the policy and of SPF's domain, and signatures of a message that are told: what strangers write is kept
  /// short.
  static let maximumPolicyOctets = 1_024
  static let maximumTextOctets = 512
  static let maximumSignatures = 4

  /// Of a record that is too long the tags that fit: half of one would say something else.
  static func wholeTags(of record: String) -> String {
    guard record.utf8.count > maximumPolicyOctets else { return record }
    let kept = record.utf8.prefix(maximumPolicyOctets)
    guard let end = kept.lastIndex(of: UInt8(ascii: ";")) else { return "" }
    return String(record[..<end])
  }

  /// Those that passed first. Of the others the selector is anybody's word, and isn't told.
  private static func told(_ outcomes: [DKIMOutcome]) -> String {
    let signed = outcomes.compactMap { outcome in outcome.signature.map { (outcome.result, $0) } }
    let passed = signed.filter { $0.0 == .pass }.map { "pass \($0.1.domain)/\($0.1.selector)" }
    let others = signed.filter { $0.0 != .pass }.map { "\($0.0.rawValue) \($0.1.domain)" }
    return (passed + others).prefix(maximumSignatures).joined(separator: "\n")
  }

  /// Nil where no policy stands that anybody could be told about.
  init?(_ findings: OriginFindings, _ disposition: LocalPolicy.Disposition, reversePath: Mailbox?, at now: UTCInstant) {
    guard let verdict = findings.dmarc.decisive, let policyDomain = verdict.policyDomain, let record = verdict.record
    else { return nil }
    let aligned = verdict.alignments.filter { $0.standing == .aligned }.map(\.mechanism)
    let done: Disposition
    var override = ""
    switch disposition {
    case .accept:
      done = .none
      if findings.dmarc.requested != .none { override = "local_policy: mail is only watched here" }
    case .quarantine(let reason):
      done = .quarantine
      if findings.dmarc.requested == .reject { override = "mailing_list: \(reason)" }
    case .reject: done = .reject
    // It comes again, and is counted then.
    case .tryLater: return nil
    }
    self.init(
      day: Int(now.seconds / 86_400), policyDomain: policyDomain,
      policy: AuthenticationRecord.wholeTags(of: record.text),
      authorDomain: verdict.authorDomain, client: findings.client,
      reversePathDomain: reversePath.map { "\($0.domain)" } ?? "",
      spf: "\(findings.mailFrom.result.rawValue) \(findings.mailFrom.domain)".cut(
        toOctets: AuthenticationRecord.maximumTextOctets),
      dkim: AuthenticationRecord.told(findings.dkim),
      isSPFAligned: aligned.contains(.spf), isDKIMAligned: aligned.contains(.dkim), disposition: done,
      override: override)
  }
}
