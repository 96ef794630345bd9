/// An IPv4 or IPv6 address as a value. Written as RFC 5952 §4 says.
public enum IPAddress: Hashable, Sendable {
  case v4(UInt32)
  case v6(high: UInt64, low: UInt64)

  /// The machine itself: 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3).
  public var isLoopback: Bool {
    switch self {
    case .v4(let value): value >> 24 == 127
    case .v6(let high, let low): high == 0 && low == 1
    }
  }
}

/// An address and a port.
public struct SocketEndpoint: Hashable, Sendable, CustomStringConvertible {
  public let address: IPAddress
  public let port: UInt16
  public init(address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }
  public var description: String {
    switch address {
    case .v4: "\(address):\(port)"
    case .v6: "[\(address)]:\(port)"
    }
  }
}
