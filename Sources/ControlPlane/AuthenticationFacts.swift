import MailSyntax
public import Relay

/// What came of one day in one name from one address with one outcome, and how often, as answers carry it.
public struct AuthenticationFacts: Hashable, Sendable, Codable {
  public let day: UTCDay
  public let count: Int
  /// Where the policy stands that was gone by, and its record.
  public let domain: String
  public let policy: String
  public let authorDomain: String
  public let client: String
  /// Of the reverse path; empty for the null one.
  public let reversePathDomain: String
  /// `pass example.org`, with the domain that was asked about.
  public let spf: String
  public let isSPFAligned: Bool
  /// `pass example.org/selector`, `fail example.net`; empty without a signature.
  public let dkim: [String]
  public let isDKIMAligned: Bool
  /// What was done: `none`, `quarantine`, `reject`.
  public let disposition: String
  /// Why it isn't what the policy asks for; empty where it is.
  public let override: String

  private enum CodingKeys: String, CodingKey {
    case day, count, domain, policy, client, spf, dkim, disposition, override
    case authorDomain = "author_domain"
    case reversePathDomain = "reverse_path_domain"
    case isSPFAligned = "spf_aligned"
    case isDKIMAligned = "dkim_aligned"
  }

  public init(_ counted: CountedRecord) {
    let record = counted.record
    day = UTCDay(number: record.day)
    count = counted.count
    domain = record.policyDomain.description
    policy = record.policy
    authorDomain = record.authorDomain.description
    client = record.client.description
    reversePathDomain = record.reversePathDomain
    spf = record.spf
    isSPFAligned = record.isSPFAligned
    dkim = record.dkim.split(separator: "\n").map { String($0) }
    isDKIMAligned = record.isDKIMAligned
    disposition = record.disposition.rawValue
    override = record.override
  }

  /// RFC 9989 §5.3.5: one aligned identifier is enough.
  public var passed: Bool { isSPFAligned || isDKIMAligned }
}
