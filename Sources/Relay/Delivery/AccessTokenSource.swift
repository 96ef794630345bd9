public import MailSyntax

/// Where OAuth 2 access tokens come from: a command, a file, an issuer. Asked once for each new connection; caching is
/// its own.
public protocol AccessTokenSource: Sendable {
  func token() async throws(AccessTokenFault) -> Secret
}

/// No token could be had; the text is for the operator.
public struct AccessTokenFault: Error, Hashable, Sendable {
  public let reason: String
  public init(_ reason: String) { self.reason = reason }
}
