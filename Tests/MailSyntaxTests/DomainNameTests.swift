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

  @Test("SMTP-033: a name below another is what it would be if it were read as a whole")
  func under() throws {
    for (labels, parent) in [
      ("_25._tcp", "mx.example.net"), ("_mta-sts", "Example.ORG"), ("_MTA-STS", "example.org"), ("a", "b"),
    ] {
      let (below, whole) = (try DomainName(labels, under: DomainName(parent)), try DomainName("\(labels).\(parent)"))
      #expect(below.description == whole.description && below.folded == whole.folded)
    }
    let label = String(repeating: "a", count: 63)
    let long = try DomainName([label, label, label, String(repeating: "a", count: 60)].joined(separator: "."))
    #expect(try DomainName("a.b", under: DomainName(long.description.dropFirst())).description.utf8.count == 255)
    #expect(throws: MailSyntaxError.domainTooLong) { try DomainName("a.b", under: long) }
    for labels in ["", ".", "a.", "a b", "-a"] {
      #expect(throws: MailSyntaxError.self) { try DomainName(labels, under: long) }
    }
  }

  @Test("above a name stand those that it is below, the nearest first, each as if it were read by itself")
  func above() throws {
    for (name, above) in [
      ("org", []), ("Example.ORG", ["ORG"]),
      ("_25._tcp.MX.example.org", ["_tcp.MX.example.org", "MX.example.org", "example.org", "org"]),
      // Behind a dot a combining mark makes one character with it, and still begins a label.
      ("a.\u{301}b.example", ["\u{301}b.example", "example"]),
    ] {
      let found = Array(try DomainName(name).domainsAbove)
      #expect(found.map(\.description) == above)
      for (parent, text) in zip(found, above) {
        let read = try DomainName(text)
        #expect(parent == read && parent.hashValue == read.hashValue && parent.folded == read.folded)
        #expect(try DomainName(name).isAtOrBelow(parent) && !parent.isAtOrBelow(DomainName(name)))
      }
      #expect(try DomainName(name).parent == found.first)
    }
  }

  @Test(
    "what is no domain is refused", arguments: ["", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "a/b", "a\0", "a\r\n"])
  func refused(text: String) {
    #expect(throws: MailSyntaxError.self) { try DomainName(text) }
  }
}
