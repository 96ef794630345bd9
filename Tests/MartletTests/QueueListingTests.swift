import ArgumentParser
import ControlPlane
import MailQueue
import MailSyntax
import Relay
import Testing

@testable import martlet

@Suite("queue list")
struct QueueListingTests {
  private func listing(_ messages: [QueuedMessage], limit: Int = 100) async throws -> QueueListing {
    try await QueueListing.fetch([QueueFilter()], after: nil, limit: limit) { request throws(ControlFault) in
      guard case .list(_, let after, let limit) = request else { throw ControlFault(.badRequest, "no list") }
      let page = messages.filter { message in after.map { message.id > $0 } ?? true }.prefix(limit)
      let counts = QueueCounts(messages: messages.count, recipientsQueued: 3, recipientsHeld: 1)
      return page.flatMap(Sample.answers)
        + [.standing(QueueStanding(counts, store: .accepting, deliveriesInFlight: 0))]
    }
  }

  @Test("a list that conditions left empty says so, and whoever names messages is told which aren't there")
  func nothingMeant() async throws {
    let nothing = try await listing([])
    #expect(
      nothing.lines(at: Sample.now, isNarrowed: true) == [
        "No message in the queue is meant by these conditions.",
        "0 messages in the queue: 3 recipients queued, 1 held.",
      ])
    let absent = "1m82b4pchd8n9hz2"
    func missing(_ arguments: [String]) throws -> [String] {
      try QueueSelection.parse(arguments).missing(from: nothing).map(\.description)
    }
    #expect(try missing([absent]) == [absent])
    #expect(try missing(["--id", absent]) == [absent])
    #expect(try missing([absent, "--state", "held"]).isEmpty)
    #expect(QueueSelection.notQueued([try #require(QueueID(absent))]).text.contains("no message \(absent);"))
  }

  @Test("is a table of 80 columns")
  func table() async throws {
    let long = String(repeating: "a-very-long-local-part", count: 2)
    let messages = [
      try Sample.message(
        1, age: .seconds(3 * 86_400), from: "app@example.org",
        to: [
          ("done@there.example", .delivered, .zero, "250 2.0.0 Ok"),
          (
            "anna@there.example", .queued, .seconds(190),
            "451 4.7.1 Greylisted, please try again later, and thank you for your patience"
          ),
          ("bea@there.example", .queued, .seconds(600), nil),
        ], size: 52_428_800, account: "app@example.org"),
      try Sample.message(
        2, age: .seconds(250), from: nil, to: [("carl@there.example", .held, .zero, nil)], size: 812),
      try Sample.message(
        3, age: .seconds(5), from: "\(long)@mail.example.org", to: [("\(long)@mail.there.example", .queued, .zero, nil)]
      ),
      try Sample.message(
        4, age: .seconds(1), from: "x@example.org",
        to: [("a@there.example", .queued, .seconds(60), nil), ("b@there.example", .held, .zero, nil)]),
    ]
    let lines = try await listing(messages).lines(at: Sample.now)
    expectFits(lines)
    #expect(
      lines == [
        "ID                 AGE      SIZE  STATE     NEXT  SENDER",
        "\(messages[0].id)    3d  52428800  queued   in 3m  app@example.org",
        "  to anna@there.example and 1 more",
        "  451 4.7.1 Greylisted, please try again later, and thank you for your patience",
        "\(messages[1].id)    4m       812  held            <>",
        "  to carl@there.example",
        "\(messages[2].id)    5s      4096  queued     now  a-very-long-local-parta-very-…",
        "  to a-very-long-local-parta-very-long-local-part@mail.there.example",
        "\(messages[3].id)    1s      4096  mixed    in 1m  x@example.org",
        "  to a@there.example and 1 more",
        "4 messages in the queue: 3 recipients queued, 1 held.",
      ])
  }

  @Test("of an empty queue is one line")
  func empty() async throws {
    #expect(
      try await listing([]).lines(at: Sample.now) == ["0 messages in the queue: 3 recipients queued, 1 held."])
  }

  @Test(
    "goes through the pages up to its limit, and says where to go on", arguments: [1, 199, 200, 201, 449, 450, 451])
  func limit(_ limit: Int) async throws {
    let messages = try (0..<450).map {
      try Sample.message($0, age: .zero, from: "a@example.org", to: [("b@there.example", .queued, .zero, nil)])
    }
    let listing = try await listing(messages, limit: limit)
    #expect(listing.entries.map(\.message.id) == messages.prefix(limit).map(\.id.description))
    #expect(listing.hasMore == (limit < 450))
    let pointer = listing.lines(at: Sample.now).first { $0.contains("--after") }
    #expect(pointer == (limit < 450 ? "There are more: --after \(messages[limit - 1].id)" : nil))
  }

  @Test("as JSON is one object a message, recipients among its members")
  func json() async throws {
    let message = try Sample.message(
      2, age: .zero, from: nil, to: [("carl@there.example", .held, .zero, "4\u{1b}5")], size: 812)
    let text = try QueueText.json(try #require(try await listing([message]).entries.first))
    #expect(
      text == #"{"body":"7BIT","expires_at":"2026-11-27T11:45:00.000Z","id":"\#(message.id)","priority":"normal","#
        + #""received_at":"2026-11-22T11:45:00.000Z","recipient_count":1,"recipients":[{"address":"carl@there.example","#
        + #""attempts":0,"delay_reported":false,"last_result":"4\u001b5","number":0,"route":"outbound","state":"held"}],"#
        + #""sender":"<>","size":812,"smtputf8":false,"unfinished_count":1}"#)
  }

  @Test("says why no new mail comes in")
  func stopped() {
    let counts = QueueCounts(messages: 1, recipientsQueued: 1, recipientsHeld: 0)
    let lines = QueueStanding(counts, store: .stopped(reason: "write: No space left"), deliveriesInFlight: 0).lines
    #expect(
      lines == [
        "1 message in the queue: 1 recipient queued, 0 held.",
        "No new mail is accepted: the store is stopped: write: No space left.",
      ])
  }

  @Test("marks what is being delivered, whole where no terminal reads it, and of how many it shows")
  func underWay() async throws {
    let reason = "451 4.7.1 " + String(repeating: "a reason that goes on, ", count: 8) + "and ends here"
    let message = try Sample.message(
      1, age: .seconds(90), from: "a@example.org", to: [("b@there.example", .queued, .zero, reason)])
    var listing = try await listing([message])
    let underWay = DeliveryUnderWay(id: message.id, route: Sample.outbound, recipients: [0], since: Sample.now)
    listing.entries[0].recipients = [RecipientFacts(message.recipients[0], underWay: [underWay])]
    let whole = listing.lines(at: Sample.now, columns: nil, isNarrowed: true)
    #expect(whole[1] == "\(message.id)    1m      4096  queued  on way  a@example.org")
    #expect(whole[3] == "  \(reason)")
    #expect(
      whole.suffix(2) == [
        "1 message shown. Of the whole queue:", "1 message in the queue: 3 recipients queued, 1 held.",
      ])
    expectFits(listing.lines(at: Sample.now))
    let story = QueueStory(
      id: message.id, [.message(MessageFacts(message)), .recipient(listing.entries[0].recipients[0])])
    #expect(
      story.lines(at: Sample.now + .seconds(65)).joined(separator: " ").replacing("  ", with: "")
        .contains("being delivered since 2026-11-22T11:45:00.000Z"))
  }

  @Test("queue status of a server that ends says so, and that it listens no more")
  func stopping() {
    let status = ServerStatus(
      version: "0.1.0", hostName: "mx.example.com", processID: 7, startedAt: Timestamp(Sample.now),
      stoppingSince: Timestamp(Sample.now + .seconds(7190)), listeners: [],
      queue: QueueStanding(
        QueueCounts(messages: 2, recipientsQueued: 2, recipientsHeld: 0), store: .accepting, deliveriesInFlight: 1))
    #expect(
      status.lines(at: Sample.now + .seconds(7200))[2] == "  stopping   since 2026-11-22T13:44:50.000Z, for 10s")
  }

  @Test("queue status names the server and its listeners")
  func status() {
    let counts = QueueCounts(messages: 2, recipientsQueued: 2, recipientsHeld: 0)
    let status = ServerStatus(
      version: "0.1.0", hostName: "mx.example.com", processID: 7, startedAt: Timestamp(Sample.now),
      listeners: [.init(role: "submissions", address: "[::1]:465")],
      queue: QueueStanding(counts, store: .accepting, deliveriesInFlight: 1))
    #expect(
      status.lines(at: Sample.now + .seconds(7200)) == [
        "Martlet 0.1.0 on mx.example.com, process 7",
        "  running    since 2026-11-22T11:45:00.000Z, for 2h",
        "  listening  [::1]:465, submissions",
        "  delivering 1 message at this moment",
        "  2 messages in the queue: 2 recipients queued, 0 held.",
      ])
  }
}
