public import MailSyntax

/// Hashes passwords, slowly on purpose. The implementation stands at the edge and computes off the event loop.
public protocol PasswordVerifier: Sendable {
  /// Takes the same time whether the password matches or not.
  func verify(_ password: Secret, against hash: PasswordHash) async -> PasswordCheck
  /// `password` is prepared by `SASLPreparation`. The salt is fresh.
  func hash(_ password: Secret) async throws(PasswordHashingFault) -> PasswordHash
}

public enum PasswordCheck: Hashable, Sendable {
  case matches
  case differs
  /// Nothing can be said now: 454 4.7.0.
  case unavailable
}

public enum PasswordHashingFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// No thread or no memory to compute with.
  case unavailable

  public var description: String { "a password's hash can't be computed: there is no memory for it" }
}
