import MailSyntax

/// The PROXY protocol's binary header, version 2, that a trusted proxy sends before anything else.
/// Source: The PROXY protocol, version 2 (HAProxy), §2.2.
struct ProxyHeader: Hashable, Sendable {
  /// Sixteen fixed octets, the addresses, and what TLVs proxies of today add.
  static let maximumOctets = 4_096
  static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

  /// Whom the proxy speaks for; nil where the connection is the proxy's own (LOCAL, health checks) or has no IP.
  let endpoints: Endpoints?
  /// What the header takes of the stream: the next octet belongs to TLS or SMTP.
  let octetCount: Int

  struct Endpoints: Hashable, Sendable {
    let source: SocketEndpoint
    let destination: SocketEndpoint
  }

  enum Progress: Hashable, Sendable {
    case needsBytes
    case done(ProxyHeader)
    case malformed(String)
  }

  static func parse(_ bytes: some Sequence<UInt8>) -> Progress {
    let bytes = Array(bytes.prefix(maximumOctets))
    let known = bytes.prefix(signature.count)
    guard signature.starts(with: known) else {
      return known.starts(with: Array("PROXY".utf8).prefix(known.count))
        ? .malformed("version 1 of the PROXY protocol isn't spoken here; set the proxy to version 2")
        : .malformed("no PROXY protocol header came from a proxy that must send one")
    }
    guard bytes.count >= 16 else { return .needsBytes }
    let length = Int(bytes[14]) << 8 | Int(bytes[15])
    guard bytes[12] >> 4 == 2 else { return .malformed("version \(bytes[12] >> 4) of the PROXY protocol is unknown") }
    guard 16 + length <= maximumOctets else { return .malformed("the PROXY header has \(16 + length) octets") }
    guard bytes.count >= 16 + length else { return .needsBytes }
    let block = bytes[16..<(16 + length)]
    switch bytes[12] & 15 {
    case 0: return .done(ProxyHeader(endpoints: nil, octetCount: 16 + length))
    case 1: return proxied(family: bytes[13], block, octetCount: 16 + length)
    case let command: return .malformed("the PROXY command \(command) is unknown")
    }
  }

  private static func proxied(family: UInt8, _ block: ArraySlice<UInt8>, octetCount: Int) -> Progress {
    let width: Int
    switch family {
    case 0x11: width = 4  // TCP over IPv4
    case 0x21: width = 16  // TCP over IPv6
    // Unspecified, and UNIX stream: no addresses for us, and the header says to go on with the real ones.
    case 0x00, 0x31: return .done(ProxyHeader(endpoints: nil, octetCount: octetCount))
    case _: return .malformed("the PROXY address family and protocol \(family) is not TCP")
    }
    var fields = FieldReader(block)
    guard let source = fields.octets(width), let destination = fields.octets(width), let sourcePort = fields.uint16(),
      let destinationPort = fields.uint16(), let from = IPAddress(octets: source),
      let to = IPAddress(octets: destination)
    else { return .malformed("the PROXY header is shorter than its addresses") }
    let endpoints = Endpoints(
      source: SocketEndpoint(address: from.unmapped, port: sourcePort),
      destination: SocketEndpoint(address: to.unmapped, port: destinationPort))
    return .done(ProxyHeader(endpoints: endpoints, octetCount: octetCount))
  }
}
