import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite struct DeliveryReportTests {
  static let originalHeader =
    "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: plans\r\n"
    + "Date: Sun, 22 Nov 2026 11:40:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
  static let originalBody = "Dear Bob,\r\n\r\nsee you there.\r\n"

  func report(_ action: DeliveryReport.Action, original: DeliveryReport.Original? = nil) throws -> DeliveryReport {
    var bob = DeliveryReport.Recipient(
      try mailbox("Bob@example.net"), status: EnhancedStatusCode(.permanent, 1, 1))
    bob.originalType = "rfc822"
    bob.originalAddress = "bobby@example.org"
    bob.remoteHost = "mx1.example.net"
    bob.remoteReply = "550 5.1.1 <Bob@example.net>: there is no such user here"
    bob.lastAttempt = someInstant
    bob.retryUntil = someInstant + .seconds(86_400)
    var report = DeliveryReport(
      action: action, recipients: [bob], sender: try mailbox("ann@example.org"),
      reportingHost: try DomainName("mail.example.org"), queueID: "0123abcdef", arrival: someInstant + .seconds(-120),
      date: someInstant, original: original ?? .header(buffer(Self.originalHeader)))
    report.envelopeID = "QQ314159"
    return report
  }

  func render(_ report: DeliveryReport) -> DeliveryReport.Rendered {
    var random = SplitMix(state: 42)
    let rendered = report.render(using: &random)
    expectCleanLines(rendered.bytes)
    return rendered
  }

  func golden(_ name: String, _ report: DeliveryReport) throws {
    try expectGolden("Tests/Corpus/messages/\(name).eml", text(render(report).bytes))
  }

  @Test("a failure is told in all three parts (DSN-011, DSN-012, DSN-013)")
  func failure() throws {
    let whole = [buffer(Self.originalHeader), buffer(Self.originalBody)]
    let header = Self.originalHeader.utf8.count
    try golden("dsn-failed", try report(.failed, original: .full(whole, headerOctets: header)))
  }

  @Test("in the place of a sender who can't be told a postmaster hears whose message it was, and no advice to authors")
  func untoldSender() throws {
    var report = try report(.failed)
    report.sender = try mailbox("postmaster@example.org")
    report.author = .untold(try mailbox("printer@example.org"))
    try golden("dsn-failed-untold", report)
    report.author = .untold(nil)
    let human = String(text(render(report).bytes).prefix(2_000))
    #expect(human.contains("A message with the empty sender <>") && !human.contains("Your message"))
    #expect(!human.contains("What to do"))
  }

  @Test("where no server answered nobody is sent to its answer")
  func adviceWithoutAnswer() throws {
    var report = try report(.failed)
    report.recipients[0].status = EnhancedStatusCode(.permanent, 3, 0)
    let advice = "What to do: the other side's answer"
    #expect(text(render(report).bytes).contains(advice))
    report.recipients[0].remoteReply = nil
    report.recipients[0].explanation = "The operator of this mail system has given the message up."
    #expect(!text(render(report).bytes).contains("What to do"))
  }

  @Test("a failure without any server asked names none (DSN-014)")
  func failureWithoutServer() throws {
    var report = try report(.failed)
    report.envelopeID = nil
    var carol = DeliveryReport.Recipient(
      try mailbox("carol@nowhere.example"), status: EnhancedStatusCode(.permanent, 4, 4))
    carol.explanation = "The domain nowhere.example has no mail server: its name is not in the DNS."
    report.recipients = [carol]
    try golden("dsn-failed-no-server", report)
    let bytes = text(render(report).bytes)
    for field in ["Remote-MTA", "Diagnostic-Code", "Original-Recipient", "Original-Envelope-ID", "Will-Retry-Until"] {
      #expect(!bytes.contains("\(field):"))
    }
  }

  @Test("a failure that is ours to mend sends nobody to another's postmaster")
  func failureOfOurs() throws {
    var report = try report(.failed)
    report.recipients[0].status = EnhancedStatusCode(.persistentTransient, 7, 8)
    report.recipients[0].remoteReply = "535 5.7.8 authentication failed"
    report.recipients[0].explanation = "This mail system has not been let in by the next server."
    report.recipients[0].isOurs = true
    try golden("dsn-failed-ours", report)
    // Beside one that isn't, each has advice of its own, and the postmaster comes last.
    var carol = DeliveryReport.Recipient(try mailbox("carol@example.net"), status: EnhancedStatusCode(.permanent, 1, 1))
    carol.explanation = "The server does not know the address."
    report.recipients.append(carol)
    let both = text(render(report).bytes)
    #expect(both.contains("What to do: check the address") && both.contains("What to do: neither you"))
    #expect(both.contains("If that doesn't help, forward"))
  }

  @Test("a delay says until when it is tried, and that nothing need be done (DSN-014)")
  func delay() throws {
    var report = try report(.delayed)
    report.recipients[0].status = EnhancedStatusCode(.persistentTransient, 4, 1)
    report.recipients[0].remoteReply = nil
    report.recipients[0].remoteHost = nil
    report.recipients[0].explanation = "No server of example.net could be reached: connection refused."
    try golden("dsn-delayed", report)
  }

  @Test("Will-Retry-Until stands in delay reports alone (DSN-014)", arguments: DeliveryReport.Action.allCases)
  func retryUntil(_ action: DeliveryReport.Action) throws {
    let bytes = text(render(try report(action)).bytes)
    #expect(bytes.contains("Will-Retry-Until:") == (action == .delayed))
    #expect(bytes.contains("Action: \(action.rawValue)\r\n"))
  }

  @Test("success and handing on are told (DSN-005, DSN-006)")
  func success() throws {
    var report = try report(.delivered)
    report.recipients[0].status = EnhancedStatusCode(.success, 1, 5)
    report.recipients[0].remoteReply = nil
    try golden("dsn-delivered", report)
    report.action = .relayed
    try golden("dsn-relayed", report)
  }

  @Test("addresses outside ASCII make a global report; 7-bit where the sender's own is ASCII (UTF8-007)")
  func internationalRecipient() throws {
    var report = try report(.failed)
    report.recipients = [
      DeliveryReport.Recipient(
        try mailbox("j\u{fc}rg@b\u{fc}cher.example"), status: EnhancedStatusCode(.permanent, 6, 7))
    ]
    let rendered = render(report)
    #expect(!rendered.usesSMTPUTF8 && !rendered.isEightBit)
    #expect(!text(rendered.bytes).utf8.contains { $0 >= 0x80 })
    try golden("dsn-failed-global-7bit", report)
  }

  @Test("a sender outside ASCII gets the report in UTF-8 (UTF8-007)")
  func internationalSender() throws {
    let subject = "Subject: Gr\u{fc}\u{df}e\r\n\r\n"
    var report = try report(
      .failed, original: .full([buffer(subject + "x\r\n")], headerOctets: subject.utf8.count))
    report.sender = try mailbox("j\u{fc}rg@b\u{fc}cher.example")
    report.originalUsesSMTPUTF8 = true
    report.recipients[0].originalType = "utf-8"
    report.recipients[0].originalAddress = "j\u{f6}rg@example.org"
    let rendered = render(report)
    #expect(rendered.usesSMTPUTF8 && rendered.isEightBit)
    try golden("dsn-failed-global", report)
  }

  @Test("an 8-bit original comes back as it is, and the report needs 8BITMIME")
  func eightBitOriginal() throws {
    let body = "gr\u{fc}n\r\n"
    let whole = [buffer(Self.originalHeader + body)]
    let rendered = render(try report(.failed, original: .full(whole, headerOctets: Self.originalHeader.utf8.count)))
    #expect(rendered.isEightBit && !rendered.usesSMTPUTF8)
    #expect(text(rendered.bytes).contains(Self.originalHeader + body))
  }

  @Test("a message over the bound, or one that can't stand in a part, comes back as its header")
  func boundsOriginal() throws {
    let header = Self.originalHeader
    let line = String(repeating: "x", count: 76) + "\r\n"
    let fits = String(repeating: line, count: (DeliveryReport.maximumReturnedOctets - header.utf8.count) / 78)
    for (body, isWhole) in [(fits, true), (fits + line, false), ("stray\rCR\r\n", false), ("bare\nLF\r\n", false)] {
      let rendered = render(
        try report(.failed, original: .full([buffer(header), buffer(body)], headerOctets: header.utf8.count)))
      let bytes = text(rendered.bytes)
      #expect(bytes.contains("Content-Type: message/rfc822\r\n") == isWhole)
      #expect(bytes.contains("Content-Type: text/rfc822-headers\r\n") == !isWhole)
      #expect(bytes.contains("Subject: plans\r\n"))
    }
  }

  @Test("only a failure returns the whole message (RFC 3461 4.3)", arguments: DeliveryReport.Action.allCases)
  func returnsWhole(_ action: DeliveryReport.Action) throws {
    let header = Self.originalHeader
    let whole = DeliveryReport.Original.full(
      [buffer(header), buffer(Self.originalBody)], headerOctets: header.utf8.count)
    let bytes = text(render(try report(action, original: whole)).bytes)
    #expect(bytes.contains("Subject: plans\r\n"))
    #expect(bytes.contains("see you there") == (action == .failed))
  }

  @Test("a broken header comes back in lines that are whole")
  func brokenHeader() throws {
    for header in ["no end", "A: b\rC: d\nE: f\r\n", "A: \0\r\n", "A: " + String(repeating: "x", count: 3000), ""] {
      _ = render(try report(.failed, original: .header(buffer(header))))
    }
  }

  @Test("no reply and no name of a peer adds a line to the report (SMUG-006)")
  func hostileReply() throws {
    var report = try report(.failed)
    report.recipients[0].remoteReply = "550 x\r\n\r\n--boundary\r\nAction: delivered\u{0}\u{fc}"
    report.recipients[0].remoteHost = "evil\r\nStatus: 2.0.0"
    report.recipients[0].originalType = "rfc822\r\nX"
    report.recipients[0].originalAddress = "a\r\nb"
    report.envelopeID = "x\r\nY: z"
    report.queueID = "q\r\nq"
    let lines = text(render(report).bytes).split(separator: "\r\n")
    #expect(!lines.contains { $0.hasPrefix("Action: delivered") || $0.hasPrefix("Status: 2") || $0.hasPrefix("Y:") })
    #expect(lines.filter { $0.hasPrefix("Action:") }.count == 1)
  }

  @Test("a reply of any length stays bounded and in lines that may be sent")
  func longReply() throws {
    for reply in [String(repeating: "x", count: 100_000), String(repeating: "word ", count: 20_000)] {
      var report = try report(.failed)
      report.recipients[0].remoteReply = reply
      report.recipients[0].explanation = reply
      #expect(render(report).bytes.readableBytes < 130_000)
    }
  }

  @Test("the boundary is one that no line of a part begins with")
  func boundaryDoesNotOccur() throws {
    let first = text(render(try report(.failed)).bytes)
    let boundary = try #require(first.split(separator: "boundary=\"").last?.prefix { $0 != "\"" })
    // The same random numbers, and an original that knows what they give.
    let body = "--\(boundary)\r\n"
    let header = Self.originalHeader
    let again = text(
      render(try report(.failed, original: .full([buffer(header + body)], headerOctets: header.utf8.count))).bytes)
    let other = try #require(again.split(separator: "boundary=\"").last?.prefix { $0 != "\"" })
    #expect(other != boundary)
    #expect(again.contains(body))
    #expect(again.split(separator: "\r\n").filter { $0.hasPrefix("--\(other)") }.count == 4)
  }

  @Test("RET=FULL: a report of eight bits has a form in seven, with the header alone and all else as it was")
  func sevenBits() throws {
    let header = "From: ann@example.org\r\nSubject: gr\u{fc}n\r\n\r\n"
    let whole = try report(
      .failed, original: .full([buffer(header + "\r\nsch\u{f6}n\r\n")], headerOctets: header.utf8.count))
    let eight = render(whole)
    #expect(eight.isEightBit)
    let seven = text(try #require(DeliveryReport.inSevenBits(eight.bytes)))
    #expect(seven.utf8.allSatisfy { $0 < 0x80 })
    // What the same report of the header alone is, but for what it says of itself.
    let alone = text(render(try report(.failed, original: .header(buffer(header)))).bytes)
    let phrase = (whole: "Your message or its header is below", alone: "The header of your message is below")
    func words(_ text: String) -> [Substring] { text.split { $0 == " " || $0 == "\r\n" } }
    #expect(
      words(seven).joined(separator: " ").replacing(phrase.whole, with: phrase.alone)
        == words(alone).joined(separator: " "))
    #expect(seven.contains("text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n"))
    #expect(DeliveryReport.inSevenBits(buffer(seven)) == nil)
    #expect(DeliveryReport.inSevenBits(buffer("From: x\r\n\r\ntext")) == nil)
    #expect(DeliveryReport.inSevenBits(ByteBuffer()) == nil)
    // Cut anywhere, it is none of ours.
    for length in stride(from: 0, to: eight.bytes.readableBytes, by: 7) {
      #expect(DeliveryReport.inSevenBits(eight.bytes.getSlice(at: 0, length: length)!) == nil)
    }
  }

  @Test("a report goes to the sender, under MAILER-DAEMON, and asks for no answer (DSN-015, DSN-017)")
  func header() throws {
    let header = try section(text(render(try report(.failed)).bytes))
    #expect(header.value(of: "to") == "ann@example.org")
    #expect(header.value(of: "from") == "Mail Delivery System <MAILER-DAEMON@mail.example.org>")
    #expect(header.value(of: "auto-submitted") == "auto-replied")
    #expect(header.value(of: "date").flatMap { try? MessageDate.parse($0) } == someInstant)
    #expect(header.value(of: "message-id").flatMap { MessageID($0) } != nil)
    let random = SplitMix(state: 1)
    var mutable = random
    let facts = IntakeFacts(
      role: .submission, reversePath: .null, now: someInstant,
      freshMessageID: MessageID.make(at: try DomainName("mail.example.org"), using: &mutable))
    // It passes our own rules unchanged.
    #expect(SubmissionRules.judge(header: header, facts: facts) == .accept(added: [], removed: [], findings: []))
  }
}
