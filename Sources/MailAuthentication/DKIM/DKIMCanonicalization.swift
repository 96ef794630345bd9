import MailMessage
import MailSyntax
import NIOCore

/// How much a message may change on its way before a signature breaks. Source: RFC 6376 §3.4.
public enum DKIMCanonicalization: String, Hashable, Sendable, CaseIterable {
  /// Not at all.
  case simple
  /// In its white space, and in the letters' case of field names.
  case relaxed
}

extension DKIMCanonicalization {
  /// A header field in its canonical form, with its CRLF (RFC 6376 §3.4.1, §3.4.2).
  ///
  /// - Parameter field: its octets as they came, with or without the last CRLF.
  func field(_ field: some BidirectionalCollection<UInt8>) -> [UInt8] {
    switch self {
    case .simple:
      let lineEnd: [UInt8] = [0x0d, 0x0a]
      return field.suffix(2).elementsEqual(lineEnd) ? Array(field) : Array(field) + lineEnd
    case .relaxed: return DKIMCanonicalization.relaxed(field)
    }
  }

  private static func relaxed(_ field: some BidirectionalCollection<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(field.count)
    var rest = field[...]
    while let octet = rest.first, octet != UInt8(ascii: ":") {
      if !isSpace(octet) { text.append(octet.lowercasedASCII) }
      rest = rest.dropFirst()
    }
    text.append(UInt8(ascii: ":"))
    // Unfolding takes the CRLF away and leaves the white space behind it, which then is one space like any other.
    var hasSpace = false
    var hasText = false
    var value = rest.dropFirst()
    while let octet = value.popFirst() {
      switch octet {
      // A CR or LF alone folds nothing: it is text, and whoever puts one in changes what was signed.
      case 0x0d where value.first == 0x0a: value.removeFirst()
      case 0x20, 0x09: hasSpace = true
      case _:
        if hasSpace, hasText { text.append(0x20) }
        (hasSpace, hasText) = (false, true)
        text.append(octet)
      }
    }
    return text + [0x0d, 0x0a]
  }
}
