import MailSyntax
import Testing

@Suite struct TextCutTests {
  @Test(
    "a text is cut between scalars, with an ellipsis where there was more",
    arguments: [
      ("", 4, ""), ("four", 4, "four"), ("fives", 4, "five…"), ("f\u{fc}nf", 4, "f\u{fc}n…"),
      ("gr\u{fc}n", 3, "gr…"), ("e\u{301}\u{301}\u{301}", 3, "e\u{301}…"), ("\u{1f426}", 3, "…"), ("x", 0, "…"),
    ])
  func cut(text: String, limit: Int, shown: String) {
    #expect(Array(text.cut(toOctets: limit).utf8) == Array(shown.utf8))
  }
}
