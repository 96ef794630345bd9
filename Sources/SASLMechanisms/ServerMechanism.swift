public import MailSyntax

/// The mechanisms a server offers. Source: RFC 4616, draft-murchison-sasl-login, RFC 7677.
public enum ServerMechanism: String, Hashable, Sendable, CaseIterable {
  case scramSHA256 = "SCRAM-SHA-256"
  case plain = "PLAIN"
  case login = "LOGIN"
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
