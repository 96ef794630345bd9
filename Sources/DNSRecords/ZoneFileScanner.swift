import MailSyntax

/// Cuts a zone file into entries of words. Source: RFC 1035 §5.1.
struct ZoneFileScanner {
  struct Word: Hashable {
    /// Without its quotes, and with escapes undone.
    let octets: [UInt8]
    /// It had quotes or an escape: no character of it means anything but itself.
    let isLiteral: Bool
    var text: String { String(decoding: octets, as: UTF8.self) }
  }

  /// One directive or record.
  struct Entry {
    let line: Int
    /// The line begins with white space: the name is that of the entry before.
    let isIndented: Bool
    let words: [Word]
  }

  private let octets: [UInt8]
  private var position = 0
  private var line = 1

  init(_ octets: [UInt8]) { self.octets = octets }

  /// Nil behind the last entry.
  mutating func next() throws(ZoneFileFault) -> Entry? {
    while position < octets.count {
      let (start, isIndented) = (line, octets[position] == 0x20 || octets[position] == 0x09)
      let words = try words()
      if !words.isEmpty { return Entry(line: start, isIndented: isIndented, words: words) }
    }
    return nil
  }

  /// To the end of the line, or of the last line that a parenthesis joins to it.
  private mutating func words() throws(ZoneFileFault) -> [Word] {
    var words: [Word] = []
    var isOpen = false
    let start = line
    while position < octets.count {
      let octet = octets[position]
      switch octet {
      case UInt8(ascii: "\n"):
        position += 1
        line += 1
        if !isOpen { return words }
      case 0x20, 0x09, 0x0d: position += 1
      case UInt8(ascii: ";"):
        while position < octets.count, octets[position] != UInt8(ascii: "\n") { position += 1 }
      case UInt8(ascii: "("), UInt8(ascii: ")"):
        guard isOpen != (octet == UInt8(ascii: "(")) else {
          throw ZoneFileFault(line, "a parenthesis \(isOpen ? "within another" : "that closes none")")
        }
        isOpen.toggle()
        position += 1
      // Nothing but spaces, tabs and line ends parts words.
      case 0..<0x20: throw ZoneFileFault(line, "a control character: in a string it is written \\DDD")
      case _: words.append(try word())
      }
    }
    guard !isOpen else { throw ZoneFileFault(start, "a parenthesis that nothing closes") }
    return words
  }

  private mutating func word() throws(ZoneFileFault) -> Word {
    let isQuoted = octets[position] == UInt8(ascii: "\"")
    if isQuoted { position += 1 }
    var word: [UInt8] = []
    var isLiteral = isQuoted
    while position < octets.count {
      let octet = octets[position]
      if isQuoted {
        if octet == UInt8(ascii: "\"") {
          position += 1
          return Word(octets: word, isLiteral: isLiteral)
        }
        guard octet != UInt8(ascii: "\n") else { throw ZoneFileFault(line, "a string that nothing closes") }
      } else if octet <= 0x20 || octet == UInt8(ascii: ";") || octet == UInt8(ascii: "(") || octet == UInt8(ascii: ")")
      {
        break
      }
      position += 1
      if octet == UInt8(ascii: "\\") {
        isLiteral = true
        word.append(try escaped())
      } else {
        word.append(octet)
      }
    }
    guard !isQuoted else { throw ZoneFileFault(line, "a string that nothing closes") }
    return Word(octets: word, isLiteral: isLiteral)
  }

  /// Behind a backslash: three digits are an octet's number, anything else is itself.
  private mutating func escaped() throws(ZoneFileFault) -> UInt8 {
    guard position < octets.count, octets[position] != UInt8(ascii: "\n") else {
      throw ZoneFileFault(line, "a backslash with nothing behind it")
    }
    guard octets[position].isASCIIDigit else {
      position += 1
      return octets[position - 1]
    }
    let digits = octets[position...].prefix(3)
    guard digits.count == 3, digits.allSatisfy(\.isASCIIDigit),
      let value = UInt8(String(decoding: digits, as: UTF8.self))
    else { throw ZoneFileFault(line, "behind a backslash stand three digits, 000 to 255") }
    position += 3
    return value
  }
}
