import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite struct MessageBuilderTests {
  func builder(subject: String = "hello", text: String = "one\ntwo\n") throws -> MessageBuilder {
    var random = SplitMix(state: 3)
    return MessageBuilder(
      from: MessageBuilder.Address(try mailbox("ann@example.org"), displayName: "Ann"),
      to: [MessageBuilder.Address(try mailbox("bob@example.net"))], subject: subject, date: someInstant,
      messageID: MessageID.make(at: try DomainName("example.org"), using: &random), text: text)
  }

  func build(_ builder: MessageBuilder) throws -> (header: HeaderSection, body: String) {
    let bytes = try builder.build()
    expectCleanLines(bytes)
    var scanner = HeaderScanner()
    let progress = scanner.append(bytes)
    guard case .complete(let header, let rest) = progress else { throw UnreadableHeader(progress: progress) }
    return (header, text(rest))
  }

  @Test("a plain message is plain, with CRLF whatever line ends came")
  func plain() throws {
    for given in ["one\ntwo\n", "one\r\ntwo", "one\rtwo\r\n", "one\ntwo"] {
      let (header, body) = try build(try builder(text: given))
      #expect(body == "one\r\ntwo\r\n")
      #expect(header.value(of: "from") == "Ann <ann@example.org>")
      #expect(header.value(of: "content-type") == "text/plain; charset=us-ascii")
      #expect(header.value(of: "content-transfer-encoding") == "7bit")
    }
    try expectGolden("Tests/Corpus/messages/built-plain.eml", text(try builder().build()))
  }

  @Test("our own rules pass what we build")
  func passesIntake() throws {
    let builder = try builder(subject: "gr\u{fc}n", text: "gr\u{fc}n")
    let (header, _) = try build(builder)
    let facts = IntakeFacts(
      role: .submission, reversePath: .mailbox(try mailbox("ann@example.org")), now: someInstant,
      freshMessageID: builder.messageID)
    #expect(SubmissionRules.judge(header: header, facts: facts) == .accept(added: [], removed: [], findings: []))
  }

  @Test("a subject outside ASCII stands as encoded words, none torn within a character or over 75 octets")
  func encodesSubject() throws {
    let subject = String(repeating: "Gr\u{fc}\u{df}e \u{1f426} ", count: 20)
    let bytes = try builder(subject: subject).build()
    #expect(!bytes.readableBytesView.contains { $0 >= 0x80 })
    let value = try #require(try section(text(bytes)).value(of: "subject"))
    for word in value.split(separator: " ") {
      #expect(word.utf8.count <= 75)
      #expect(word.hasPrefix("=?utf-8?B?") && word.hasSuffix("?="))
    }
    try expectGolden(
      "Tests/Corpus/messages/built-encoded.eml", text(try builder(subject: subject, text: "gr\u{fc}n\n").build()))
  }

  @Test("no subject, name or address text begins a header field (SMUG-006)")
  func refusesInjection() throws {
    for text in ["a\r\nBcc: x@y.example", "a\nb", "gr\u{fc}n\r\nBcc: x@y.example"] {
      #expect(throws: MessageTextError.lineBreak) { try builder(subject: text).build() }
      var named = try builder()
      named.to[0].displayName = text
      #expect(throws: MessageTextError.lineBreak) { try named.build() }
      var addressed = try builder()
      addressed.to[0].mailbox = Mailbox(localPart: text, domain: addressed.to[0].mailbox.domain)
      #expect(throws: MessageTextError.lineBreak) { try addressed.build() }
    }
    #expect(throws: MessageTextError.controlCharacter) { try builder(subject: "a\0").build() }
    var lonely = try builder()
    lonely.to = []
    #expect(throws: MessageTextError.noRecipients) { try lonely.build() }
  }

  @Test("display names are quoted where they aren't words, and are read back")
  func quotesNames() throws {
    for name in ["Ann", "Ann B. Clark", "Clark, Ann", "a \"b\" \\c", "x <y@z.example>"] {
      var message = try builder()
      message.from.displayName = name
      let value = try #require(try build(message).header.value(of: "from"))
      let list = try AddressList.parse(value)
      #expect(list.entries.map(\.displayName) == [name])
      #expect(list.mailboxes.map(\.description) == ["ann@example.org"])
    }
    // In UTF-8, a quote with a mark behind it that combines is escaped all the same.
    for name in ["x\"\u{301} <y@z.example>", "x\\\u{301}, y"] {
      var message = try builder()
      message.from.displayName = name
      message.from.mailbox = try Mailbox("\u{e4}nn@example.org")
      let value = try #require(try build(message).header.value(of: "from"))
      let list = try AddressList.parse(value, allowsUTF8: true)
      #expect(list.entries.map(\.displayName) == [name])
      #expect(list.mailboxes.map(\.description) == ["\u{e4}nn@example.org"])
    }
  }

  @Test("the body's encoding is the plainest that carries it")
  func choosesEncoding() throws {
    let long = String(repeating: "x", count: 1200)
    let rows: [(String, Bool, String)] = [
      ("plain", true, "7bit"), ("gr\u{fc}n", true, "8bit"),
      ("only one gr\u{fc}n in much text here", false, "quoted-printable"),
      ("\u{1f426}\u{1f426}\u{1f426}", false, "base64"), (long, true, "quoted-printable"),
      ("nul \0", true, "quoted-printable"),
    ]
    for (text, allowsEightBit, encoding) in rows {
      var message = try builder(text: text)
      message.allowsEightBit = allowsEightBit
      let (header, body) = try build(message)
      #expect(header.value(of: "content-transfer-encoding") == encoding)
      #expect(allowsEightBit || !body.utf8.contains { $0 >= 0x80 })
    }
  }

  @Test("quoted-printable keeps to 76 octets and escapes what would be lost")
  func quotedPrintable() throws {
    var message = try builder(text: "\u{fc} = \t\nend \n" + String(repeating: "\u{e4}bcdefghijklmno ", count: 20))
    message.allowsEightBit = false
    let body = try build(message).body
    #expect(body.hasPrefix("=C3=BC =3D =09\r\nend=20\r\n"))
    for line in body.split(separator: "\r\n") { #expect(line.utf8.count <= 76) }
  }

  @Test("base64 is RFC 4648's, padding included")
  func base64() throws {
    for (text, expected) in [
      ("\u{fc}\u{fc}", "w7zDvA0K\r\n"), ("\u{fc}\u{fc}a", "w7zDvGENCg==\r\n"), ("\u{fc}\u{fc}ab", "w7zDvGFiDQo=\r\n"),
    ] {
      var message = try builder(text: text)
      message.allowsEightBit = false
      #expect(try build(message).body == expected)
    }
  }

  @Test("an address outside ASCII needs SMTPUTF8, and then no encoded words are written (UTF8-003, UTF8-008)")
  func international() throws {
    var message = try builder(subject: "gr\u{fc}n")
    #expect(!message.needsSMTPUTF8)
    message.to[0].mailbox = try mailbox("j\u{fc}rg@example.net")
    #expect(message.needsSMTPUTF8)
    #expect(try build(message).header.value(of: "subject") == "gr\u{fc}n")
  }
}
