import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite struct ReceivedFieldTests {
  func received() throws -> ReceivedField {
    ReceivedField(
      client: ReceivedField.Client(
        greeting: .name(try DomainName("laptop.example.net")), address: try #require(IPAddress("192.0.2.17")),
        name: try DomainName("dsl-17.example.net")),
      host: try DomainName("mail.example.org"), transmission: .esmtpsa, queueID: "0123abcdef",
      recipients: [.mailbox(try mailbox("Bob@example.com"))],
      tls: ReceivedField.TLS(version: "TLSv1.3", cipherSuite: "TLS_AES_256_GCM_SHA384", group: "X25519MLKEM768"),
      date: someInstant)
  }

  func trace(_ received: ReceivedField) throws -> ReceivedTrace {
    let bytes = received.field.bytes
    expectCleanLines(bytes)
    for line in text(bytes).split(separator: "\r\n") { #expect(line.utf8.count <= 78) }
    let header = try section(text(bytes))
    #expect(header.fields.map(\.name) == ["received"])
    return try ReceivedTrace.parse(try #require(header.value(of: "received")))
  }

  @Test("the field stands in the registered form, folded at 78 (SMTP-043, TRACE-003, ITLS-009)")
  func form() throws {
    #expect(
      text(try received().field.bytes) == """
        Received: from laptop.example.net (dsl-17.example.net [192.0.2.17]) by\r
         mail.example.org (Martlet) with ESMTPSA id 0123abcdef for <Bob@example.com>\r
         tls TLS_AES_256_GCM_SHA384 group X25519MLKEM768 (TLSv1.3); Sun, 22 Nov 2026\r
         11:42:01 +0000\r

        """)
  }

  @Test("its own parser finds the registered clauses alone, in RFC 5321's order (TRACE-004)")
  func clauseOrder() throws {
    let trace = try trace(try received())
    #expect(trace.clauses.map(\.name) == ["from", "by", "with", "id", "for", "tls", "group"])
    #expect(trace["from"] == "laptop.example.net")
    #expect(trace["by"] == "mail.example.org")
    #expect(trace["for"] == "<Bob@example.com>")
    #expect(trace["tls"] == "TLS_AES_256_GCM_SHA384")
    #expect(trace["group"] == "X25519MLKEM768")
    #expect(trace.comments == ["dsl-17.example.net [192.0.2.17]", "Martlet", "TLSv1.3"])
    #expect(trace.date == someInstant)
  }

  @Test("with names the transmission type of RFC 3848 and RFC 6531 (TRACE-001, TRACE-002, UTF8-006)")
  func transmissionTypes() {
    let expected = [
      "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA", "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA",
    ]
    for (number, name) in expected.enumerated() {
      let type = ReceivedField.Transmission(
        isExtended: true, isEncrypted: number & 2 != 0, isAuthenticated: number & 1 != 0, usesSMTPUTF8: number & 4 != 0)
      #expect(type.rawValue == name)
    }
    let plain = ReceivedField.Transmission(
      isExtended: false, isEncrypted: true, isAuthenticated: false, usesSMTPUTF8: false)
    #expect(plain == .smtp)
  }

  @Test("for stands only where there is exactly one recipient (SMTP-043, SMTP-045)")
  func forClause() throws {
    var received = try received()
    received.recipients = []
    #expect(try trace(received)["for"] == nil)
    received.recipients = [.mailbox(try mailbox("a@b.example")), .mailbox(try mailbox("c@d.example"))]
    #expect(try trace(received)["for"] == nil)
    #expect(!text(received.field.bytes).contains("b.example"))
    received.recipients = [.postmaster]
    #expect(try trace(received)["for"] == "<postmaster>")
  }

  @Test("a UTF-8 recipient and name are shown only with a UTF8SMTP type")
  func internationalNames() throws {
    var received = try received()
    received.recipients = [.mailbox(try mailbox("j\u{fc}rg@example.com"))]
    received.client.greeting = .name(try DomainName("b\u{fc}cher.example"))
    #expect(!text(received.field.bytes).utf8.contains { $0 >= 0x80 })
    #expect(try trace(received)["from"] == "[192.0.2.17]")
    received.transmission = .utf8smtpsa
    #expect(try trace(received)["for"] == "<j\u{fc}rg@example.com>")
    #expect(try trace(received)["from"] == "b\u{fc}cher.example")
  }

  @Test(
    "no EHLO text ends the field, adds a clause or hides one (SMUG-006)",
    arguments: [
      "x\r\nBcc: a@b.example", "x\nReceived: from evil", "x) by evil with ESMTPSA (", "((((((((((((((((((((", "x; now",
      "\\", "\\)", "x\0y", "\u{fc}\u{1f426}", "for <a@b.example>", String(repeating: "x", count: 2000), "", "[1.2.3.4",
    ])
  func hostileGreeting(_ greeting: String) throws {
    var received = try received()
    received.client.greeting = .unrecognised(greeting)
    let bytes = received.field.bytes
    expectCleanLines(bytes)
    let header = try section(text(bytes))
    #expect(header.fields.count == 1)
    let trace = try ReceivedTrace.parse(try #require(header.value(of: "received")))
    #expect(trace.clauses.map(\.name) == ["from", "by", "with", "id", "for", "tls", "group"])
    #expect(trace["from"] == "[192.0.2.17]")
    #expect(trace["by"] == "mail.example.org")
    #expect(trace.date == someInstant)
  }

  @Test("no address and no name of ours ends a trace field either (SMUG-006)")
  func hostileAddresses() throws {
    let evil = Mailbox(localPart: "x>;\r\nBcc: y", domain: try mailbox("a@b.example").domain)
    var received = try received()
    received.recipients = [.mailbox(evil)]
    received.queueID = "q\r\nX: y"
    received.tls = ReceivedField.TLS(version: "\r\nX: y", cipherSuite: "\r\nX: y", group: "\r\nX: y")
    expectCleanLines(received.field.bytes)
    #expect(try section(text(received.field.bytes)).fields.count == 1)
  }

  @Test("a literal greeting, IPv6 and an unknown client name are written as the grammar has them")
  func literals() throws {
    var received = try received()
    let address = try #require(IPAddress("2001:db8::17"))
    received.client = ReceivedField.Client(greeting: .literal(AddressLiteral(address)), address: address)
    let trace = try trace(received)
    #expect(trace["from"] == "[IPv6:2001:db8::17]")
    #expect(trace.comments.first == "unknown [IPv6:2001:db8::17]")
  }

  @Test("a hidden client leaves neither address nor name behind, and from is still there")
  func hiddenClient() throws {
    var received = try received()
    received.showsClientAddress = false
    let field = text(received.field.bytes)
    #expect(!field.contains("192.0.2.17") && !field.contains("laptop") && !field.contains("dsl-17"))
    #expect(try trace(received)["from"] == "unknown")
  }

  @Test("without TLS there is no tls clause, without a group no group")
  func clausesWithoutTLS() throws {
    var received = try received()
    received.tls = ReceivedField.TLS(version: "TLSv1.2", cipherSuite: "0x1399", group: nil)
    #expect(try trace(received)["tls"] == "0x1399")
    #expect(try trace(received)["group"] == nil)
    received.tls = nil
    #expect(try trace(received)["tls"] == nil)
  }
}
