import MailMessage
import MailSyntax
import Testing

@Suite struct MessageIDTests {
  @Test("a new identifier is valid, and no two are alike")
  func makes() throws {
    var random = SplitMix(state: 1)
    let first = MessageID.make(at: try DomainName("mail.example.org"), using: &random)
    let second = MessageID.make(at: try DomainName("mail.example.org"), using: &random)
    #expect(MessageID(first.description) == first)
    #expect(first != second)
    #expect(first.description.hasSuffix("@mail.example.org>"))
  }

  @Test("identifiers as other software makes them are taken", arguments: ["<a@b>", "<a..b@host_name>", "<a@b@c>"])
  func takes(_ value: String) { #expect(MessageID(value) != nil) }

  @Test(
    "what is no identifier is refused",
    arguments: ["", "<>", "a@b", "<a>", "<@b>", "<a@>", "<a b@c>", "<a@b> <c@d>", "<<a@b>>", "<a\u{0}@b>"])
  func refuses(_ value: String) { #expect(MessageID(value) == nil) }
}
