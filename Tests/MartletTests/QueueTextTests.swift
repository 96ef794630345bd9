import MailSyntax
import Testing

@testable import martlet

@Suite("Text for a terminal")
struct QueueTextTests {
  @Test(
    "has nothing that steers it",
    arguments: [
      ("plain", "plain"), ("a\u{1b}[2Jb", "a<U+001B>[2Jb"), ("a\r\nb", "a<U+000D><U+000A>b"),
      ("a\u{202e}b", "a<U+202E>b"), ("a\u{9b}b", "a<U+009B>b"), ("zoë@example.org", "zoë@example.org"),
    ])
  func printable(_ text: String, _ shown: String) {
    #expect(QueueText.printable(text) == shown)
  }

  @Test("is JSON in which such characters stand by their numbers, and is read back the same")
  func json() throws {
    #expect(try QueueText.json(["k": "a\u{1b}\u{202e}\u{9b}é"]) == #"{"k":"a\u001b\u202e\u009bé"}"#)
  }

  @Test(
    "is cut and filled to its columns, wide characters counted as two",
    arguments: [
      ("abc", 5, "abc  "), ("abcde", 5, "abcde"), ("abcdef", 5, "abcd…"), ("日本語", 5, "日本…"), ("日本語", 6, "日本語"),
      ("日本語", 4, "日… "), ("", 2, "  "),
    ])
  func columns(_ text: String, _ columns: Int, _ shown: String) {
    #expect(QueueText.left(text, columns) == shown)
    #expect(QueueText.displayWidth(QueueText.right(text, columns)) == columns)
  }

  @Test("is wrapped at spaces, and within a word that is longer than a line")
  func wrapped() {
    #expect(QueueText.wrapped("one two three", indent: 2, width: 11) == ["  one two", "  three"])
    #expect(QueueText.wrapped("abcdefghijkl", indent: 0, width: 8) == ["abcdefgh", "ijkl"])
    #expect(QueueText.wrapped("", indent: 2).isEmpty)
  }

  @Test(
    "has short durations",
    arguments: [
      (-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (172_799, "47h"), (172_800, "2d"),
      (8_640_000, "100d"),
    ])
  func short(_ seconds: Int, _ shown: String) {
    #expect(QueueText.short(.seconds(seconds)) == shown)
  }

  @Test("a text that is too long ends behind a whole word, with an ellipsis, and one that fits is whole")
  func shortened() {
    let words = (1...40).map { "word\($0)" }.joined(separator: " ")
    let lines = QueueText.shortened(words, indent: 2, lines: 2)
    expectFits(lines)
    #expect(lines.count == 2 && lines[1].hasSuffix(" …"))
    #expect(words.hasPrefix(lines.map { $0.dropFirst(2) }.joined(separator: " ").dropLast(2) + " "))
    #expect(QueueText.shortened("short enough", indent: 2, lines: 2) == ["  short enough"])
    #expect(QueueText.shortened("two \(String(repeating: "x", count: 75))", indent: 2, lines: 2).count == 2)
    let one = QueueText.shortened(String(repeating: "x", count: 500), indent: 2, lines: 2)
    expectFits(one)
    #expect(one.count == 2 && one[1].hasSuffix(" …"))
  }
}
