/// An IPv4 or IPv6 address as a value. Written as RFC 5952 §4 says.
public enum IPAddress: Hashable, Sendable {
  case v4(UInt32)
  case v6(high: UInt64, low: UInt64)
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
