public import MailSyntax

/// The mechanisms a server offers. Source: RFC 4616, draft-murchison-sasl-login, RFC 7677.
public enum ServerMechanism: String, Hashable, Sendable, CaseIterable {
  case scramSHA256 = "SCRAM-SHA-256"
  case plain = "PLAIN"
  case login = "LOGIN"

  /// Reads a mechanism's name as a client gives it: names compare without ASCII case (RFC 4422 §3.1 has them upper).
  public init?(name: some StringProtocol) {
    guard let match = ServerMechanism.allCases.first(where: { $0.rawValue.lowercasedASCII() == name.lowercasedASCII() })
    else { return nil }
    self = match
  }
}

/// A user name and the password that is claimed to be theirs, both prepared by `SASLPreparation`.
public struct PasswordClaim: Sendable {
  public let user: String
  public let password: Secret
  public init(user: String, password: Secret) {
    self.user = user
    self.password = password
  }
}
