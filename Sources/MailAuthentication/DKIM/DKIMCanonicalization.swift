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
  func field(_ field: [UInt8]) -> [UInt8] {
    var text: [UInt8] = []
    field.withUnsafeBytes { write($0, to: &text) }
    return text
  }

  /// The same, put behind what is there.
  func write(_ field: UnsafeRawBufferPointer, to text: inout [UInt8]) {
    text.reserveCapacity(text.count + field.count + 2)
    switch self {
    case .simple:
      text += field
      if field.count < 2 || field[field.count - 2] != 0x0d || field[field.count - 1] != 0x0a { text += [0x0d, 0x0a] }
    case .relaxed: DKIMCanonicalization.writeRelaxed(field, &text)
    }
  }

  private static func writeRelaxed(_ field: UnsafeRawBufferPointer, _ text: inout [UInt8]) {
    // White space can only become less; a colon or a CRLF that is missing is added.
    let form = [UInt8](unsafeUninitializedCapacity: field.count + 3) { form, count in
      func put(_ octet: UInt8) {
        form[count] = octet
        count += 1
      }
      var position = 0
      while position < field.count, field[position] != UInt8(ascii: ":") {
        if !isSpace(field[position]) { put(field[position].lowercasedASCII) }
        position += 1
      }
      put(UInt8(ascii: ":"))
      position += 1
      // Unfolding takes the CRLF away and leaves the white space behind it, which then is one space like any other.
      var hasSpace = false
      let start = count
      while position < field.count {
        let octet = field[position]
        position += 1
        switch octet {
        // A CR or LF alone folds nothing: it is text, and whoever puts one in changes what was signed.
        case 0x0d where position < field.count && field[position] == 0x0a: position += 1
        case 0x20, 0x09: hasSpace = true
        case _:
          if hasSpace, count > start { put(0x20) }
          hasSpace = false
          put(octet)
        }
      }
      put(0x0d)
      put(0x0a)
    }
    text += form
  }
}
