public import MailSyntax

extension IPAddress {
  public var family: AddressFamily {
    switch self {
    case .v4: .v4
    case .v6: .v6
    }
  }

  /// Where the names of a host stand: `1.2.0.192.in-addr.arpa` (RFC 1035 §3.5), and 32 hexadecimal digits below
  /// `ip6.arpa` (RFC 3596 §2.5). Never nil.
  public var reverseName: DomainName? {
    let text =
      switch self {
      case .v4(let value): "\(value & 255).\(value >> 8 & 255).\(value >> 16 & 255).\(value >> 24).in-addr.arpa"
      case .v6(let high, let low):
        [low, high].flatMap { half in (0..<16).map { String(half >> UInt64(4 * $0) & 15, radix: 16) } }
          .joined(separator: ".") + ".ip6.arpa"
      }
    return try? DomainName(text)
  }
}
