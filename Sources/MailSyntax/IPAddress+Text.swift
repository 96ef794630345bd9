extension IPAddress: CustomStringConvertible {
  /// Reads dotted-quad IPv4 or IPv6 text; no zone index, no prefix, no leading zeros in IPv4.
  public init?(_ text: some StringProtocol) {
    let octets = Array(text.utf8)
    if let v4 = IPAddress.readV4(octets[...]) {
      self = .v4(v4)
    } else if let groups = IPAddress.readV6(octets) {
      self = .v6(
        high: groups[0..<4].reduce(0) { $0 << 16 | UInt64($1) },
        low: groups[4..<8].reduce(0) { $0 << 16 | UInt64($1) })
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .v4(let value): "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    case .v6: describeV6()
    }
  }

  /// The eight groups of an IPv6 address, most significant first.
  var groups: [UInt16] {
    guard case .v6(let high, let low) = self else { return [] }
    return [high, low].flatMap { half in [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> $0) } }
  }

  /// RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups as `::`, the first of equals.
  private func describeV6() -> String {
    let groups = groups
    var longest = 0..<0
    var start = 0
    while start < groups.count {
      var end = start
      while end < groups.count, groups[end] == 0 { end += 1 }
      if end - start > max(1, longest.count) { longest = start..<end }
      start = max(end, start + 1)
    }
    let hexadecimal = groups.map { String($0, radix: 16) }
    guard !longest.isEmpty else { return hexadecimal.joined(separator: ":") }
    return hexadecimal[..<longest.lowerBound].joined(separator: ":") + "::"
      + hexadecimal[longest.upperBound...].joined(separator: ":")
  }

  private static func readV4(_ octets: ArraySlice<UInt8>) -> UInt32? {
    let parts = octets.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.count), part.allSatisfy(\.isASCIIDigit),
        part.count == 1 || part.first != UInt8(ascii: "0"),
        let octet = UInt8(String(decoding: part, as: UTF8.self))
      else { return nil }
      value = value << 8 | UInt32(octet)
    }
    return value
  }

  private static func readV6(_ octets: [UInt8]) -> [UInt16]? {
    guard (2...45).contains(octets.count) else { return nil }
    var before: [UInt16] = []
    var after: [UInt16]?
    var rest = octets[...]
    if rest.starts(with: [UInt8(ascii: ":"), UInt8(ascii: ":")]) {
      after = []
      rest = rest.dropFirst(2)
    }
    while !rest.isEmpty {
      let group = rest.prefix { $0 != UInt8(ascii: ":") }
      rest = rest.dropFirst(group.count)
      if rest.isEmpty, group.contains(UInt8(ascii: ".")) {
        guard let v4 = readV4(group) else { return nil }
        append(UInt16(v4 >> 16))
        append(UInt16(v4 & 0xffff))
        break
      }
      guard (1...4).contains(group.count), let value = UInt16(String(decoding: group, as: UTF8.self), radix: 16),
        group.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") })
      else { return nil }
      append(value)
      guard !rest.isEmpty else { break }
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: ":") {
        guard after == nil else { return nil }
        after = []
        rest = rest.dropFirst()
      } else if rest.isEmpty {
        return nil
      }
    }
    guard let tail = after else { return before.count == 8 ? before : nil }
    guard before.count + tail.count <= 7 else { return nil }
    return before + [UInt16](repeating: 0, count: 8 - before.count - tail.count) + tail

    func append(_ group: UInt16) {
      if after == nil { before.append(group) } else { after?.append(group) }
    }
  }
}
