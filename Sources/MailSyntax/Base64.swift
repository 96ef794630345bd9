/// Octets as text, strict both ways. Source: RFC 4648 §3.2, §3.3, §3.5, §4.
///
/// No line breaks, no blanks, no other octet outside the alphabet; padding is there, at the end and nowhere else; the
/// unused trailing bits are zero, so each value has exactly one spelling.
public enum Base64 {
  public static func encode(_ octets: some Collection<UInt8>) -> [UInt8] {
    // Octets that lie side by side are gone through without a call for each.
    octets.withContiguousStorageIfAvailable(encode(contiguous:))
      ?? Array(octets).withUnsafeBufferPointer(encode(contiguous:))
  }

  private static func encode(contiguous octets: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    Array(unsafeUninitializedCapacity: (octets.count + 2) / 3 * 4) { text, count in
      alphabet.withUnsafeBufferPointer { alphabet in
        var start = 0
        while start < octets.count {
          let present = min(3, octets.count - start)
          var bits = UInt32(octets[start]) << 16
          if present > 1 { bits |= UInt32(octets[start + 1]) << 8 }
          if present > 2 { bits |= UInt32(octets[start + 2]) }
          for position in 0..<4 {
            text[count] = position <= present ? alphabet[Int(bits >> UInt32(18 - position * 6) & 63)] : padding
            count += 1
          }
          start += 3
        }
      }
    }
  }

  public static func text(_ octets: some Collection<UInt8>) -> String {
    String(decoding: encode(octets), as: UTF8.self)
  }

  /// Nil for what is no base64; the empty text is the empty value.
  public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    let count = text.count
    guard count % 4 == 0 else { return nil }
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
      guard paddings == 0, let sextet = value(of: octet) else { return nil }
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
    case _: return nil
    }
    return octets
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
