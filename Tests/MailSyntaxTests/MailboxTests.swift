import MailSyntax
import Testing

@Suite struct MailboxTests {
  @Test(
    "SMTP-004: a mailbox is written as it was read, quoted only where it must be",
    arguments: [
      ("User@Example.org", "User@Example.org"), ("a.b+c@d.example", "a.b+c@d.example"),
      ("\"a b\"@c.example", "\"a b\"@c.example"), ("\"ab\"@c.example", "ab@c.example"),
      ("\"a\\\\b\\\"\"@c.example", "\"a\\\\b\\\"\"@c.example"), ("\"a@b\"@c.example", "\"a@b\"@c.example"),
      ("\".\"@c.example", "\".\"@c.example"), ("a@[192.0.2.1]", "a@[192.0.2.1]"),
      ("a@[ipv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]"), ("jörg@exämple.org", "jörg@exämple.org"),
      ("a_b@host_name.example", "a_b@host_name.example"),
    ])
  func roundTrip(text: String, written: String) throws {
    let mailbox = try Mailbox(text)
    #expect(mailbox.description == written)
    #expect(try Mailbox(mailbox.description) == mailbox)
  }

  @Test("a quote is escaped even where a combining mark follows it")
  func combiningMark() throws {
    let mailbox = Mailbox(localPart: "a\"\u{301}b \\\u{301}", domain: .name(try DomainName("c.example")))
    let written = mailbox.description
    #expect(written.unicodeScalars.filter { $0 == "\\" }.count == 3)
    #expect(try Mailbox(written) == mailbox)
  }

  @Test(
    "each mistake in an address is named",
    arguments: [
      ("", MailSyntaxError.missingAtSign), ("a", .missingAtSign), ("@b.example", .emptyLocalPart), ("a@", .emptyDomain),
      ("a.@b.example", .badLocalPart), (".a@b.example", .badLocalPart), ("a..b@c.example", .badLocalPart),
      ("a b@c.example", .badLocalPart), ("\"a\"b@c.example", .badLocalPart), ("\"a\\\"@c.example", .badLocalPart),
      ("\"\"@c.example", .emptyLocalPart), ("a@b_.-c", .badDomain), ("a@-b", .badDomain), ("a@b-", .badDomain),
      ("a@b..c", .badDomain), ("a@b.", .badDomain), ("a@.b", .badDomain), ("a@[1.2.3]", .badAddressLiteral),
      ("a@[1.2.3.4", .badAddressLiteral), ("a@[]", .badAddressLiteral), ("a@[::1]", .badAddressLiteral),
      ("a\u{9f}@b.example", .controlCharacter), ("a@b\u{85}.example", .controlCharacter),
      ("a\r\n@b.example", .badLocalPart),
    ])
  func mistakes(text: String, error: MailSyntaxError) {
    #expect(throws: error) { try Mailbox(text) }
    #expect(!error.description.isEmpty)
  }

  @Test("domains compare without case, local parts octet for octet")
  func equality() throws {
    #expect(try Mailbox("a@B.example") == Mailbox("a@b.EXAMPLE"))
    #expect(try Mailbox("A@b.example") != Mailbox("a@b.example"))
    // One letter or two that look like it: equal as strings, and other octets.
    let (composed, decomposed) = (try Mailbox("jos\u{e9}@b.example"), try Mailbox("jose\u{301}@b.example"))
    #expect(composed.localPart == decomposed.localPart)
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed, try Mailbox("jos\u{e9}@B.example")]).count == 2)
  }

  @Test(
    "a local part is cut at the first delimiter behind its first octet, whatever combines with it",
    arguments: [
      ("anna+lists", "anna", "+lists"), ("a+b+c", "a", "+b+c"), ("anna+\u{301}x", "anna", "+\u{301}x"),
      ("anna+", "anna", "+"), ("anna", nil, nil), ("+lists", nil, nil), ("", nil, nil),
    ] as [(String, String?, String?)])
  func detail(localPart: String, user: String?, detail: String?) {
    let cut = Mailbox.splitDetail(of: localPart, at: UInt8(ascii: "+"))
    #expect(cut.map { String($0.user) } == user)
    #expect(cut.map { String($0.detail) } == detail)
  }

  @Test("SMTP-054: a source route is dropped; an empty one, or one without its colon, is refused")
  func routes() throws {
    #expect(try ReversePath("<@a.example,@b.example:u@c.example>").description == "<u@c.example>")
    #expect(try ForwardPath("<@a.example:postmaster>") == .postmaster)
    for path in ["<@a.example u@c.example>", "<@a.example,b.example:u@c.example>", "<@a.example:>", "<@:u@c.example>"] {
      #expect(throws: MailSyntaxError.self) { try ReversePath(path) }
    }
    #expect(throws: MailSyntaxError.self) { try ForwardPath("<>") }
    // `<` and the mark behind it are one Character, and still two characters of the path.
    #expect(try ReversePath("<\u{338}a@b.example>").mailbox?.localPart == "\u{338}a")
    #expect(try ReversePath("<>") == .null)
  }
}
