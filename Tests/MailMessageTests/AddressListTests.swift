import MailMessage
import MailSyntax
import Testing

@Suite struct AddressListTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let value: String
    /// `name|address`, or the address alone.
    let expected: [String]
    init(_ value: String, _ expected: String...) {
      self.value = value
      self.expected = expected
    }
    var testDescription: String { value }
  }

  static let readable = [
    Row("a@b.example", "a@b.example"),
    Row("<a@b.example>", "a@b.example"),
    Row("Ann <a@b.example>", "Ann|a@b.example"),
    Row("Ann B. Clark <a@b.example>", "Ann B. Clark|a@b.example"),
    Row("\"Clark, Ann\" <a@b.example>", "Clark, Ann|a@b.example"),
    Row("\"a \\\"b\\\" c\" <a@b.example>", "a \"b\" c|a@b.example"),
    Row("=?utf-8?Q?J=C3=BCrg?= <a@b.example>", "=?utf-8?Q?J=C3=BCrg?=|a@b.example"),
    Row("a@b.example, c@d.example", "a@b.example", "c@d.example"),
    Row(",a@b.example,, ,c@d.example,", "a@b.example", "c@d.example"),
    Row("a@b.example (Ann (the first))", "a@b.example"),
    Row("(hi) Ann (x) < (y) a (z) @ (w) b.example >", "Ann|a@b.example"),
    Row("\"quoted local\"@b.example", "\"quoted local\"@b.example"),
    Row("a . b @ c . example", "a.b@c.example"),
    Row("a@[192.0.2.1]", "a@[192.0.2.1]"),
    Row("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
    Row("<@r.example,@s.example:a@b.example>", "a@b.example"),
    Row("Team: a@b.example, Cee <c@d.example>;", "a@b.example", "Cee|c@d.example"),
    Row("Team: a@b.example;, e@f.example", "a@b.example", "e@f.example"),
    Row("undisclosed-recipients:;"),
    Row("Ann\r\n <a@b.example>", "Ann|a@b.example"),
    Row("postmaster@localhost", "postmaster@localhost"),
  ]

  @Test("addresses are read with names, groups, comments and routes", arguments: readable)
  func reads(_ row: Row) throws {
    let list = try AddressList.parse(row.value)
    let shown = list.entries.map { ($0.displayName.map { "\($0)|" } ?? "") + $0.mailbox.description }
    #expect(shown == row.expected)
  }

  static let unreadable: [(String, FieldSyntaxError)] = [
    ("", .empty), ("  ", .empty), (",,", .empty), ("<>", .empty), ("(only a comment)", .empty),
    ("root", .missingDomain), ("Ann <root>", .missingDomain), ("root, a@b.example", .missingDomain),
    ("a@b.example c@d.example", .badDomain),
    ("<a@b.example", .unclosedAngle), ("<a@b.example c", .badDomain), ("<a@b.example (c)", .unclosedAngle),
    ("\"Ann <a@b.example>", .unclosedQuote), ("(Ann a@b.example", .unclosedComment),
    ("a@[192.0.2.1", .unclosedLiteral), ("Team: a@b.example", .unclosedGroup),
    ("a@b.example>", .unexpected(UInt8(ascii: ">"))), ("Ann: Bob: a@b.example;", .missingDomain),
    ("a..b@c.example", .badLocalPart), (".a@c.example", .badLocalPart), ("@c.example", .badLocalPart),
    ("Ann Bob@c.example", .badLocalPart), ("\"\"@c.example", .badLocalPart),
    ("\(String(repeating: "x", count: 65))@c.example", .badLocalPart),
    ("a@", .badDomain), ("a@b..c", .badDomain), ("a@-b.example", .badDomain), ("a@[300.1.1.1]", .badDomain),
    ("a@\"b\".example", .badDomain), ("J\u{fc}rg <a@b.example>", .eightBit), ("a\u{1}@b.example", .controlCharacter),
    (String(repeating: "(", count: 17), .commentsTooDeep),
  ]

  @Test("what is not a list of addresses is refused by name", arguments: unreadable)
  func refuses(_ value: String, _ error: FieldSyntaxError) {
    #expect(throws: error) { try AddressList.parse(value) }
    #expect(!error.description.isEmpty)
  }

  @Test("no cut of a readable value and no single octet changed reaches a trap", arguments: readable)
  func survives(_ row: Row) {
    let octets = Array(row.value.utf8)
    for length in 0...octets.count {
      _ = try? AddressList.parse(octets: Array(octets[..<length]))
      guard length < octets.count else { continue }
      for replacement in ["\"", "(", ")", "<", ">", "@", ":", ";", ",", "[", "]", "\\", ".", "\u{0}"] {
        _ = try? AddressList.parse(octets: octets[..<length] + Array(replacement.utf8) + octets[(length + 1)...])
      }
    }
  }

  @Test("UTF-8 is read where SMTPUTF8 allows it")
  func readsUTF8() throws {
    let list = try AddressList.parse("J\u{fc}rg <j\u{fc}rg@b\u{fc}cher.example>", allowsUTF8: true)
    #expect(list.entries.first?.displayName == "J\u{fc}rg")
    #expect(list.mailboxes.first?.description == "j\u{fc}rg@b\u{fc}cher.example")
  }

  @Test("a thousand addresses are read, one more is refused")
  func boundsMailboxes() throws {
    let thousand = Array(repeating: "a@b.example", count: AddressList.maximumMailboxes).joined(separator: ",")
    #expect(try AddressList.parse(thousand).mailboxes.count == AddressList.maximumMailboxes)
    #expect(throws: FieldSyntaxError.tooManyMailboxes) { try AddressList.parse(thousand + ",a@b.example") }
  }

  @Test("a phrase of very many words is read in time linear to their number", .timeLimit(.minutes(1)))
  func longPhrase() throws {
    let count = 1_500_000
    let list = try AddressList.parse(String(repeating: "a ", count: count) + "b.c <a@example.org>")
    #expect(list.entries.first?.displayName?.utf8.count == 2 * count + 4)
    #expect(list.entries.first?.displayName?.hasSuffix("a a b. c") == true)
  }

  @Test("sixteen nested comments are read")
  func readsNestedComments() throws {
    let value = String(repeating: "(", count: 16) + String(repeating: ")", count: 16) + "a@b.example"
    #expect(try AddressList.parse(value).mailboxes.count == 1)
  }
}
