import MailSyntax
@_spi(CleartextPermitMinting) import SMTPSessions

extension CleartextPermit {
  /// Law 2: a hop that never leaves this machine may go without TLS: a UNIX socket, or an address of the loopback
  /// network. A name doesn't count, whatever it is said to resolve to.
  static func localDelivery(to target: DialTarget) -> CleartextPermit? {
    switch target {
    case .unixSocket: CleartextPermit(reason: "local delivery")
    case .address(let endpoint) where endpoint.address.isLoopback: CleartextPermit(reason: "local delivery")
    case .address, .addresses, .host: nil
    }
  }
}
