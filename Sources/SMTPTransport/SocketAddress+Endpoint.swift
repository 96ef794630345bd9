package import MailSyntax
package import NIOCore

extension SocketEndpoint {
  /// The endpoint of an IP socket. An IPv4 address mapped into IPv6 comes out as IPv4, so that limits and logs see one
  /// form of it. A UNIX socket has none.
  init?(_ address: SocketAddress) {
    guard let text = address.ipAddress, let ip = IPAddress(text), let port = address.port else { return nil }
    self.init(address: ip.unmapped, port: UInt16(truncatingIfNeeded: port))
  }

  /// The same as NIO's value, made from octets: no text, no look-up.
  package func socketAddress() throws -> SocketAddress {
    try SocketAddress(packedIPAddress: ByteBuffer(bytes: address.octets), port: Int(port))
  }
}

extension IPAddress {
  /// The IPv4 address that an address in `::ffff:0:0/96` stands for (RFC 4291 §2.5.5.2); any other as it is.
  var unmapped: IPAddress {
    guard case .v6(0, let low) = self, low >> 32 == 0xffff else { return self }
    return .v4(UInt32(truncatingIfNeeded: low))
  }

  init?(octets: some Collection<UInt8>) {
    switch octets.count {
    case 4: self = .v4(octets.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      self = .v6(
        high: octets.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
        low: octets.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
    case _: return nil
    }
  }

  /// Four or sixteen octets in network order.
  var octets: [UInt8] {
    switch self {
    case .v4(let value): withUnsafeBytes(of: value.bigEndian) { Array($0) }
    case .v6(let high, let low):
      withUnsafeBytes(of: high.bigEndian) { Array($0) } + withUnsafeBytes(of: low.bigEndian) { Array($0) }
    }
  }
}
