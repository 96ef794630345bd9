import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite("Received-SPF, written")
struct ReceivedSPFFieldTests {
  @Test("SPF-007: the field has the result, a comment and the pairs of RFC 7208 §9.1")
  func text() throws {
    var field = ReceivedSPFField(.pass)
    field.comment = "mybox.example.org: domain of myname@example.com designates 192.0.2.1 as permitted sender"
    field.receiver = try DomainName("mybox.example.org")
    field.clientAddress = IPAddress("192.0.2.1")
    field.envelopeFrom = "myname@example.com"
    field.greeting = "foo.example.com"
    field.identity = .mailfrom
    field.mechanism = "ip4:192.0.2.0/24"
    #expect(
      field.value() == """
        pass (mybox.example.org: domain of myname@example.com designates 192.0.2.1 as permitted sender) \
        client-ip=192.0.2.1; envelope-from="myname@example.com"; helo=foo.example.com; receiver=mybox.example.org; \
        identity=mailfrom; mechanism="ip4:192.0.2.0/24";
        """)
    var other = ReceivedSPFField(.permerror)
    other.clientAddress = IPAddress("2001:db8::1")
    other.problem = "two records"
    #expect(other.value() == "permerror client-ip=\"2001:db8::1\"; problem=\"two records\";")
    #expect(ReceivedSPFField(.none).value() == "none")
    #expect(
      SPFResult.allCases.map(\.rawValue) == ["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"])
  }

  static let hostile: [(text: String, quoted: String, comment: String)] = [
    ("a\r\nFrom: x", #""a??From: x""#, "(a??From: x)"),
    ("a\"; client-ip=127.0.0.1; x=\"", #""a\"; client-ip=127.0.0.1; x=\"""#, #"(a"; client-ip=127.0.0.1; x=")"#),
    (") pass (", #"") pass (""#, #"(\) pass \()"#),
    ("\\", #""\\""#, #"(\\)"#),
    ("", #""""#, "()"),
    ("a.", #""a.""#, "(a.)"),
    ("ä\u{0}\u{2028}", #""???""#, "(???)"),
    ("=?utf-8?q?=29?=", #""=_utf-8?q?=29?=""#, "(=_utf-8?q?=29?=)"),
  ]

  @Test("SPF-007: nothing a client says ends a value, the comment or the field", arguments: hostile)
  func sanitises(_ row: (text: String, quoted: String, comment: String)) throws {
    var field = ReceivedSPFField(.fail)
    field.comment = row.text
    field.greeting = row.text
    field.envelopeFrom = row.text
    #expect(field.value() == "fail \(row.comment) envelope-from=\(row.quoted); helo=\(row.quoted);")
    var bytes = try field.field().bytes
    bytes.writeString("From: a@example.com\r\n\r\n")
    #expect(try MailFixture.section(bytes).fields.map(\.name) == ["received-spf", "from"])
  }

  @Test("SPF-007: a long value is cut, and the lines stay short enough")
  func bounded() throws {
    var field = ReceivedSPFField(.fail)
    field.greeting = String(repeating: "\\", count: 5000)
    field.comment = String(repeating: "(", count: 5000)
    let lines = String(buffer: try field.field().bytes).split(separator: "\r\n")
    #expect(lines.allSatisfy { $0.utf8.count < 998 } && lines.count <= 3)
  }

  @Test(
    "SPF-007: every result says what it means, for MAIL FROM, the null reverse path and the greeting",
    arguments: [
      ("v=spf1 ip4:192.0.2.1 -all", "pass (mx.example.net: domain of a@example.org designates 192.0.2.1 as permitted"),
      ("v=spf1 ip4:192.0.2.1 -all", "pass (mx.example.net: domain of a@example.org designates 192.0.2.1 as"),
      ("v=spf1 ~all", "softfail (mx.example.net: transitioning domain of a@example.org does not designate"),
      ("v=spf1 ?all", "neutral (mx.example.net: 192.0.2.1 is neither permitted nor denied by domain of a@example.org)"),
      ("v=spf2", "none (mx.example.net: domain of a@example.org does not designate permitted sender hosts)"),
      ("v=spf1 nonsense", "permerror (mx.example.net: error in processing during lookup of a@example.org)"),
    ])
  func results(_ record: String, _ beginning: String) async throws {
    let zone = try SPFStage("example.org TXT \"\(record)\"\n")
    let receiver = try DomainName("mx.example.net")
    let check = SPFCheck(resolver: zone, converter: UnchangedNames(), clock: zone, receiver: receiver)
    let client = try #require(IPAddress("192.0.2.1"))
    func value(_ question: SPFQuestion, of mailbox: Mailbox?) async -> String {
      let outcome = await check.outcome(of: question)
      return ReceivedSPFField(outcome, of: mailbox, client: client, greeting: "example.org", receiver: receiver).value()
    }
    let mailbox = try Mailbox("a@example.org")
    let own = await value(.mailFrom(mailbox, from: client, helo: "example.org"), of: mailbox)
    #expect(own.hasPrefix(beginning) && own.contains("envelope-from=\"a@example.org\"; helo=example.org;"))
    let null = await value(.mailFrom(nil, from: client, helo: "example.org"), of: nil)
    #expect(null.hasPrefix(beginning.replacing("a@", with: "postmaster@")) && null.contains("envelope-from=\"\";"))
    let helo = await value(.helo("example.org", from: client), of: mailbox)
    #expect(helo.hasPrefix(beginning.replacing("a@", with: "")) && helo.contains("identity=helo;"))
  }
}
