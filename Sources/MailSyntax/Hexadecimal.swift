extension Collection<UInt8> {
  /// Two lower-case digits for each octet, in their order.
  ///
  /// Inlinable, for every delivery spells digests, and a generic call for each octet costs more than all the rest.
  @inlinable public var hexadecimal: String {
    String(unsafeUninitializedCapacity: 2 * count) { digits in
      var place = 0
      for octet in self {
        digits[place] = hexadecimalDigit(octet >> 4)
        digits[place + 1] = hexadecimalDigit(octet & 0x0f)
        place += 2
      }
      return place
    }
  }
}

@inlinable func hexadecimalDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}
