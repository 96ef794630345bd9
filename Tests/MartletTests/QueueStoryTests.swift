import ControlPlane
import MailQueue
import MailSyntax
import SMTPGrammar
import Testing

@testable import martlet

@Suite("queue show")
struct QueueStoryTests {
  @Test("RTLS-003: tells what the sender asks of the channels, in text and in JSON")
  func wish() throws {
    for (wish, words) in [
      (TLSWish.required, "  tls wish     required all the way (REQUIRETLS)"),
      (.notRequired, "  tls wish     not required, whatever the recipient's domain publishes"), (.unstated, nil),
    ] {
      let message = try Sample.message(
        1, age: .seconds(1), from: "b@example.org", to: [("a@there.example", .queued, .zero, nil)], wish: wish)
      let lines = QueueStory(id: message.id, Sample.answers(message)).lines(at: Sample.now)
      expectFits(lines)
      #expect(lines.first { $0.contains("tls wish") }?.hasPrefix(words ?? "") == (words == nil ? nil : true))
      #expect(MessageFacts(message).tlsWish == (wish == .unstated ? nil : wish.rawValue))
    }
  }

  @Test("tells the whole story at 80 columns")
  func story() throws {
    let result =
      "451 4.7.1 <anna@there.example>: Recipient address rejected: Greylisted for 300 seconds (see http://postgrey.example)"
    let message = try Sample.message(
      1, age: .seconds(250), from: "app@example.org", to: [("anna@there.example", .queued, .seconds(50), result)],
      account: "app@example.org")
    let id = message.id
    let lines = QueueStory(
      id: id,
      Sample.answers(message) + [
        Sample.event(
          .accepted, after: .seconds(-250),
          [
            ("id", .text(id.description)), ("session", .text("s1")), ("from", .text("<app@example.org>")),
            ("size", .number(4096)),
          ]),
        Sample.event(
          .deferred, after: .seconds(-249),
          [
            ("id", .text(id.description)), ("recipient", .text("anna@there.example")), ("route", .text("outbound")),
            ("host", .text("mx1.there.example (192.0.2.1)")),
            ("tls", .text("TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 verified mx1.there.example")),
            ("attempt", .number(1)), ("result", .text(result)), ("status", .text("4.7.1")),
            ("reason", .text("refused-for-now")), ("due-seconds", .number(1_795_347_950)),
          ]),
        Sample.event(
          .delayReported, after: .seconds(-248),
          [("recipient", .text("anna@there.example")), ("attempt", .number(1)), ("result", .text(result))]),
        Sample.event(
          .held, after: .seconds(-10),
          [("id", .text(id.description)), ("recipient", .text("anna@there.example")), ("by", .text("root"))]),
      ]
    ).lines(at: Sample.now)
    expectFits(lines)
    #expect(
      lines == [
        "Message \(id)",
        "  sender       <app@example.org>",
        "  received     2026-11-22T11:40:50.000Z, 4m ago",
        "  expires      2026-11-27T11:40:50.000Z, in 4d",
        "  size         4096 bytes",
        "  content      7BIT",
        "  priority     normal",
        "  user         app@example.org",
        "",
        "Recipients",
        "  anna@there.example",
        "    state        queued, next attempt 2026-11-22T11:45:50.000Z, in 50s",
        "    route        outbound",
        "    attempts     0",
        "    2026-11-22T11:40:51.000Z  deferred, attempt 1",
        "      host         mx1.there.example (192.0.2.1)",
        "      TLS          TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 verified",
        "                   mx1.there.example",
        "      reply        451 4.7.1 <anna@there.example>: Recipient address rejected:",
        "                   Greylisted for 300 seconds (see http://postgrey.example)",
        "      why          refused-for-now",
        "      next try     2026-11-22T11:45:50.000Z, 4m behind this one",
        "    2026-11-22T11:40:52.000Z  delay-reported",
        "    2026-11-22T11:44:50.000Z  held",
        "      by           root",
        "",
        "History",
        "  2026-11-22T11:40:50.000Z  message.accepted",
        "    from         <app@example.org>",
        "    size         4096",
      ])
  }

  @Test(
    "names the Message-ID and the alias that was written to, and says that nothing went where nothing was safe enough")
  func names() throws {
    let message = try Sample.message(
      1, age: .seconds(250), from: "app@example.org", to: [("anna@there.example", .queued, .seconds(50), nil)])
    func facts(original: String, alias: String? = nil) throws -> RecipientFacts {
      RecipientFacts(
        QueuedRecipient(
          number: 0,
          recipient: NewRecipient(
            address: try Mailbox("anna@there.example"), route: Sample.outbound,
            originalRecipient: OriginalRecipient(addressType: "rfc822", address: original),
            forwardedFrom: try alias.map { try Mailbox($0) }), due: Sample.now))
    }
    #expect(try facts(original: "anna@there.example").originalRecipient == nil)
    #expect(try facts(original: "info@example.org").originalRecipient == "info@example.org")
    let deferred: [(String, MailEvent.Value)] = [
      ("recipient", .text("anna@there.example")), ("tls", .text("none")), ("reason", .text("insecure")),
    ]
    let lines = QueueStory(
      id: message.id,
      [
        .message(MessageFacts(message)),
        .recipient(try facts(original: "info@example.org", alias: "sales@example.org")),
        Sample.event(.accepted, after: .seconds(-250), [("message-id", .text("<1@example.org>"))]),
        Sample.event(.deferred, after: .seconds(-249), deferred),
      ]
    ).lines(at: Sample.now)
    expectFits(lines)
    #expect(lines.contains("  message-id   <1@example.org>"))
    #expect(lines.contains("    named as     sales@example.org"))
    #expect(lines.contains("      TLS          none; no mail went"))
  }

  @Test("tells what a message was found to be, and what it was signed with")
  func authentication() throws {
    let found: [(String, MailEvent.Value)] = [
      ("spf", .text("fail strict.example")), ("helo", .text("none client.example.net")),
      ("dkim", .text("fail strict.example/s1, pass list.example/k")), ("dmarc", .text("fail strict.example reject")),
      ("quarantine", .text("DMARC failed, and strict.example asks for reject, but its field list-id says otherwise")),
      ("forged-results", .number(1)), ("signed", .text("example.org/r1,example.org/e1")),
    ]
    let message = try Sample.message(
      1, age: .seconds(250), from: "app@example.org", to: [("anna@there.example", .queued, .seconds(50), nil)])
    let story = QueueStory(
      id: message.id, Sample.answers(message) + [Sample.event(.accepted, after: .seconds(-250), found)])
    let lines = story.lines(at: Sample.now)
    expectFits(lines)
    #expect(
      lines.drop { $0 != "History" }.dropFirst() == [
        "  2026-11-22T11:40:50.000Z  message.accepted",
        "    dkim         fail strict.example/s1, pass list.example/k",
        "    dmarc        fail strict.example reject",
        "    forged       1",
        "    helo         none client.example.net",
        "    quarantine   DMARC failed, and strict.example asks for reject, but its field",
        "                 list-id says otherwise",
        "    signed       example.org/r1,example.org/e1",
        "    spf          fail strict.example",
      ])
  }

  @Test("of a message that has left the queue is its history, by recipient")
  func left() throws {
    let id = Sample.id(3)
    let lines = QueueStory(
      id: id,
      [
        .eventsOmitted(2),
        Sample.event(
          .delivered, after: .seconds(-9),
          [
            ("recipient", .text("a@there.example")), ("attempt", .number(2)),
            ("tls", .text("none (STARTTLS not offered)")),
            ("result", .text("250 OK")),
          ]),
        Sample.event(.removed, after: .seconds(-8), [("recipient", .text("b@there.example")), ("by", .text("eve"))]),
        Sample.event(.failed, after: .zero, [("recipient", .text("a@there.example")), ("due-seconds", .number(.max))]),
      ]
    ).lines(at: Sample.now)
    #expect(
      lines.dropLast() == [
        "Message \(id)",
        "It has left the queue; this is its history.",
        "  2 older events not shown",
        "",
        "Recipients",
        "  a@there.example",
        "    2026-11-22T11:44:51.000Z  delivered, attempt 2",
        "      TLS          none (STARTTLS not offered)",
        "      reply        250 OK",
        "    2026-11-22T11:45:00.000Z  failed",
        lines[10],
        "  b@there.example",
        "    2026-11-22T11:44:52.000Z  removed",
      ])
    #expect(lines.last == "      by           eve")
    expectFits(lines)
  }

  @Test("keeps to 80 columns whatever a peer wrote")
  func hostile() throws {
    let result = String(repeating: "x", count: 500) + "\u{1b}[31m" + String(repeating: "日", count: 90)
    let address = String(repeating: "a", count: 64) + "@" + String(repeating: "b", count: 60) + ".example"
    let message = try Sample.message(1, age: .zero, from: address, to: [(address, .queued, .zero, result)])
    let lines = QueueStory(
      id: message.id,
      Sample.answers(message)
        + [Sample.event(.failed, after: .zero, [("recipient", .text(address)), ("host", .text(result))])]
    ).lines(at: Sample.now)
    expectFits(lines)
    #expect(!lines.joined().unicodeScalars.contains("\u{1b}"))
  }

  @Test("as JSON is one object, with the message's members only while it is in the queue")
  func json() throws {
    let id = Sample.id(3)
    let gone = QueueStory(id: id, [Sample.event(.removed, after: .zero, [("by", .text("eve"))])])
    #expect(
      try QueueText.json(gone)
        == #"{"events":[{"event":"recipient.removed","fields":{"by":"eve"},"time":"2026-11-22T11:45:00.000Z"}],"#
        + #""events_omitted":0,"id":"\#(id)","in_queue":false,"recipients":[]}"#)
    let message = try Sample.message(3, age: .zero, from: nil, to: [("a@there.example", .held, .zero, nil)])
    let text = try QueueText.json(QueueStory(id: id, Sample.answers(message)))
    #expect(text.contains(#""in_queue":true"#) && text.contains(#""sender":"<>""#) && text.contains(#""state":"held""#))
  }
}
