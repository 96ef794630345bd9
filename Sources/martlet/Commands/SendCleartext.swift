@_spi(CleartextPermitMinting) import SMTPSessions

extension CleartextPermit {
  /// Law 2: an explicit wish for an insecure channel, and the one place where the program grants it. It carries no
  /// credential: `Send` refuses a user with it, and a cleartext session has no way to authenticate (Law 3).
  static let wishedFor = CleartextPermit(reason: "--tls none was given")
}
