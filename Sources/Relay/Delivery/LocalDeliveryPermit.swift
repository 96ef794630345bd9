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

extension IPAddress {
  /// RFC 1122 §3.2.1.3: 127/8. RFC 4291 §2.5.3: ::1.
  fileprivate var isLoopback: Bool {
    switch self {
    case .v4(let value): value >> 24 == 127
    case .v6(let high, let low): high == 0 && low == 1
    }
  }
}
