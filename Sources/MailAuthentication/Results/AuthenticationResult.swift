import MailSyntax

/// One statement of an Authentication-Results field: `dkim=pass reason="…" header.d=example.org`. Source: RFC 8601
/// §2.2.
public struct AuthenticationResult: Hashable, Sendable {
  /// More than any method has registered; further ones are left out.
  public static let maximumProperties = 16

  public let verdict: AuthenticationVerdict
  /// For people.
  public let reason: String?
  /// Those registered for the method; others are left out (RFC 8601 §2.7).
  public let properties: [Property]

  public struct Property: Hashable, Sendable {
    public let name: PropertyName
    public let value: String
    public init(_ name: PropertyName, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  public init(_ verdict: AuthenticationVerdict, reason: String? = nil, properties: [Property] = []) {
    self.verdict = verdict
    self.reason = reason
    self.properties = Array(
      properties.filter { $0.name.methods.contains(verdict.method) }.prefix(AuthenticationResult.maximumProperties))
  }
}

extension AuthenticationResult {
  /// `ptype.property`, as registered. Source: RFC 8601 §6.2; RFC 9989 §9.1; RFC 8617 §10.2.
  public enum PropertyName: String, Hashable, Sendable, CaseIterable {
    case signatureAlgorithm = "header.a"
    /// The first octets of the signature, to tell two of one domain apart (RFC 6008).
    case signatureStart = "header.b"
    case signingDomain = "header.d"
    case signingIdentity = "header.i"
    case signingSelector = "header.s"
    case authorDomain = "header.from"
    case oldestPass = "header.oldest-pass"
    case reversePath = "smtp.mailfrom"
    case greeting = "smtp.helo"
    case authenticatedUser = "smtp.auth"
    case remoteAddress = "smtp.remote-ip"
    case clientAddress = "policy.iprev"
    case dmarcPolicy = "policy.dmarc"

    /// The methods it may stand with.
    public var methods: [AuthenticationVerdict.Method] {
      switch self {
      case .signatureAlgorithm, .signatureStart, .signingDomain, .signingIdentity, .signingSelector: [.dkim]
      case .authorDomain, .dmarcPolicy: [.dmarc]
      case .oldestPass, .remoteAddress: [.arc]
      case .reversePath: [.spf, .auth]
      case .greeting: [.spf]
      case .authenticatedUser: [.auth]
      case .clientAddress: [.iprev]
      }
    }
  }
}
