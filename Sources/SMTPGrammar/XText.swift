import MailSyntax

/// xtext of RFC 3461 §4: printable ASCII, where `+` and two upper-case hexadecimal digits stand for any octet.
enum XText {
  /// The decoded text; nil where the encoding is broken or it hides a control character or broken UTF-8.
  static func decode(_ octets: some Collection<UInt8>) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(octets.count)
    var rest = octets.makeIterator()
    while let octet = rest.next() {
      guard octet == UInt8(ascii: "+") else {
        decoded.append(octet)
        continue
      }
      guard let high = rest.next()?.hexadecimalValue, let low = rest.next()?.hexadecimalValue else { return nil }
      decoded.append(high << 4 | low)
    }
    guard let text = String(validating: decoded, as: UTF8.self), text.isPrintable else { return nil }
    return text
  }

  /// Every octet but printable ASCII other than `+` and `=` becomes `+XX`.
  static func encode(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for octet in text.utf8 {
      if octet > 0x20, octet < 0x7f, octet != UInt8(ascii: "+"), octet != UInt8(ascii: "=") {
        encoded.append(octet)
      } else {
        encoded += [UInt8(ascii: "+"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}

extension UInt8 {
  /// Upper-case digits alone, as RFC 3461 §4 has them.
  fileprivate var hexadecimalValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case _: nil
    }
  }
}

extension String {
  /// No control character, neither of ASCII nor of Unicode's upper range.
  var isPrintable: Bool { unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) } }
}
