import Accounts
import MailMessage
import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPGrammar
import SMTPSessions
import Testing

@Suite("Intake")
struct IntakeTests {
  static let good = "From: alice@example.com\r\nTo: bob@example.com\r\nSubject: x\r\n\r\nbody"

  /// How each defect of the table comes in by the wire.
  struct Sample {
    var message = good
    var octets: [UInt8]?
    var from = "<alice@example.com>"
    var to = "<bob@example.com>"
    var mail = ""
    /// Where the relay doesn't hear it: the defect can only be had from a user, or is another command's.
    var relayToo = true
  }

  static func sample(_ defect: IntakeDefect) -> Sample {
    let head = "From: alice@example.com\r\nDate: Sun, 22 Nov 2026 12:50:10 +0000\r\nMessage-ID: <1@example.com>\r\n"
    switch defect {
    case .bareCarriageReturn: return Sample(message: good + "\r\rx")
    case .bareLineFeed: return Sample(message: good + "\nx")
    case .nullOctet: return Sample(message: good + "\0")
    case .overlongLine: return Sample(message: good + "\r\n" + String(repeating: "x", count: 1_000))
    case .noFinalLineEnd: return Sample(message: good)
    case .eightBitBody: return Sample(message: good + "é")
    case .emptyMessage: return Sample(message: "")
    case .firstLineNotAField: return Sample(message: "just text\r\nand more")
    case .lineWithoutColon: return Sample(message: head + "no colon here\r\n\r\nbody")
    case .badFieldLine: return Sample(message: head + "Sub ject: x\r\n\r\nbody")
    case .badFieldName: return Sample(message: head + "X-Odd : x\r\n\r\nbody")
    case .headerTooLarge:
      return Sample(message: head + String(repeating: "X: \(String(repeating: "y", count: 900))\r\n", count: 300))
    case .tooManyFields: return Sample(message: head + String(repeating: "X: y\r\n", count: 1_001) + "\r\n")
    case .tooManyHops: return Sample(message: String(repeating: "Received: x\r\n", count: 101) + good)
    case .eightBitHeader: return Sample(message: head + "Subject: é\r\n\r\nbody")
    case .headerNotUTF8:
      return Sample(octets: Array((head + "Subject: ").utf8) + [0xff] + Array("\r\n\r\nbody".utf8), mail: " SMTPUTF8")
    case .missingFrom: return Sample(message: "Subject: x\r\n\r\nbody")
    case .repeatedFrom: return Sample(message: head + head + "\r\nbody")
    case .badFrom: return Sample(message: "From: <<>\r\n\r\nbody")
    case .unqualifiedFrom: return Sample(message: "From: alice@example\r\n\r\nbody")
    case .severalAuthors: return Sample(message: "From: alice@example.com, x@alice.example\r\n\r\nbody")
    case .severalAuthorsNullSender:
      return Sample(message: "From: alice@example.com, x@alice.example\r\n\r\nbody", from: "<>")
    case .badSender: return Sample(message: head + "Sender: ,\r\n\r\nbody")
    case .unqualifiedSender: return Sample(message: head + "Sender: x@host\r\n\r\nbody")
    case .badReplyTo: return Sample(message: head + "Reply-To: @@\r\n\r\nbody")
    case .repeatedField: return Sample(message: head + "Subject: a\r\nSubject: b\r\n\r\nbody")
    case .repeatedTLSRequired: return Sample(message: head + "TLS-Required: No\r\nTLS-Required: No\r\n\r\nbody")
    case .unknownTLSRequired: return Sample(message: head + "TLS-Required: Yes\r\n\r\nbody")
    case .overruledTLSRequired:
      return Sample(
        message: head + "TLS-Required: No\r\n\r\nbody", mail: " REQUIRETLS", relayToo: false)
    case .missingDate: return Sample(message: "From: alice@example.com\r\n\r\nbody")
    case .badDate: return Sample(message: "From: alice@example.com\r\nDate: yesterday\r\n\r\nbody")
    case .missingMessageID: return Sample(message: "From: alice@example.com\r\n\r\nbody")
    case .badMessageID: return Sample(message: "From: alice@example.com\r\nMessage-ID: none\r\n\r\nbody")
    case .blindCopies: return Sample(message: head + "Bcc: secret@example.org\r\n\r\nbody")
    case .returnPath: return Sample(message: "Return-Path: <x@example.org>\r\n" + head + "\r\nbody")
    case .resentFields: return Sample(message: "Resent-From: x@example.org\r\n" + head + "\r\nbody")
    case .missingRecipientFields: return Sample(message: head + "\r\nbody")
    case .unqualifiedReversePath: return Sample(from: "<alice@host>")
    case .unqualifiedForwardPath: return Sample(to: "<bob@host>", relayToo: false)
    case .reversePathNotAllowed: return Sample(from: "<mallory@example.com>")
    case .fromNotAllowed: return Sample(message: "From: mallory@example.com\r\n\r\nbody")
    }
  }

  @Test(
    "every row of the intake table is answered as the table says, over a whole session",
    arguments: IntakeDefect.allCases, [ListenerRole.submissions, .relay])
  func row(_ defect: IntakeDefect, _ role: ListenerRole) async throws {
    let sample = IntakeTests.sample(defect)
    guard role.isSubmission || sample.relayToo else { return }
    let stage = try IntakeStage(role)
    await stage.enter()
    let said = await stage.submit(
      sample.octets ?? Array(sample.message.utf8), from: sample.from, to: [sample.to], mail: sample.mail)
    let queued = try await stage.queued()
    switch defect.treatment(on: role.isSubmission ? .submission : .relay) {
    case .refuse(let code, let enhanced):
      #expect(said.hasPrefix("\(code) \(enhanced) "), "\(defect): \(said)")
      #expect(said.contains(defect.row.what), "the reply names what is wrong")
      #expect(queued.isEmpty, "what was refused is not kept")
    case .mend:
      #expect(said.hasPrefix("250 2.0.0 "), "\(defect): \(said)")
      #expect(queued.count == 1)
      #expect(stage.noted("mended").contains(defect.rawValue))
    case .pass:
      #expect(said.hasPrefix("250 2.0.0 "), "\(defect): \(said)")
      #expect(queued.count == 1)
      // What is decided at MAIL, RCPT or by a user's rights is no finding in the message; DATA always ends with CRLF.
      let isOfTheMessage = ![
        IntakeDefect.unqualifiedReversePath, .reversePathNotAllowed, .fromNotAllowed, .noFinalLineEnd,
      ].contains(defect)
      #expect(stage.noted("passed").contains(defect.rawValue) == isOfTheMessage)
    }
    #expect(stage.memory.octetsInUse == 0, "what was held in memory is given back")
  }

  // ITLS-009, AUTH-020
  @Test(
    "SUB-009, SMTP-045, TRACE-001: Received, Date and Message-ID stand in front, Bcc is gone, the body is untouched"
  )
  func mended() async throws {
    let stage = try IntakeStage(.submissions)
    await stage.enter()
    let body = "line\r\n..dots\r\n\r\n trailing \t\r\n"
    let message = "From: Alice <alice@example.com>\r\nBcc: secret@example.org\r\nSubject:  odd   spaces\r\n\r\n" + body
    #expect(await stage.submit(Array((message + ".").utf8).dropLast()).hasPrefix("250 2.0.0 queued as "))
    let text = try #require(try await stage.queued().first?.text)
    let unfolded = text.replacing("\r\n ", with: " ")
    let trace = /Received: from client\.example\.net \(unknown \[192\.0\.2\.1\]\) by mail\.example\.com \(Martlet\)/
    #expect(unfolded.prefixMatch(of: trace) != nil)
    #expect(unfolded.contains(" with ESMTPSA id "))
    #expect(unfolded.contains(" for <bob@example.com> tls TLS_AES_256_GCM_SHA384 group X25519MLKEM768 (TLSv1.3); "))
    #expect(unfolded.contains("; Sun, 22 Nov 2026 12:50:10 +0000\r\nDate:"))
    #expect(text.contains("Date: Sun, 22 Nov 2026 12:50:10 +0000\r\n"))
    #expect(text.contains("Message-ID: <"))
    #expect(!text.contains("secret"))
    #expect(
      text.hasSuffix(
        "From: Alice <alice@example.com>\r\nSubject:  odd   spaces\r\n\r\nline\r\n.dots\r\n\r\n trailing \t\r\n\r\n"))
  }

  @Test("SUB-010: an 8-bit body goes on as 8BITMIME, declared or not, and a missing last CRLF is noted")
  func contentFindings() async throws {
    let head = "From: alice@example.com\r\nDate: Sun, 22 Nov 2026 12:50:10 +0000\r\nMessage-ID: <1@example.com>\r\n"
    let rows: [(header: String, body: String, mail: String, eightBit: Bool, passed: [String])] = [
      ("To: b@c.example\r\n", "plain\r\n", "", false, []),
      ("To: b@c.example\r\n", "plain", "", false, ["no-final-line-end"]),
      ("To: b@c.example\r\n", "grün\r\n", "", true, ["8-bit-body"]),
      ("To: b@c.example\r\n", "grün\r\n", " BODY=8BITMIME", true, []),
      ("To: b@c.example\r\n", "plain\r\n", " BODY=8BITMIME", false, []),
      ("To: grün <b@c.example>\r\n", "plain\r\n", " SMTPUTF8", true, []),
    ]
    for row in rows {
      let stage = try IntakeStage(.submissions)
      await stage.enter()
      let message = head + row.header + "\r\n" + row.body
      _ = await stage.say("MAIL FROM:<alice@example.com>\(row.mail)\r\nRCPT TO:<bob@example.com>\r\n")
      // In two chunks, of which the second is the body's end.
      let cut = message.utf8.count - row.body.utf8.count + 2
      _ = await stage.say(Array("BDAT \(cut)\r\n".utf8) + Array(message.utf8.prefix(cut)))
      let last = Array("BDAT \(message.utf8.count - cut) LAST\r\n".utf8) + Array(message.utf8.dropFirst(cut))
      #expect(await stage.say(last).hasPrefix("250 2.0.0 "))
      #expect(try await stage.queued().first?.message.message.body == (row.eightBit ? .eightBitMIME : .sevenBit))
      #expect(stage.noted("passed") == row.passed, "\(row)")
    }
  }

  @Test(
    "UTF8-003: SMTPUTF8 is asked of a next hop where the envelope or the content is outside ASCII, whatever MAIL said",
    arguments: [
      ("<alice@example.com>", "<bob@example.com>", "plain", " SMTPUTF8", false),
      ("<alice@example.com>", "<bob@example.com>", "plain", "", false),
      ("<alice@example.com>", "<bob@example.com>", "gr\u{fc}n", " SMTPUTF8", true),
      ("<b\u{fc}ro@there.example>", "<bob@example.com>", "plain", " SMTPUTF8", true),
    ])
  func internationalNeed(row: (from: String, to: String, subject: String, mail: String, isNeeded: Bool)) async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    let head = "From: alice@example.com\r\nDate: Sun, 22 Nov 2026 12:50:10 +0000\r\n"
    let said = await stage.submit(
      Array("\(head)Subject: \(row.subject)\r\n\r\nbody".utf8), from: row.from, to: [row.to], mail: row.mail)
    #expect(said.hasPrefix("250 "))
    #expect(try await stage.queued().first?.message.message.usesSMTPUTF8 == row.isNeeded)
  }

  @Test(
    "UTF8-003: for eight bits of the body 8BITMIME is enough; those in a part's header need SMTPUTF8",
    arguments: [
      ("text/plain; charset=utf-8", "gr\u{fc}n\r\n", false),
      ("text/plain", "--x\r\nSubject: gr\u{fc}n\r\n", false),
      ("multipart/mixed; boundary=x", "--x\r\nContent-Type: text/plain\r\n\r\ngr\u{fc}n\r\n--x--\r\n", false),
      ("Multipart/Mixed;\r\n boundary=x", "--x\r\nContent-Disposition: inline;\r\n filename=gr\u{fc}n\r\n\r\n", true),
      ("multipart/mixed; boundary=x", "--x\r\n\r\nbye\r\n-- \r\nJ\u{f6}rg\r\n--x--\r\n", false),
      ("multipart/mixed; boundary=x", "--x\r\n\r\nbye\r\n--J\u{f6}rg\r\nM\u{fc}ller\r\n--x--\r\n", false),
      ("message/rfc822", "Subject: gr\u{fc}n\r\n\r\nx\r\n", true),
      ("message/rfc822", "Subject: x\r\n\r\ngr\u{fc}n\r\n", false),
      ("multipart/mixed; boundary=x", "--x\r\nContent-Type:\r\n Message/Global\r\n\r\nTo: \u{fc}\r\n\r\n", true),
      ("multipart/mixed; boundary=x", "--x\r\nContent-Type: text/x\r\n\r\nTo: \u{fc}\r\n\r\n", false),
      ("multipart/digest; boundary=x", "--x\r\n\r\nTo: \u{fc}\r\n\r\n", true),
      ("multipart/digest; boundary=x", "--x\r\n\r\nTo: x\r\n\r\n\u{fc}\r\n", false),
    ])
  func eightBitParts(type: String, body: String, isNeeded: Bool) async throws {
    for piece in [1, 7, 4_096] {
      let stage = try IntakeStage(.relay)
      await stage.enter()
      _ = await stage.say("MAIL FROM:<a@there.example> SMTPUTF8 BODY=8BITMIME\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n")
      var rest = Array("From: a@there.example\r\nContent-Type: \(type)\r\n\r\n\(body).\r\n".utf8)[...]
      var said = ""
      while !rest.isEmpty {
        said += await stage.say(Array(rest.prefix(piece)))
        rest = rest.dropFirst(piece)
      }
      #expect(said.hasPrefix("250 "), "\(said)")
      let message = try #require(try await stage.queued().first?.message.message)
      #expect(message.usesSMTPUTF8 == isNeeded, "\(type) in pieces of \(piece)")
      #expect(message.body == .eightBitMIME)
    }
  }

  @Test("UTF8-002: eight bits in the header of relayed mail that came without SMTPUTF8 go on as they came, unjudged")
  func undeclaredEightBitHeader() async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    #expect(await stage.submit(Array("From: a@there.example\r\nSubject: gr\u{fc}n\r\n\r\nx".utf8)).hasPrefix("250 "))
    let message = try #require(try await stage.queued().first?.message.message)
    #expect(!message.usesSMTPUTF8 && message.body == .eightBitMIME)
  }

  @Test("an acceptance names each defect once, ten at the most, and counts the others")
  func boundedFindings() async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    let many = ["Sender", "Reply-To", "To", "Cc", "Subject"].map { "\($0): ,\r\n" }.joined()
    let message = "Date: ,\r\nMessage-ID: ,\r\nBcc: x\r\nReturn-Path: x\r\nResent-To: x\r\n" + many + many
    #expect(
      await stage.submit(Array((message + "TLS-Required: No\r\nTLS-Required: No\r\n\r\né").utf8)).hasPrefix("250"))
    let passed = stage.noted("passed")
    #expect(passed.count == 11 && passed.last == "+1", "\(passed)")
    #expect(Set(passed).count == 11)
    #expect(stage.noted("mended") == [])
  }

  @Test("SMTP-043, SMTP-047: relayed mail gets one Received and nothing else, whatever it looks like")
  func relayed() async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    let message = "Received: earlier\r\nBcc: kept@example.org\r\nFROM : odd\r\n\r\nbody"
    #expect(await stage.submit(Array(message.utf8), from: "<>").hasPrefix("250"))
    let text = try #require(try await stage.queued().first?.text)
    #expect(text.hasSuffix("\r\n" + message + "\r\n"))
    #expect(text.matches(of: /Received:/).count == 2)
    #expect(text.contains("with ESMTP id"))
  }

  @Test("SMTP-043: with two recipients Received names neither")
  func noForClause() async throws {
    let stage = try IntakeStage(.submissions)
    await stage.enter()
    _ = await stage.submit(Array(IntakeTests.good.utf8), to: ["<bob@example.com>", "<x@elsewhere.example>"])
    let queued = try #require(try await stage.queued().first)
    #expect(!queued.text.contains(" for <"))
    #expect(queued.message.recipients.map(\.recipient.route.rawValue) == ["domain/example.com", "outbound"])
  }

  @Test("SMTP-052: an alias is expanded for the queue, the envelope's sender stays")
  func alias() async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    _ = await stage.submit(Array(IntakeTests.good.utf8), from: "<x@far.example>", to: ["<Team@Example.COM>"])
    let queued = try #require(try await stage.queued().first?.message)
    #expect(queued.message.reversePath.description == "<x@far.example>")
    #expect(queued.recipients.map(\.recipient.address.description) == ["bob@example.com", "carol@elsewhere.example"])
  }

  @Test("SMTP-053, SUB-008: 25 takes our own recipients alone, and says which of the two it is")
  func relayReach() async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    _ = await stage.say("MAIL FROM:<x@far.example>\r\n")
    #expect(await stage.say("RCPT TO:<nobody@example.com>\r\n").hasPrefix("550 5.1.1 "))
    #expect(await stage.say("RCPT TO:<y@other.example>\r\n").hasPrefix("550 5.7.1 "))
    #expect(await stage.say("RCPT TO:<PostMaster>\r\n").hasPrefix("250 "))
    #expect(await stage.say("RCPT TO:<ABUSE@example.com>\r\n").hasPrefix("250 "))
  }

  @Test("a user taken out of the directory between RCPT and DATA is refused, and nothing is kept")
  func removedUser() async throws {
    let stage = try IntakeStage(.submissions)
    await stage.enter()
    _ = await stage.say("MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.com>\r\n")
    var reception = stage.intake.reception
    reception.users = .empty
    await stage.intake.replace(reception)
    _ = await stage.say("DATA\r\n")
    #expect(await stage.say("From: mallory@example.com\r\n\r\nbody\r\n.\r\n") == "535 5.7.8 authentication failed\r\n")
    #expect(try await stage.queued().isEmpty)
  }

  @Test("a user over quota is put off with 450 4.7.1 and told the limit")
  func quota() async throws {
    let stage = try IntakeStage(.submissions, quota: QuotaLimits(messagesPerHour: 1, recipientsPerHour: 2))
    await stage.enter()
    _ = await stage.say("MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.com>\r\nRCPT TO:<x@far.example>\r\n")
    #expect(
      await stage.say("RCPT TO:<y@far.example>\r\n").hasPrefix(
        "450 4.7.1 over this user's limit of 2 recipients per hour"))
    _ = await stage.say("RSET\r\n")
    #expect(
      await stage.say("MAIL FROM:<alice@example.com>\r\n").hasPrefix(
        "450 4.7.1 over this user's limit of 1 messages per hour"))
  }

  @Test(
    "SMTP-030, SMTP-031: a disk without room is 452 at MAIL, a store that stopped is 451, and neither keeps anything")
  func storeFaults() async throws {
    let stage = try IntakeStage(.submissions)
    await stage.enter()
    stage.store.setSpaceLow(true)
    #expect(await stage.say("MAIL FROM:<alice@example.com>\r\n").hasPrefix("452 4.3.1 "))
    stage.store.setSpaceLow(false)
    stage.store.failSync(after: 1)
    #expect(await stage.submit(Array(IntakeTests.good.utf8)).hasPrefix("451 4.3.0 "))
    #expect(await stage.say("MAIL FROM:<alice@example.com>\r\n").hasPrefix("451 4.3.0 "))
    #expect(stage.memory.octetsInUse == 0)
  }

  @Test("content beyond the memory for all sessions is put off with 452, and the memory comes back")
  func memory() async throws {
    let stage = try IntakeStage(.submissions, memory: 1_000)
    await stage.enter()
    let large = IntakeTests.good + String(repeating: "\r\nlong line of text", count: 100)
    #expect(await stage.submit(Array(large.utf8)).hasPrefix("452 4.3.1 "))
    #expect(stage.memory.octetsInUse == 0)
    #expect(await stage.submit(Array(IntakeTests.good.utf8)).hasPrefix("250 "))
  }

  @Test("AUTH-009: a wrong password and an unknown user get the same 535")
  func oneAnswer() async throws {
    let stage = try IntakeStage(.submissions)
    _ = await stage.say("EHLO a\r\n")
    let wrong = await stage.say("AUTH PLAIN AGFsaWNlAHdyb25n\r\n")
    let unknown = await stage.say("AUTH PLAIN AG5vYm9keQB3cm9uZw==\r\n")
    #expect(wrong == "535 5.7.8 authentication failed\r\n")
    #expect(unknown == wrong)
  }
}
