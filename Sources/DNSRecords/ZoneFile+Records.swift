import MailSyntax

extension ZoneFile {
  /// Turns entries into records; it keeps the origin and the last name, which entries may leave out.
  struct Reader {
    /// Nil for the root.
    private var origin: String?
    private var name: DomainName?

    /// Nil for a directive.
    mutating func record(_ entry: ZoneFileScanner.Entry) throws(ZoneFileFault) -> Record? {
      var words = entry.words[...]
      guard let first = words.first else { return nil }
      if !entry.isIndented {
        words.removeFirst()
        if first.octets.first == UInt8(ascii: "$"), !first.isLiteral {
          try take(directive: first.text, words, entry.line)
          return nil
        }
        name = try self.name(first, entry.line)
      }
      guard let name else { throw ZoneFileFault(entry.line, "the first record has no name") }
      // RFC 1035 §5.1: a time to live and a class in either order, or neither.
      while let word = words.first, Reader.isTimeToLive(word.text) || word.text.uppercased() == "IN" {
        words.removeFirst()
      }
      guard let type = words.popFirst() else { throw ZoneFileFault(entry.line, "there is no record behind the name") }
      return Record(name: name, data: try data(type.text.uppercased(), Array(words), entry.line))
    }

    private mutating func take(
      directive: String, _ words: ArraySlice<ZoneFileScanner.Word>, _ line: Int
    ) throws(ZoneFileFault) {
      switch directive.uppercased() {
      case "$ORIGIN":
        guard let word = words.first else { throw ZoneFileFault(line, "$ORIGIN without a name") }
        origin = word.text == "." ? nil : try name(word, line).description
      case "$TTL": break
      case _: throw ZoneFileFault(line, "\(Reader.shown(directive)) is not understood here")
      }
    }

    /// In quotation marks, printable, cut: escapes make any octet of a file.
    private static func shown(_ text: String) -> String {
      let isUnfit = { (value: UInt32) in value < 0x20 || (0x7f..<0xa0).contains(value) || value | 1 == 0x2029 }
      let scalars = text.cut(toOctets: 80).unicodeScalars.map { isUnfit($0.value) ? "?" : $0 }
      return "\"\(String(String.UnicodeScalarView(scalars)))\""
    }

    private static func isTimeToLive(_ text: String) -> Bool {
      guard let first = text.utf8.first, first.isASCIIDigit else { return false }
      let units = Array("smhdwSMHDW".utf8)
      return text.utf8.allSatisfy { $0.isASCIIDigit || units.contains($0) }
    }

    private func name(_ word: ZoneFileScanner.Word, _ line: Int) throws(ZoneFileFault) -> DomainName {
      let text = word.text
      let whole: String =
        if text == "@", !word.isLiteral { origin ?? "." } else if text.hasSuffix(".") { String(text.dropLast()) } else {
          origin.map { "\(text).\($0)" } ?? text
        }
      do throws(MailSyntaxError) {
        return try DomainName(lookedUp: whole)
      } catch {
        throw ZoneFileFault(line, "\(Reader.shown(text)) is no name: \(error)")
      }
    }

    private func data(_ type: String, _ words: [ZoneFileScanner.Word], _ line: Int) throws(ZoneFileFault) -> Data {
      switch type {
      case "A", "AAAA":
        guard words.count == 1, let address = IPAddress(words[0].text), (address.bitCount == 32) == (type == "A")
        else { throw ZoneFileFault(line, "\(type) is followed by one IPv\(type == "A" ? 4 : 6) address") }
        return .address(address)
      case "MX":
        guard words.count == 2, let preference = UInt16(words[0].text) else {
          throw ZoneFileFault(line, "MX is followed by a preference, 0 to 65535, and a name")
        }
        if words[1].text == "." { return .exchanger(MailExchanger(preference: preference, exchange: .null)) }
        return .exchanger(MailExchanger(preference: preference, exchange: .host(try name(words[1], line))))
      case "TXT":
        guard !words.isEmpty else { throw ZoneFileFault(line, "TXT is followed by one string or more") }
        // RFC 1035 §3.3: a string has 255 octets at most; a longer one could not be published.
        guard words.allSatisfy({ $0.octets.count <= 255 }) else {
          throw ZoneFileFault(line, "a string of more than 255 octets: write it as several, \"…\" \"…\"")
        }
        return .text(words.flatMap(\.octets))
      case "CNAME", "PTR":
        guard words.count == 1 else { throw ZoneFileFault(line, "\(type) is followed by one name") }
        let target = try name(words[0], line)
        return type == "PTR" ? .pointer(target) : .alias(target)
      case _:
        guard let first = type.utf8.first, first.isASCIILetter, type.utf8.allSatisfy(\.isASCIIAlphanumeric) else {
          throw ZoneFileFault(line, "\(Reader.shown(type)) is no type of record")
        }
        return .other
      }
    }
  }
}
