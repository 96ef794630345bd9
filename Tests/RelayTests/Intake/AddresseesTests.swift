import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPGrammar
import SMTPSessions
import Simulation
import Testing

@Suite("Addressees")
struct AddresseesTests {
  private static let head = "From: x@there.example\r\nSubject: hello\r\n"
  private static let rfc822 = "rfc822"

  /// Sends one message on port 25, each RCPT with its parameters; the answer to the end of its data.
  private func send(
    _ stage: IntakeStage, to recipients: [String], mail: String = "", from: String = "<x@there.example>",
    header: String = "", head: String = head
  ) async -> String {
    guard await stage.say("MAIL FROM:\(from)\(mail)\r\n").hasPrefix("250") else { return "MAIL refused" }
    for recipient in recipients {
      guard await stage.say("RCPT TO:\(recipient)\r\n").hasPrefix("250") else { return "RCPT refused" }
    }
    guard await stage.say("DATA\r\n").hasPrefix("354") else { return "DATA refused" }
    return await stage.say("\(header)\(head)\r\nText.\r\n.\r\n")
  }

  private func enter(_ role: ListenerRole = .relay) async throws -> IntakeStage {
    let stage = try IntakeStage(role)
    await stage.enter()
    return stage
  }

  // DSN-004: NOTIFY's occasions are a set here, and xtext is undone; spelled anew they mean the same.
  @Test("what the sender asked of reports reaches the queue as it was meant (RFC 3461 §4)")
  func kept() async throws {
    let stage = try await enter()
    let said = await send(
      stage, to: ["<Bob@example.com> NOTIFY=DELAY,SUCCESS ORCPT=rfc822;Bob+2B1@Example.COM"],
      mail: " RET=FULL ENVID=QQ+2B314159")
    #expect(said.hasPrefix("250 "))
    let message = try #require(try await stage.queued().first?.message.message)
    #expect(message.envelopeID == "QQ+314159")
    #expect(message.reportContent == .full)
    #expect(
      message.recipients == [
        NewRecipient(
          address: try Mailbox("bob@example.com"), route: RouteKey(rawValue: "domain/example.com"),
          notify: [.delay, .success],
          originalRecipient: OriginalRecipient(addressType: Self.rfc822, address: "Bob+1@Example.COM"))
      ])
  }

  @Test("an alias with one target passes on what was asked, and names itself where ORCPT doesn't (RFC 3461 §5.2.7.2)")
  func singleTarget() async throws {
    let stage = try await enter()
    #expect(
      await send(
        stage, to: ["<away@example.com> NOTIFY=SUCCESS,FAILURE", "<Info@example.com> ORCPT=rfc822;i@other.example"]
      ).hasPrefix("250 "))
    let recipients = try #require(try await stage.queued().first?.message.message.recipients)
    #expect(recipients.map(\.address.description) == ["dave@elsewhere.example", "bob@example.com"])
    #expect(recipients.map(\.notify) == [[.success, .failure], nil])
    #expect(recipients.map(\.originalRecipient?.address) == ["away@example.com", "i@other.example"])
    // Only what leaves our domains can come back to them.
    #expect(recipients.map(\.forwardedFrom) == [try Mailbox("away@example.com"), nil])
    #expect(try await stage.queued().count == 1, "nothing is reported yet")
  }

  @Test(
    "a message that was taken is 250 even where its report can't be written, and an alarm says which",
    arguments: [StoreFault.spaceLow, .unavailable(reason: "no descriptor"), .stopped(reason: "sync")])
  func lostReport(_ fault: StoreFault) async throws {
    let stage = try await enter()
    stage.refusals.set([nil, fault])
    #expect(await send(stage, to: ["<team@example.com> NOTIFY=SUCCESS"]).hasPrefix("250 2.0.0 queued"))
    let queued = try await stage.queued()
    #expect(queued.map(\.message.message.reversePath.description) == ["<x@there.example>"])
    let alarm = try #require(stage.events.events.first { $0.kind == .alarm })
    #expect(alarm["what"] == .text("report-not-written"))
    #expect(alarm["id"] == .text(queued[0].message.id.description))
    guard case .text(let reason)? = alarm["reason"] else {
      Issue.record("the alarm gives no reason")
      return
    }
    #expect(reason.hasPrefix("the report to x@there.example is lost: "))
    #expect(
      try await stage.store.events(of: queued[0].message.id).map(\.event.kind) == [.accepted],
      "what was not written is not said to be reported")
    #expect(stage.memory.octetsInUse == 0)
  }

  @Test("a message that isn't taken leaves no report behind")
  func refusedBeforeReport() async throws {
    let stage = try await enter()
    stage.refusals.set([.spaceLow])
    #expect(await send(stage, to: ["<team@example.com> NOTIFY=SUCCESS"]).hasPrefix("452 4.3.1 "))
    #expect(try await stage.queued().isEmpty)
    #expect(stage.events.events.allSatisfy { $0.kind != .alarm })
  }

  @Test("two spellings of one look are two recipients of a foreign domain, and both get the message")
  func accents() async throws {
    let stage = try await enter(.submissions)
    let both = ["jos\u{e9}@elsewhere.example", "jose\u{301}@elsewhere.example"]
    let said = await send(
      stage, to: both.map { "<\($0)>" }, mail: " SMTPUTF8", from: "<alice@example.com>",
      head: "From: alice@example.com\r\n")
    #expect(said.hasPrefix("250 "))
    let recipients = try #require(try await stage.queued().first?.message.recipients)
    #expect(
      recipients.map { Array($0.recipient.address.localPart.utf8) } == both.map { Array($0.utf8.prefix { $0 != 0x40 }) }
    )
  }

  @Test("an alias that is named again is followed once, and told of once")
  func namedTwice() async throws {
    let stage = try await enter()
    #expect(
      await send(stage, to: ["<team@example.com> NOTIFY=SUCCESS", "<TEAM+x@example.com> NOTIFY=SUCCESS,DELAY"])
        .hasPrefix("250 "))
    let queued = try await stage.queued()
    let message = try #require(queued.first { $0.message.message.reversePath != .null }).message.message
    #expect(message.recipients.map(\.notify) == [.never, .never])
    let report = try #require(queued.first { $0.message.message.reversePath == .null })
    #expect(report.text.matches(of: /Final-Recipient/).count == 1)
  }

  // DSN-008: the report has no sender, asks for no reports, and returns nothing. DSN-015: its RCPT is the sender.
  @Test("an alias with several targets is told as expanded, and no success behind it (RFC 3461 §5.2.7.3)")
  func severalTargets() async throws {
    let stage = try await enter()
    #expect(
      await send(stage, to: ["<Team@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;t@x.example"], mail: " ENVID=e7")
        .hasPrefix("250 "))
    let queued = try await stage.queued()
    #expect(queued.count == 2)
    let message = try #require(queued.first { $0.message.message.reversePath != .null }).message.message
    #expect(message.recipients.map(\.address.description) == ["bob@example.com", "carol@elsewhere.example"])
    #expect(message.recipients.map(\.notify) == [.delay, .delay])
    #expect(message.recipients.map(\.originalRecipient?.address) == ["t@x.example", "t@x.example"])
    let report = try #require(queued.first { $0.message.message.reversePath == .null })
    #expect(report.message.recipients.map(\.recipient.address.description) == ["x@there.example"])
    #expect(report.message.message.reportContent == nil && report.message.message.envelopeID == nil)
    #expect(report.message.recipients.map(\.recipient.notify) == [nil])
    #expect(report.message.recipients.map(\.recipient.originalRecipient) == [nil])
    #expect(report.message.message.isOwnReport && !message.isOwnReport)
    for part in [
      "Action: expanded", "Final-Recipient: rfc822; team@example.com", "Original-Recipient: rfc822; t@x.example",
      "Original-Envelope-ID: e7", "Subject: hello", "Status: 2.0.0",
    ] {
      #expect(report.text.contains(part), "\(part) is missing in \(report.text)")
    }
    #expect(!report.text.contains("carol"), "who stands behind an alias is not the sender's to know")
    #expect(
      try await stage.store.events(of: message.id).map(\.event.kind.rawValue) == [
        "message.accepted", "message.reported",
      ])
  }

  @Test("NEVER and what lacks SUCCESS pass through an expansion without a report", arguments: ["NEVER", "FAILURE"])
  func quietExpansion(_ notify: String) async throws {
    let stage = try await enter()
    #expect(await send(stage, to: ["<team@example.com> NOTIFY=\(notify)"]).hasPrefix("250 "))
    let queued = try await stage.queued()
    #expect(queued.count == 1)
    #expect(
      queued[0].message.message.recipients.map(\.notify)
        == Array(repeating: notify == "NEVER" ? .never : .failure, count: 2))
  }

  @Test("no report answers a null sender, whatever RCPT asks (DSN-008)")
  func nullSender() async throws {
    let stage = try await enter()
    #expect(await send(stage, to: ["<team@example.com> NOTIFY=SUCCESS"], from: "<>").hasPrefix("250 "))
    #expect(try await stage.queued().count == 1)
  }

  @Test("who is named and stands behind an alias too gets one copy, as he was named", arguments: [true, false])
  func namedToo(_ aliasFirst: Bool) async throws {
    let stage = try await enter()
    let both = ["<team@example.com> NOTIFY=NEVER", "<bob@example.com> NOTIFY=SUCCESS"]
    #expect(await send(stage, to: aliasFirst ? both : both.reversed()).hasPrefix("250 "))
    let recipients = try #require(try await stage.queued().first?.message.message.recipients)
    #expect(Set(recipients.map(\.address.description)) == ["bob@example.com", "carol@elsewhere.example"])
    #expect(recipients.count == 2)
    #expect(recipients.first { $0.address.localPart == "bob" }?.notify == .success)
  }

  @Test("valid wishes change no answer but the reports: twin sessions (DSN-002)")
  func twins() async throws {
    for role in [ListenerRole.relay, .submissions] {
      let from = role == .relay ? "<x@there.example>" : "<alice@example.com>"
      let plain = try await enter(role)
      let asking = try await enter(role)
      let rows = [
        ("MAIL FROM:\(from)", " RET=HDRS ENVID=1"), ("RCPT TO:<nobody@example.com>", " NOTIFY=SUCCESS"),
        ("RCPT TO:<bob@example.com>", " NOTIFY=NEVER ORCPT=rfc822;nobody@nowhere.example"),
        ("RCPT TO:<x@foreign.example>", " NOTIFY=DELAY"), ("RCPT TO:<team@example.com>", " NOTIFY=SUCCESS,FAILURE"),
        ("DATA", ""), ("From: alice@example.com\r\n\r\nx\r\n.", ""),
      ]
      for (line, wish) in rows {
        let (left, right) = (await plain.say("\(line)\r\n"), await asking.say("\(line)\(wish)\r\n"))
        #expect(left.prefix(9) == right.prefix(9), "\(line)")
        #expect(!left.isEmpty)
      }
    }
  }

  // MARK: Loops

  @Test("a message that an alias has sent on before and that comes back to it alone is refused as a loop")
  func loop() async throws {
    for mark in ["away@example.com", "AWAY@Example.COM", " \r\n away@example.com "] {
      let stage = try await enter()
      let said = await send(stage, to: ["<Away+tag@example.com>"], header: "Delivered-To: \(mark)\r\n")
      #expect(said.hasPrefix("554 5.4.6 mail loop"))
      #expect(try await stage.queued().isEmpty)
      #expect(stage.memory.octetsInUse == 0)
    }
  }

  @Test("a mark of another address, or of a recipient of ours, is no loop")
  func noLoop() async throws {
    for (mark, recipient) in [
      ("bob@example.com", "<bob@example.com>"), ("info@example.com", "<info@example.com>"),
      ("team@example.com", "<away@example.com>"), ("away@elsewhere.example", "<away@example.com>"),
      ("not an address", "<away@example.com>"),
    ] {
      let stage = try await enter()
      #expect(await send(stage, to: [recipient], header: "Delivered-To: \(mark)\r\n").hasPrefix("250 "))
      #expect(try await stage.queued().count == 1)
    }
  }

  @Test("DSN-017: on 25 one loop refuses the whole message, for the sender that a report would go to may be forged")
  func forgedLoop() async throws {
    let stage = try await enter()
    let said = await send(
      stage, to: ["<away@example.com>", "<bob@example.com>"], from: "<victim@there.example>",
      header: "Delivered-To: away@example.com\r\n")
    #expect(said.hasPrefix("554 5.4.6 mail loop"))
    #expect(try await stage.queued().isEmpty)
    #expect(stage.memory.octetsInUse == 0)
  }

  @Test("where only some of a user's recipients are a loop, those fail into a report and the others get the message")
  func loopBeside() async throws {
    let stage = try await enter(.submissions)
    let said = await send(
      stage, to: ["<away@example.com>", "<bob@example.com>"], from: "<x@alice.example>",
      header: "Delivered-To: away@example.com\r\n", head: "From: x@alice.example\r\n")
    #expect(said.hasPrefix("250 "))
    let queued = try await stage.queued()
    let message = try #require(queued.first { $0.message.message.reversePath != .null })
    #expect(message.message.recipients.map(\.recipient.address.description) == ["bob@example.com"])
    let report = try #require(queued.first { $0.message.message.reversePath == .null })
    for part in ["Action: failed", "Final-Recipient: rfc822; away@example.com", "Status: 5.4.6", "a mail loop"] {
      #expect(report.text.contains(part), "\(part) is missing in \(report.text)")
    }
    #expect(
      try await stage.store.events(of: message.message.id).map(\.event.kind.rawValue) == [
        "message.accepted", "recipient.failed", "message.reported",
      ])
  }
}
