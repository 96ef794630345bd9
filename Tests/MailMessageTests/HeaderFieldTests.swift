import MailMessage
import NIOCore
import Testing

@Suite struct HeaderFieldTests {
  @Test(
    "no name and no value can begin another field (SMUG-006)",
    arguments: [
      ("X", "a\r\nBcc: b", MessageTextError.lineBreak), ("X", "a\nb", .lineBreak), ("X", "a\rb", .lineBreak),
      ("X", "a\0b", .controlCharacter), ("X", "a\u{7f}", .controlCharacter), ("X Y", "a", .badFieldName),
      ("X:", "a", .badFieldName), ("", "a", .badFieldName), ("X\r\n", "a", .badFieldName),
      ("S\u{fc}", "a", .badFieldName),
    ])
  func refuses(_ name: String, _ value: String, _ error: MessageTextError) {
    #expect(throws: error) { try HeaderField(name, value) }
  }

  @Test("folding keeps to 78 octets and unfolding restores the value")
  func folds() throws {
    let words = (0..<60).map { String(repeating: "w", count: $0 % 13 + 1) }
    for separator in [" ", "  ", "\t", " \t "] {
      let value = words.joined(separator: separator)
      let bytes = try HeaderField("Subject", value).bytes
      expectCleanLines(bytes)
      for line in text(bytes).split(separator: "\r\n") { #expect(line.utf8.count <= 78) }
      #expect(try section(text(bytes)).value(of: "subject") == value)
    }
  }

  @Test("a word longer than a line may be is broken, and never within a character")
  func breaksLongWords() throws {
    for letter in ["x", "\u{fc}", "\u{1f426}"] {
      let bytes = try HeaderField("X", String(repeating: letter, count: 3000)).bytes
      expectCleanLines(bytes)
      #expect(text(bytes).unicodeScalars.filter { $0.value == 0xfffd }.isEmpty)
    }
  }

  @Test("an empty value and one of spaces make one line", arguments: ["", "   ", "\t"])
  func writesEmpty(_ value: String) throws {
    #expect(text(try HeaderField("X", value).bytes) == "X:\r\n")
  }
}
