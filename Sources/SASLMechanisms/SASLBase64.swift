/// The base64 of SASL in SMTP, strict both ways. Source: RFC 4954 §4, RFC 4648 §3.2, §3.3, §3.5, §4.
///
/// No line breaks, no blanks, no other octet outside the alphabet; padding is there, at the end and nowhere else; the
/// unused trailing bits are zero, so each value has exactly one spelling.
public enum SASLBase64 {
  /// RFC 4954 §4: 12288 octets suffice for the mechanisms there are. A longer line gets 500 5.5.6.
  public static let maximumEncodedOctets = 12288

  public enum Fault: Error, Hashable, Sendable {
    /// 500 5.5.6.
    case tooLong
    /// 501 5.5.2; a client cancels with `*`.
    case malformed
  }

  public static func encode(_ octets: some Collection<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((octets.count + 2) / 3 * 4)
    var rest = octets[...]
    while !rest.isEmpty {
      let group = rest.prefix(3)
      rest = rest.dropFirst(3)
      var bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let missing = 3 - group.count
      bits <<= UInt32(missing * 8)
      for position in 0..<4 {
        text.append(position < 4 - missing ? alphabet[Int(bits >> UInt32(18 - position * 6) & 63)] : padding)
      }
    }
    return text
  }

  /// Reads a whole text of at most `maximumEncodedOctets`; the empty text is the empty value.
  public static func decode(_ text: some Collection<UInt8>) throws(Fault) -> [UInt8] {
    let count = text.count
    guard count <= maximumEncodedOctets else { throw .tooLong }
    guard count % 4 == 0 else { throw .malformed }
    var octets: [UInt8] = []
    octets.reserveCapacity(count / 4 * 3)
    var bits: UInt32 = 0
    var sextets = 0
    var paddings = 0
    for octet in text {
      if octet == padding {
        paddings += 1
        continue
      }
      guard paddings == 0, let sextet = value(of: octet) else { throw .malformed }
      bits = bits << 6 | UInt32(sextet)
      sextets += 1
      guard sextets == 4 else { continue }
      octets.append(UInt8(truncatingIfNeeded: bits >> 16))
      octets.append(UInt8(truncatingIfNeeded: bits >> 8))
      octets.append(UInt8(truncatingIfNeeded: bits))
      (bits, sextets) = (0, 0)
    }
    // RFC 4648 §3.5: the bits behind the last octet are zero.
    switch (sextets, paddings) {
    case (0, 0): break
    case (2, 2) where bits & 0xf == 0:
      octets.append(UInt8(truncatingIfNeeded: bits >> 4))
    case (3, 1) where bits & 0x3 == 0:
      octets.append(UInt8(truncatingIfNeeded: bits >> 10))
      octets.append(UInt8(truncatingIfNeeded: bits >> 2))
    case _: throw .malformed
    }
    return octets
  }

  /// RFC 4954 §4: a zero-length initial response is written `=`, so that it differs from none at all.
  public static func encodeInitialResponse(_ octets: some Collection<UInt8>) -> [UInt8] {
    octets.isEmpty ? [padding] : encode(octets)
  }

  /// Reads the initial response of an AUTH command. Only there does `=` stand for zero octets.
  public static func decodeInitialResponse(_ text: some Collection<UInt8>) throws(Fault) -> [UInt8] {
    text.count == 1 && text.first == padding ? [] : try decode(text)
  }

  private static let padding = UInt8(ascii: "=")
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static func value(of octet: UInt8) -> UInt8? {
    switch octet {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): octet - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): octet - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): octet - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    case _: nil
    }
  }
}
