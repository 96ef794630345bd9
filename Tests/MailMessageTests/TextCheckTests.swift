import Testing

@testable import MailMessage

@Suite struct TextCheckTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let input: [UInt8]
    let isText: Bool
    let isEightBit: Bool
    init(_ input: String, _ isText: Bool, isEightBit: Bool = false) {
      self.input = Array(input.utf8)
      self.isText = isText
      self.isEightBit = isEightBit
    }
    var testDescription: String { String(String(decoding: input, as: UTF8.self).debugDescription.prefix(40)) }
  }

  static let longest = String(repeating: "x", count: 998)
  static let rows = [
    Row("", true), Row("\r\n", true), Row("a\r\n\r\nb\r\n", true), Row("no end", true),
    Row("a\nb\r\n", false), Row("\n", false), Row("\r\n\n", false),
    Row("a\rb\r\n", false), Row("a\r\r\n", false), Row("ends in CR\r", false),
    Row("nul \0 here\r\n", false), Row("gr\u{fc}n\r\n", true, isEightBit: true),
    Row("\u{85}\u{2028}\u{0b}\u{0c}\r\n", true, isEightBit: true),
    Row(longest + "\r\n" + longest, true), Row(longest + "x\r\n", false), Row("ok\r\n" + longest + "x", false),
  ]

  @Test("only CRLF ends a line of 998 octets at most, in one piece and in two (SMTP-005, SMTP-006)", arguments: rows)
  func checksAtEverySplit(_ row: Row) {
    for split in 0...row.input.count {
      var check = TextCheck()
      check.append(row.input.prefix(split))
      check.append(row.input.dropFirst(split))
      #expect(check.isText == row.isText, "split at \(split)")
      #expect(check.isEightBit == row.isEightBit)
    }
  }
}
