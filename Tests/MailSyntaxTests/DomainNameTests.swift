import MailSyntax
import Testing

@Suite struct DomainNameTests {
  @Test("SMTP-033: a domain has 255 octets and a label 63, and no more")
  func bounds() throws {
    let label = String(repeating: "a", count: 63)
    let longest = [label, label, label, label].joined(separator: ".")
    #expect(try DomainName(longest).description.utf8.count == 255)
    #expect(throws: MailSyntaxError.domainTooLong) { try DomainName(longest + "a") }
    #expect(throws: MailSyntaxError.labelTooLong) { try DomainName(label + "a") }
  }

  @Test("a name keeps its case, and is found without it")
  func folding() throws {
    let name = try DomainName("Mail.Example.ORG")
    #expect(name.description == "Mail.Example.ORG" && name.folded == "mail.example.org")
    #expect(Set([name]).contains(try DomainName("mail.example.org")))
    #expect(try name.isFullyQualified && !DomainName("localhost").isFullyQualified)
    #expect(try name.isASCII && !DomainName("exämple.org").isASCII)
  }

  @Test(
    "what is no domain is refused", arguments: ["", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a/b", "a\0", "a\r\n"])
  func refused(text: String) {
    #expect(throws: MailSyntaxError.self) { try DomainName(text) }
  }
}
