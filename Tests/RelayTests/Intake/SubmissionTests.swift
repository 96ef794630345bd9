import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPSessions
import Testing

/// What makes a submission port one, and what stays known of who submitted. Source: RFC 6409, RFC 5068.
@Suite("Submission")
struct SubmissionTests {
  @Test("SUB-001: what comes in on 465, 587 and 2525 is submission: the same words mean another thing on 25")
  func everyPort() async throws {
    let withoutFrom = Array("Subject: no author\r\n\r\nbody".utf8)
    let good = Array(IntakeTests.good.utf8)
    let far = ["<x@elsewhere.example>"]
    for role in [ListenerRole.submissions, .submission] {
      let stage = try IntakeStage(role)
      await stage.enter()
      #expect(await stage.submit(withoutFrom).hasPrefix("554 5.6.0 "))
      #expect(await stage.submit(good, to: far).hasPrefix("250 2.0.0 "))
      let queued = try #require(try await stage.queued().first)
      #expect(queued.text.contains("\r\nDate: ") && queued.text.contains("\r\nMessage-ID: "))
      #expect(queued.message.message.account == "alice")
    }
    let relay = try IntakeStage(.relay)
    await relay.enter()
    #expect(await relay.submit(good, to: far).hasPrefix("550 5.7.1 "))
    _ = await relay.say("RSET\r\n")
    #expect(await relay.submit(withoutFrom).hasPrefix("250 2.0.0 "))
    let queued = try #require(try await relay.queued().first)
    #expect(!queued.text.contains("Date: ") && !queued.text.contains("Message-ID: "))
    #expect(queued.message.message.account == nil)
  }

  @Test("SUBOP-003: the queue's id leads to the user, also when the message has left, and not for mail from 25")
  func traceable() async throws {
    for role in [ListenerRole.submissions, .submission, .relay] {
      let stage = try IntakeStage(role)
      await stage.enter()
      let said = await stage.submit(Array(IntakeTests.good.utf8))
      let id = try #require(said.split(whereSeparator: \.isWhitespace).last.flatMap { QueueID($0) })
      let message = try #require(try await stage.store.message(id))
      let changes = message.recipients.map {
        RecipientChange(
          number: $0.number, state: .delivered, due: $0.due, attemptsAdded: 1, result: nil, delayReported: false,
          attempt: nil)
      }
      try await stage.store.record(changes, of: id, reports: [], events: [])
      #expect(try await stage.store.message(id) == nil)
      let accepted = try await stage.store.events(of: id).map(\.event).first { $0.kind == .accepted }
      #expect(accepted?["user"] == (role.isSubmission ? .text("alice") : nil))
      guard case .text(let messageID)? = accepted?["message-id"] else {
        // A relay adds none.
        #expect(!role.isSubmission)
        continue
      }
      #expect(messageID.hasPrefix("<") && messageID.hasSuffix(">"))
      #expect(accepted?["session"] != nil && accepted?["peer"] == .text("192.0.2.1:4711"))
    }
  }

  @Test("SUB-006: an authenticated user may send with the null reverse path")
  func nullSender() async throws {
    let stage = try IntakeStage(.submissions)
    await stage.enter()
    #expect(await stage.submit(Array(IntakeTests.good.utf8), from: "<>").hasPrefix("250"))
  }

  @Test("AUTH-017: AUTH= is taken where AUTH is offered, its form is checked, and what it says goes no further")
  func authParameter() async throws {
    let stage = try IntakeStage(.submissions)
    await stage.enter()
    let octets = Array(IntakeTests.good.utf8)
    #expect(await stage.submit(octets, mail: " AUTH=eve+2B1@far.example").hasPrefix("250 "))
    let queued = try #require(try await stage.queued().first)
    #expect(!queued.text.contains("eve"))
    #expect(queued.message.message.reversePath.description == "<alice@example.com>")
    #expect(await stage.submit(octets, mail: " AUTH=eve+zz@far.example").hasPrefix("501 "))

    let relay = try IntakeStage(.relay)
    await relay.enter()
    #expect(await relay.submit(octets, mail: " AUTH=<>").hasPrefix("555 "))
  }

  @Test("SMTP-042: the null reverse path stays what it is behind an alias that leads elsewhere")
  func nullReversePath() async throws {
    let stage = try IntakeStage(.relay)
    await stage.enter()
    #expect(await stage.submit(Array(IntakeTests.good.utf8), from: "<>", to: ["<team@example.com>"]).hasPrefix("250"))
    let queued = try #require(try await stage.queued().first?.message)
    #expect(queued.message.reversePath == .null)
    #expect(queued.recipients.map(\.recipient.route.rawValue) == ["domain/example.com", "outbound"])
  }
}
