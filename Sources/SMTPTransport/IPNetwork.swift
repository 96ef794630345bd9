public import MailSyntax

/// A block of addresses as CIDR writes it: `192.0.2.0/24`, `2001:db8::/32`; a bare address is a block of one.
public struct IPNetwork: Hashable, Sendable, CustomStringConvertible {
  public let address: IPAddress
  public let prefixLength: Int

  /// - Parameter prefixLength: 0 to 32 for IPv4, 0 to 128 for IPv6; bits behind it are cleared.
  public init?(address: IPAddress, prefixLength: Int) {
    guard (0...address.octets.count * 8).contains(prefixLength) else { return nil }
    self.address = address.masked(to: prefixLength)
    self.prefixLength = prefixLength
  }

  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(first) else { return nil }
    guard parts.count == 2 else {
      self.init(address: address, prefixLength: address.octets.count * 8)
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

extension IPAddress {
  /// The address with all bits behind the first `bits` cleared.
  func masked(to bits: Int) -> IPAddress {
    switch self {
    // A smart shift by the whole width gives zero, so no length is special.
    case .v4(let value): .v4(value & ~(UInt32.max >> bits))
    case .v6(let high, let low): .v6(high: high & ~(UInt64.max >> bits), low: low & ~(UInt64.max >> max(0, bits - 64)))
    }
  }
}
