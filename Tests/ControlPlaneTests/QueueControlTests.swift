import MailQueue
import MailSyntax
import QueueModel
import Testing

@testable import ControlPlane

@Suite("An operator's requests on the queue")
struct QueueControlTests {
  private func ids(_ answers: [ControlAnswer]) -> [String] {
    answers.compactMap { if case .message(let facts) = $0 { facts.id } else { nil } }
  }

  private func addresses(_ answers: [ControlAnswer]) -> [String] {
    answers.compactMap { if case .recipient(let facts) = $0 { facts.address } else { nil } }
  }

  static let filters: [(String, @Sendable (inout QueueFilter) -> Void, [Int])] = [
    ("none", { _ in }, [1, 2, 3]),
    ("id", { $0.id = QueueFixture.id(2) }, [2]),
    ("sender", { $0.sender = "anna@example.com" }, [1, 3]),
    ("sender's domain", { $0.sender = "@example.org" }, [2]),
    ("recipient", { $0.recipient = "z@elsewhere.example" }, [1, 3]),
    ("account", { $0.account = "bob" }, [2]),
    ("route", { $0.route = RouteKey(rawValue: "domain/example.com") }, [3]),
    ("state", { $0.state = .held }, []),
    (
      "all of them",
      {
        $0.sender = "anna@example.com"; $0.route = QueueFixture.outbound
      }, [1]
    ),
  ]

  @Test("a list has what its filter selects, oldest first", arguments: QueueControlTests.filters)
  func filter(_ name: String, _ change: @Sendable (inout QueueFilter) -> Void, _ expected: [Int]) async throws {
    let queue = try QueueFixture()
    try await queue.add(1, to: ["x@there.example", "z@elsewhere.example"])
    try await queue.add(2, from: "bob@example.org", account: "bob")
    try await queue.add(3, to: ["z@elsewhere.example"], route: RouteKey(rawValue: "domain/example.com"))
    var filter = QueueFilter()
    change(&filter)
    // The same through the request's own JSON.
    let request = ControlRequest.queue(.list(filter, after: nil, limit: 50))
    #expect(try ControlRequest(request.record) == request)
    let answers = try await queue.control.answers(to: .list(filter, after: nil, limit: 50), by: "test")
    #expect(ids(answers) == expected.map { QueueFixture.id($0).description })
    guard case .standing(let standing)? = answers.last else {
      Issue.record("a list ends with the standing of the queue")
      return
    }
    #expect(standing.messages == 3 && standing.recipientsQueued == 4 && standing.store == "accepting")
  }

  @Test("mail for a domain is made due on its way to the exchangers: of it alone, or with all below it")
  func retry() async throws {
    let queue = try QueueFixture()
    let domain = try DomainName("there.example")
    func route(_ domain: String) throws -> RouteKey { .exchangers(of: .name(try DomainName(domain))) }
    try await queue.add(1, to: ["a@there.example", "b@there.example"], route: try route("there.example"))
    try await queue.add(2, to: ["c@sub.there.example"], route: try route("sub.there.example"))
    try await queue.add(3, to: ["d@x.sub.there.example"], route: try route("x.sub.there.example"))
    try await queue.add(4, to: ["e@elsethere.example"], route: try route("elsethere.example"))
    try await queue.add(5, to: ["f@there.example"])
    #expect(try await queue.control.retry(mailFor: domain, below: false, by: "anna") == 2)
    #expect(try await queue.control.retry(mailFor: domain, below: true, by: "anna") == 4)
    #expect(try await queue.control.retry(mailFor: try DomainName("none.example"), below: true, by: "anna") == 0)
  }

  @Test("pages follow each other without gap and without overlap")
  func pages() async throws {
    let queue = try QueueFixture()
    for number in 1...7 { try await queue.add(number) }
    var seen: [String] = []
    var after: QueueID?
    while true {
      let page = ids(try await queue.control.answers(to: .list(QueueFilter(), after: after, limit: 3), by: "test"))
      seen += page
      guard let last = page.last else { break }
      after = QueueID(last)
    }
    #expect(seen == (1...7).map { QueueFixture.id($0).description })
  }

  @Test("a limit outside of its bounds is held to them")
  func limit() async throws {
    let queue = try QueueFixture()
    try await queue.add(1)
    try await queue.add(2)
    #expect(
      ids(try await queue.control.answers(to: .list(QueueFilter(), after: nil, limit: -5), by: "test")).count == 1)
    #expect(
      ids(try await queue.control.answers(to: .list(QueueFilter(), after: nil, limit: .max), by: "test")).count == 2)
  }

  @Test("a list shows the recipients that are meant, at most the bound, and says how many there are")
  func recipients() async throws {
    let queue = try QueueFixture()
    let many = (0..<150).map { "r\($0)@there.example" } + ["one@elsewhere.example"]
    try await queue.add(1, to: many)
    let all = try await queue.control.answers(to: .list(QueueFilter(), after: nil, limit: 10), by: "test")
    #expect(addresses(all).count == QueueControl.maximumRecipientsListed)
    guard case .message(let facts)? = all.first else { return }
    #expect(facts.recipientCount == 151)
    var filter = QueueFilter()
    filter.recipient = "@elsewhere.example"
    let some = try await queue.control.answers(to: .list(filter, after: nil, limit: 10), by: "test")
    #expect(addresses(some) == ["one@elsewhere.example"])
    let shown = try await queue.control.answers(to: .show(QueueFixture.id(1)), by: "test")
    #expect(addresses(shown).count == 151)
  }

  @Test("hold, release, retry and delete change what the filter means and say how much")
  func changes() async throws {
    let queue = try QueueFixture()
    let id = try await queue.add(1, to: ["a@there.example", "b@elsewhere.example"])
    let other = try await queue.add(2)
    var filter = QueueFilter()
    filter.recipient = "b@elsewhere.example"
    #expect(try await queue.control.answers(to: .change(.hold, filter), by: "eve") == [.changed(1)])
    #expect(try await queue.states(of: id) == [.queued, .held])
    #expect(try await queue.control.answers(to: .change(.hold, filter), by: "eve") == [.changed(0)])
    #expect(try await queue.control.answers(to: .change(.release, QueueFilter()), by: "eve") == [.changed(1)])
    #expect(try await queue.control.answers(to: .change(.retry, QueueFilter()), by: "eve") == [.changed(3)])
    var one = QueueFilter()
    one.id = id
    #expect(try await queue.control.answers(to: .change(.delete, one), by: "eve") == [.changed(2)])
    #expect(try await queue.store.message(id) == nil)
    #expect(try await queue.states(of: other) == [.queued])
  }

  @Test("a bounce gives up and puts the report for the sender into the queue")
  func bounce() async throws {
    let queue = try QueueFixture()
    let id = try await queue.add(1)
    #expect(try await queue.control.answers(to: .change(.bounce, QueueFilter()), by: "eve") == [.changed(1)])
    #expect(try await queue.store.message(id) == nil)
    let left = try await queue.store.list(QueueFilter(), after: nil, limit: 10)
    #expect(left.map(\.message.reversePath) == [.null])
    #expect(left.first?.recipients.map(\.recipient.address.description) == ["anna@example.com"])
  }

  @Test("a message that has left the queue is told of from its history, one that never was is not found")
  func history() async throws {
    let queue = try QueueFixture()
    let id = try await queue.add(1)
    _ = try await queue.control.answers(to: .change(.delete, QueueFilter()), by: "eve")
    let answers = try await queue.control.answers(to: .show(id), by: "test")
    #expect(ids(answers).isEmpty)
    let kinds = answers.compactMap { if case .event(let facts) = $0 { facts.event.kind } else { nil } }
    #expect(kinds == [.accepted, .removed])
    let fault = await #expect(throws: ControlFault.self) {
      _ = try await queue.control.answers(to: .show(QueueFixture.id(9)), by: "test")
    }
    #expect(fault?.kind == .notFound)
    #expect(fault?.text.contains(QueueFixture.id(9).description) == true)
  }

  @Test("a stopped store is said to be stopped, with its reason")
  func stopped() async throws {
    let queue = try QueueFixture()
    await queue.store.close()
    let fault = await #expect(throws: ControlFault.self) {
      _ = try await queue.control.answers(to: .list(QueueFilter(), after: nil, limit: 1), by: "test")
    }
    #expect(fault?.kind == .stopped)
  }
}
