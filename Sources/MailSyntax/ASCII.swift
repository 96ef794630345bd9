extension UInt8 {
  public var isASCIIDigit: Bool { self >= 0x30 && self <= 0x39 }
  public var isASCIILetter: Bool { (self | 0x20) >= 0x61 && (self | 0x20) <= 0x7a }
  public var isASCIIAlphanumeric: Bool { isASCIIDigit || isASCIILetter }
  public var lowercasedASCII: UInt8 { self >= 0x41 && self <= 0x5a ? self | 0x20 : self }
  /// atext of RFC 5322 §3.2.3.
  public var isAtomText: Bool {
    switch self {
    case _ where isASCIIAlphanumeric: true
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
      UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
      UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
      UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
      true
    case _: false
    }
  }
}

extension StringProtocol {
  /// Lower case for A to Z alone: names in mail protocols fold no other letter.
  public func lowercasedASCII() -> String {
    guard utf8.contains(where: { $0 >= 0x41 && $0 <= 0x5a }) else { return String(self) }
    return String(decoding: utf8.map(\.lowercasedASCII), as: UTF8.self)
  }
}

extension String {
  /// At most so many octets of it, and an ellipsis where there was more. Cut between scalars, for a Character may be of
  /// any length.
  public func cut(toOctets limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var kept = String.UnicodeScalarView()
    var octets = 0
    for scalar in unicodeScalars {
      octets += UTF8.width(scalar)
      guard octets <= limit else { break }
      kept.append(scalar)
    }
    return String(kept) + "…"
  }
}
