/// A block of addresses as CIDR writes it: `192.0.2.0/24`, `2001:db8::/32`; a bare address is a block of one.
public struct IPNetwork: Hashable, Sendable, CustomStringConvertible {
  public let address: IPAddress
  public let prefixLength: Int

  /// - Parameter prefixLength: 0 to 32 for IPv4, 0 to 128 for IPv6; bits behind it are cleared.
  public init?(address: IPAddress, prefixLength: Int) {
    guard (0...address.bitCount).contains(prefixLength) else { return nil }
    self.address = address.masked(to: prefixLength)
    self.prefixLength = prefixLength
  }

  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(first) else { return nil }
    guard parts.count == 2 else {
      self.init(address: address, prefixLength: address.bitCount)
      return
    }
    guard parts[1].utf8.allSatisfy(\.isASCIIDigit), let length = Int(parts[1]) else { return nil }
    self.init(address: address, prefixLength: length)
  }

  public func contains(_ other: IPAddress) -> Bool {
    switch (address, other) {
    case (.v4, .v4), (.v6, .v6): other.masked(to: prefixLength) == address
    case (.v4, .v6), (.v6, .v4): false
    }
  }

  public var description: String { "\(address)/\(prefixLength)" }
}

extension IPNetwork {
  /// Where no stranger on the Internet is: this host and its own network (RFC 1122 §3.2.1.3, RFC 4291 §2.5), private
  /// networks (RFC 1918, RFC 4193, RFC 6598) and links (RFC 3927, RFC 4291 §2.5.6).
  public static let notGlobal: [IPNetwork] = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "::/127", "fc00::/7", "fe80::/10",
  ].compactMap { IPNetwork($0) }
}

extension IPAddress {
  /// 32 or 128.
  public var bitCount: Int {
    switch self {
    case .v4: 32
    case .v6: 128
    }
  }

  /// The address with all bits behind the first `bits` cleared.
  public func masked(to bits: Int) -> IPAddress {
    switch self {
    // A smart shift by the whole width gives zero, so no length is special.
    case .v4(let value): .v4(value & ~(UInt32.max >> bits))
    case .v6(let high, let low): .v6(high: high & ~(UInt64.max >> bits), low: low & ~(UInt64.max >> max(0, bits - 64)))
    }
  }
}

extension IPAddress {
  /// Whether somebody on the Internet has it who isn't in one of these networks either.
  public func isStrange(besides own: [IPNetwork]) -> Bool {
    !IPNetwork.notGlobal.contains { $0.contains(self) } && !own.contains { $0.contains(self) }
  }
}
