/// A method of authentication and what it came to, in the words that are registered, and no others.
///
/// Source: RFC 8601 §2.7; RFC 9989 §9.2 (dmarc); RFC 8617 §10.1 (arc).
public enum AuthenticationVerdict: Hashable, Sendable {
  case dkim(DKIM)
  case spf(SPFResult)
  case dmarc(DMARCResult)
  case arc(ARC)
  case auth(SMTPAuthentication)
  case iprev(ReverseName)

  /// RFC 8601 §2.7.1.
  public enum DKIM: String, Hashable, Sendable, CaseIterable {
    case none, pass, fail, policy, neutral, temperror, permerror
  }
  /// RFC 8617 §10.1.
  public enum ARC: String, Hashable, Sendable, CaseIterable { case none, pass, fail }
  /// RFC 8601 §2.7.4.
  public enum SMTPAuthentication: String, Hashable, Sendable, CaseIterable {
    case none, pass, fail, temperror, permerror
  }
  /// RFC 8601 §2.7.3.
  public enum ReverseName: String, Hashable, Sendable, CaseIterable { case pass, fail, temperror, permerror }

  public enum Method: String, Hashable, Sendable, CaseIterable { case dkim, spf, dmarc, arc, auth, iprev }

  public var method: Method {
    switch self {
    case .dkim: .dkim
    case .spf: .spf
    case .dmarc: .dmarc
    case .arc: .arc
    case .auth: .auth
    case .iprev: .iprev
    }
  }

  /// As it is written behind the method's `=`.
  public var result: String {
    switch self {
    case .dkim(let result): result.rawValue
    case .spf(let result): result.rawValue
    case .dmarc(let result): result.rawValue
    case .arc(let result): result.rawValue
    case .auth(let result): result.rawValue
    case .iprev(let result): result.rawValue
    }
  }
}
