import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite("Authentication-Results that bear our own name")
struct ForgedResultsTests {
  enum Fate: Hashable, Sendable { case stays, ours, encodedWord, readAsOurs, undecidable }

  static let rows: [(value: String, fate: Fate)] = [
    // Ours, in every spelling.
    ("mx.example.org; dkim=pass header.d=bank.example", .ours),
    ("MX.Example.ORG; none", .ours),
    ("mx.example.org 1; dkim=pass", .ours),
    ("\"mx.example.org\"; dkim=pass", .ours),
    ("\"mx.ex\\ample.org\"; dkim=pass", .ours),
    ("\" mx.example.org \"; dkim=pass", .ours),
    ("mx.example.org.; dkim=pass", .ours),
    ("(other.example;) mx.example.org (other); dkim=pass", .ours),
    ("\r\n\tmx.example.org;\r\n dkim=pass", .ours),
    ("mx.example.org; x-unknown=whatever", .ours),
    ("\"mx.example.org other.example\"; none", .ours),
    ("\"other.example; mx.example.org\"; none", .ours),
    // Others'.
    ("other.example; dkim=pass header.d=mx.example.org", .stays),
    ("other.example; dkim=pass (mx.example.org)", .stays),
    ("(mx.example.org) other.example; dkim=pass", .stays),
    ("mx.example.org.example.net; dkim=pass", .stays),
    ("amx.example.org; dkim=pass", .stays),
    ("example.org; dkim=pass", .stays),
    ("a.mx.example.org; dkim=pass", .stays),
    ("\"other.example; none\"; none", .stays),
    // Not to be read, and another's all the same.
    ("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=mx.example.org; dkim=none", .stays),
    ("other.example dkim=pass", .stays),
    ("", .stays),
    // Not to be read, and ours to whoever takes what he gets.
    ("mx.example.org", .readAsOurs),
    ("mx.example.org;", .readAsOurs),
    ("mx.example.org dkim=pass", .readAsOurs),
    ("mx.example.org/1; dkim=pass", .readAsOurs),
    ("mx.example.org, dkim=pass", .readAsOurs),
    ("<mx.example.org>; dkim=pass", .readAsOurs),
    ("mx.example.org; dkim=pass header.d=", .readAsOurs),
    ("mx.example.org; dkim=pass reason=\"", .readAsOurs),
    ("mx.example.org (; dkim=pass", .readAsOurs),
    ("(mx.example.org; dkim=pass", .readAsOurs),
    ("(x; mx.example.org; dkim=pass", .readAsOurs),
    ("\"mx.example.org; dkim=pass", .readAsOurs),
    ("mx.exa\u{0}mple.org; dkim=pass", .readAsOurs),
    ("mx.exa\\mple.org; dkim=pass", .readAsOurs),
    ("x mx.example.org; dkim=pass", .readAsOurs),
    (String(repeating: "(", count: 20) + String(repeating: ")", count: 20) + " mx.example.org; none", .readAsOurs),
    ("mx.example.org; " + String(repeating: "spf=pass; ", count: 3000), .readAsOurs),
    ("other.example; dkim=pass (mx.example.org", .readAsOurs),
    // A semicolon in a comment ends nothing.
    ("(;) mx.example.org; dmarc=pass header.from=bank.example; @", .readAsOurs),
    ("(;) mx.example.org", .readAsOurs),
    ("(a;b) mx.example.org; dkim=", .readAsOurs),
    ("(;) mx.example.org; " + String(repeating: "spf=pass; ", count: 100), .readAsOurs),
    ("(;) mx.example.org; " + String(repeating: "spf=pass; ", count: 3000), .readAsOurs),
    // Not to be read, and whose can't be told.
    ("=?utf-8?q?mx.example.org?=; dkim=pass", .encodedWord),
    ("=?utf-8?b?bXguZXhhbXBsZS5vcmc=?= x; dkim=pass", .encodedWord),
    ("\"=?utf-8?q?mx.example.org?=\"; dkim=pass", .encodedWord),
    (String(repeating: "ä=", count: 2) + String(repeating: " ö", count: 80), .undecidable),
  ]

  static func fate(_ reason: ForgedResults.Reason?) -> Fate {
    switch reason {
    case nil: .stays
    case .ours?: .ours
    case .encodedWord?: .encodedWord
    case .readAsOurs?: .readAsOurs
    case .undecidable?: .undecidable
    }
  }

  @Test(
    "AR-001: a field that names us, or that could be taken to, is taken out, and says why; no other is", arguments: rows
  )
  func judged(_ row: (value: String, fate: Fate)) throws {
    let header = try MailFixture.section("Authentication-Results: \(row.value)\r\nFrom: a@example.com\r\n\r\n")
    let forged = ForgedResults(in: header, authservID: try DomainName("mx.example.org"))
    #expect(ForgedResultsTests.fate(forged.fields.first?.reason) == row.fate)
    #expect(forged.fields.map(\.index) == (row.fate == .stays ? [] : [0]))
    for field in forged.fields { #expect(field.reason.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }) }
  }

  @Test(
    "AR-001: A-labels and U-labels are one name, ours or theirs",
    arguments: [
      ("bücher.example", "xn--bcher-kva.example; none"), ("xn--bcher-kva.example", "bücher.example; none"),
      ("xn--bcher-kva.example", "\"bücher.example\"; none"), ("bücher.example", "XN--BCHER-KVA.example 1; dkim=pass"),
      ("xn--bcher-kva.example", "bücher.example dkim=pass"),
    ])
  func international(_ row: (own: String, value: String)) throws {
    let header = try MailFixture.section("Authentication-Results: \(row.value)\r\n\r\n")
    let own = try DomainName(row.own)
    #expect(ForgedResults(in: header, authservID: own, converter: OneIDNA()).fields.count == 1)
    let other = try DomainName("bucher.example")
    #expect(ForgedResults(in: header, authservID: other, converter: OneIDNA()).fields.isEmpty)
  }

  @Test(
    "AR-001: those that bear our name go, whatever the case of the field's name; every other octet stays in its order")
  func removes() throws {
    let lines = [
      "Received: from x\r\n", "Authentication-Results: other.example;\r\n\tdkim=pass\r\n",
      "AUTHENTICATION-RESULTS : mx.example.org;\r\n dkim=pass\r\n",
      "X-Authentication-Results: mx.example.org; none\r\n",
      "authentication-results:mx.example.org\r\n", "ARC-Authentication-Results: i=1; mx.example.org; none\r\n",
      "From: a@example.com\r\n", "Authentication-Results: third.example; none\r\n",
      "Authentication-Results: mx.example.org; none\r\n",
    ]
    for end in ["\r\n", ""] {
      let header = try MailFixture.section(lines.joined() + end)
      let forged = ForgedResults(in: header, authservID: try DomainName("mx.example.org"))
      #expect(forged.fields.map(\.index) == [2, 4, 8])
      let kept = [0, 1, 3, 5, 6, 7].map { lines[$0] }.joined() + end
      #expect(String(buffer: forged.removed(from: header)) == kept)
      let clean = try MailFixture.section(kept)
      let none = ForgedResults(in: clean, authservID: try DomainName("mx.example.org"))
      #expect(none.fields.isEmpty && none.removed(from: clean) == clean.bytes)
    }
  }

  @Test("AR-001, AR-003: a field of our own making is known again, whatever peers said in it")
  func knowsOwn() throws {
    let own = try DomainName("mx.example.org")
    for text in ["", "\r\n", "\"", "(", "\\", "; other.example", "=?utf-8?q?x?="] {
      let result = AuthenticationResult(.spf(.fail), reason: text, properties: [.init(.greeting, text)])
      let bytes = try AuthenticationResultsField(authservID: own, results: [result]).field().bytes
      let forged = ForgedResults(in: try MailFixture.section(bytes), authservID: own)
      #expect(forged.fields.map(\.reason) == [.ours("mx.example.org")])
    }
  }
}
