import MailSyntax
import NIOCore

/// ORCPT's `type;address`. Source: RFC 3461 §4.2; RFC 6533 §3 for the type `utf-8`.
extension OriginalRecipient {
  /// RFC 3461 §4.2.
  public static let maximumOctets = 500

  private var isUTF8: Bool { addressType.lowercasedASCII() == "utf-8" }

  init?(encoded octets: ByteBufferView) {
    guard octets.count <= OriginalRecipient.maximumOctets, let semicolon = octets.firstIndex(of: UInt8(ascii: ";"))
    else { return nil }
    let type = octets[..<semicolon]
    guard !type.isEmpty, type.allSatisfy(\.isAtomText), let text = XText.decode(octets[(semicolon + 1)...]),
      !text.isEmpty
    else { return nil }
    self.init(addressType: String(decoding: type, as: UTF8.self), address: text)
    if isUTF8 {
      guard let unescaped = OriginalRecipient.unescape(text) else { return nil }
      self.init(addressType: addressType, address: unescaped)
    } else if !text.utf8.allSatisfy({ $0 < 0x80 }) {
      // RFC 3461 §4.2: other types carry US-ASCII. Postfix puts an international address all the same as xtext behind
      // `rfc822`, and a refusal would bounce its mail: it is taken for what it is, and goes on as `utf-8`.
      guard addressType.lowercasedASCII() == "rfc822", octets.allSatisfy({ $0 < 0x80 }) else { return nil }
      self.init(addressType: "utf-8", address: text)
    }
  }

  /// The value of ORCPT in seven bits.
  var encoded: String { "\(addressType);\(isUTF8 ? OriginalRecipient.escape(address) : XText.encode(address))" }

  /// RFC 6533 §3: `\x{HEX}` stands for one character.
  private static func unescape(_ text: String) -> String? {
    var result = String.UnicodeScalarView()
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "\\" else {
        result.append(scalar)
        continue
      }
      guard rest.popFirst() == "x", rest.popFirst() == "{", let close = rest.firstIndex(of: "}") else { return nil }
      let digits = rest[..<close]
      guard (2...6).contains(digits.count), digits.allSatisfy(\.properties.isASCIIHexDigit),
        let value = UInt32(String(digits), radix: 16), let character = Unicode.Scalar(value)
      else { return nil }
      result.append(character)
      rest = rest[rest.index(after: close)...]
    }
    let decoded = String(result)
    return decoded.isPrintable ? decoded : nil
  }

  private static func escape(_ address: String) -> String {
    var result = ""
    for scalar in address.unicodeScalars {
      if scalar.isASCII, scalar != "\\", scalar != "+", scalar != "=", scalar != " " {
        result.unicodeScalars.append(scalar)
      } else {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        result += "\\x{\(digits.count < 2 ? "0" : "")\(digits)}"
      }
    }
    return result
  }
}
