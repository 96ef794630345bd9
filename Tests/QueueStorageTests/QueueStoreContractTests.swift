import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

/// What every `QueueStore` promises: run against the model and against segments and SQLite.
@Suite("a queue store")
struct QueueStoreContractTests {
  @Test("gives back a message and its body as they were accepted", arguments: StoreKind.allCases)
  func roundTrip(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      let message = try newMessage(
        1, to: ["bob@example.org", "\"b c\"@[192.0.2.1]", "jörg@bücher.example"])
      for (number, size) in [0, 1, 4095, 4096, 4097, 16_384, 16_385, 70_000].enumerated() {
        var sized = try newMessage(number + 10)
        sized.envelopeID = nil
        sized.reportContent = nil
        let bytes = content(number, bytes: size)
        let queued = try await store.accept(sized, bytes)
        #expect(queued.bodySize == ByteCount(size))
        #expect(try await store.message(sized.id) == queued)
        #expect(try await store.readBody(sized.id) == bytes)
      }
      let queued = try await store.accept(message, content(1, bytes: 100))
      #expect(queued.message == message)
      #expect(queued.recipients.map(\.number) == [0, 1, 2])
      #expect(queued.recipients.allSatisfy { $0.state == .queued && $0.attempts == 0 && $0.due == StillClock.start })
      #expect(try await store.message(message.id) == queued)
      let null = try await store.accept(try newMessage(2, account: nil, from: nil), content(2, bytes: 10))
      #expect(try await store.message(null.id) == null)
    }
  }

  @Test("RTLS-003: keeps what the sender asks of the channels, a report's too", arguments: StoreKind.allCases)
  func wishes(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      for (number, wish) in TLSWish.allCases.enumerated() {
        var message = try newMessage(number)
        message.tlsWish = wish
        try await store.accept(message, content(number, bytes: 9))
        var report = try newMessage(number + 10, from: nil)
        report.tlsWish = wish
        try await store.record(
          [], of: message.id, reports: [NewReport(message: report, body: store.body(content(1, bytes: 5)))], events: [])
        #expect(try await store.message(message.id)?.message.tlsWish == wish)
        #expect(try await store.message(report.id)?.message.tlsWish == wish)
        #expect(try await store.list(QueueFilter(), after: nil, limit: 20).last?.message.tlsWish == wish)
      }
    }
  }

  @Test("knows nothing of an id it wasn't given", arguments: StoreKind.allCases)
  func unknown(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await store.accept(try newMessage(1), content(1, bytes: 9))
      #expect(try await store.message(id(9)) == nil)
      #expect(try await store.events(of: id(9)).isEmpty)
      await #expect(throws: StoreFault.notFound) { _ = try await store.openBody(of: id(9)) }
      await #expect(throws: StoreFault.notFound) {
        try await store.record([change(0, .delivered)], of: id(9), reports: [], events: [])
      }
    }
  }

  @Test("refuses an id twice and keeps the first", arguments: StoreKind.allCases)
  func duplicate(_ kind: StoreKind) async throws {
    try await kind.withStore { store, log, _ in
      let first = try await store.accept(try newMessage(1), content(1, bytes: 50))
      await #expect(throws: StoreFault.duplicate(id(1))) {
        try await store.accept(try newMessage(1, to: ["eve@example.org"]), content(2, bytes: 60))
      }
      #expect(try await store.message(id(1)) == first)
      #expect(try await store.readBody(id(1)) == content(1, bytes: 50))
      #expect(try await store.counts() == QueueCounts(messages: 1, recipientsQueued: 1, recipientsHeld: 0))
      #expect(log.events.count == 1)
      #expect(store.condition == .accepting)
    }
  }

  @Test("records acceptance and outcomes as events, in order, and tells the sink", arguments: StoreKind.allCases)
  func events(_ kind: StoreKind) async throws {
    try await kind.withStore { store, log, clock in
      let queued = try await store.accept(try newMessage(1), content(1, bytes: 50))
      clock.advance(.seconds(5))
      let deferred = MailEvent(.deferred, [.init("id", .text(id(1).description)), .init("left", .number(3))])
      try await store.record([change(0, .queued, due: clock.now)], of: id(1), reports: [], events: [deferred])
      let delivered = MailEvent(.delivered, [.init("last", .flag(true)), .init("text", .text("a\"b\r\n\u{1b}ü"))])
      try await store.record([change(0, .delivered)], of: id(1), reports: [], events: [delivered])
      let found = try await store.events(of: id(1))
      #expect(found.map(\.event) == [accepted(queued.message, 50), deferred, delivered])
      #expect(found.map(\.instant) == [StillClock.start, clock.now, clock.now])
      #expect(found.map(\.sequence) == found.map(\.sequence).sorted())
      #expect(log.events == found.map(\.event))
      #expect(try await store.message(id(1)) == nil)
    }
  }

  @Test("keeps a message until its last recipient is finished", arguments: StoreKind.allCases)
  func leaving(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      let message = try newMessage(1, to: ["a@x.example", "b@x.example", "c@x.example"])
      try await store.accept(message, content(1, bytes: 9))
      let attempt = AttemptRecord(
        startedAt: StillClock.start, endedAt: StillClock.start + .seconds(2), host: "mx.example [192.0.2.7]",
        result: "451 4.3.0 later", tls: "none")
      let later = StillClock.start + .seconds(300)
      try await store.record(
        [change(1, .queued, due: later, result: "451 4.3.0 later", attempt: attempt), change(0, .delivered)],
        of: id(1), reports: [], events: [])
      var found = try #require(try await store.message(id(1)))
      #expect(found.recipients.map(\.state) == [.delivered, .queued, .queued])
      #expect(found.recipients[1].due == later && found.recipients[1].attempts == 1)
      #expect(found.recipients[1].lastResult == "451 4.3.0 later")
      #expect(try await store.attempts(of: id(1)) == [RecipientAttempt(number: 1, attempt: attempt)])
      #expect(try await store.counts() == QueueCounts(messages: 1, recipientsQueued: 2, recipientsHeld: 0))

      try await store.record([change(1, .failed), change(2, .held, attempts: 0)], of: id(1), reports: [], events: [])
      found = try #require(try await store.message(id(1)))
      #expect(found.recipients.map(\.state) == [.delivered, .failed, .held])
      #expect(try await store.counts() == QueueCounts(messages: 1, recipientsQueued: 0, recipientsHeld: 1))

      try await store.record([change(2, .removed, attempts: 0)], of: id(1), reports: [], events: [])
      #expect(try await store.message(id(1)) == nil)
      #expect(try await store.attempts(of: id(1)).isEmpty)
      #expect(try await store.counts() == QueueCounts(messages: 0, recipientsQueued: 0, recipientsHeld: 0))
      await #expect(throws: StoreFault.notFound) { _ = try await store.openBody(of: id(1)) }
    }
  }

  @Test("never brings a finished recipient back, and a hold outlives an attempt", arguments: StoreKind.allCases)
  func finality(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await store.accept(try newMessage(1, to: ["a@x.example", "b@x.example"]), content(1, bytes: 9))
      try await store.record([change(0, .removed, attempts: 0)], of: id(1), reports: [], events: [])
      try await store.record([change(1, .held, attempts: 0)], of: id(1), reports: [], events: [])
      try await store.record([change(0, .queued), change(1, .queued)], of: id(1), reports: [], events: [])
      #expect(try await store.message(id(1))?.recipients.map(\.state) == [.removed, .held])
      try await store.record([change(1, .queued, attempts: 0)], of: id(1), reports: [], events: [])
      #expect(try await store.message(id(1))?.recipients.map(\.state) == [.removed, .queued])
    }
  }

  @Test("changes nothing when one recipient number of a record is wrong", arguments: StoreKind.allCases)
  func wrongNumber(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      let queued = try await store.accept(try newMessage(1), content(1, bytes: 9))
      let report = try NewReport(message: newMessage(2), body: await store.body(content(2, bytes: 30)))
      await #expect(throws: StoreFault.notFound) {
        try await store.record(
          [change(0, .delivered), change(7, .delivered)], of: id(1), reports: [report],
          events: [MailEvent(.delivered, [])])
      }
      #expect(try await store.message(id(1)) == queued)
      #expect(try await store.message(id(2)) == nil)
      #expect(try await store.events(of: id(1)).count == 1)
    }
  }

  @Test("takes a report in with the outcome it tells of, or neither", arguments: StoreKind.allCases)
  func reports(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await store.accept(try newMessage(1), content(1, bytes: 9))
      try await store.accept(try newMessage(3), content(3, bytes: 9))
      for size in [100, 20_000] {
        let taken = try NewReport(message: newMessage(3), body: await store.body(content(5, bytes: size)))
        await #expect(throws: StoreFault.duplicate(id(3))) {
          try await store.record([change(0, .failed)], of: id(1), reports: [taken], events: [])
        }
      }
      #expect(try await store.message(id(1))?.recipients[0].state == .queued)
      let report = try NewReport(
        message: newMessage(2, account: nil, from: nil), body: await store.body(content(2, bytes: 30)))
      try await store.record([change(0, .failed)], of: id(1), reports: [report], events: [MailEvent(.reported, [])])
      #expect(try await store.message(id(1)) == nil)
      #expect(try await store.message(id(2))?.message.reversePath == .null)
      #expect(try await store.readBody(id(2)) == content(2, bytes: 30))
      #expect(try await store.readBody(id(3)) == content(3, bytes: 9))
      #expect(try await store.counts() == QueueCounts(messages: 2, recipientsQueued: 2, recipientsHeld: 0))
    }
  }

  @Test("serves a lane by priority, then by due time, each message once", arguments: StoreKind.allCases)
  func due(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, clock in
      let bulk = try newMessage(1, to: ["a@x.example", "b@x.example"], priority: .bulk)
      try await store.accept(bulk, content(1, bytes: 1))
      try await store.accept(try newMessage(2), content(1, bytes: 1))
      try await store.accept(try newMessage(3), content(1, bytes: 1))
      try await store.accept(try newMessage(4, priority: .interactive), content(1, bytes: 1))
      try await store.accept(try newMessage(5, account: "zoe"), content(1, bytes: 1))
      try await store.accept(try newMessage(6, route: "domain/example.com", account: nil), content(1, bytes: 1))
      let soon = clock.now + .seconds(60)
      try await store.record([change(0, .queued, due: soon)], of: id(2), reports: [], events: [])
      try await store.record([change(0, .queued, due: soon)], of: id(4), reports: [], events: [])

      let alice = Lane(route: RouteKey(rawValue: "outbound"), account: "alice")
      let zoe = Lane(route: RouteKey(rawValue: "outbound"), account: "zoe")
      let home = Lane(route: RouteKey(rawValue: "domain/example.com"), account: "")
      #expect(
        try await store.lanes() == [home, alice, zoe].map { LaneSummary(lane: $0, earliestDue: StillClock.start) })
      #expect(try await store.due(in: alice, at: clock.now, limit: 10) == DueMail(ids: [id(3), id(1)], nextDue: soon))
      #expect(try await store.due(in: alice, at: soon, limit: 10).ids == [id(4), id(3), id(2), id(1)])
      #expect(try await store.due(in: alice, at: soon, limit: 2) == DueMail(ids: [id(4), id(3)], nextDue: nil))
      #expect(try await store.due(in: alice, at: soon, limit: 0).ids == [])
      #expect(try await store.due(in: home, at: clock.now, limit: 5) == DueMail(ids: [id(6)], nextDue: nil))
      for number in [1, 3] { try await store.finish(id(number), recipients: number == 1 ? 2 : 1) }
      try await store.record([change(0, .held)], of: id(5), reports: [], events: [])
      #expect(
        try await store.lanes() == [
          LaneSummary(lane: home, earliestDue: StillClock.start), LaneSummary(lane: alice, earliestDue: soon),
        ])
    }
  }

  @Test("lists what a filter selects, oldest first, page by page", arguments: StoreKind.allCases)
  func list(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await store.accept(try newMessage(3, to: ["Bob@Example.org"]), content(1, bytes: 1))
      try await store.accept(try newMessage(1, to: ["bob@example.org", "ann@other.example"]), content(1, bytes: 1))
      try await store.accept(try newMessage(2, account: nil, from: nil), content(1, bytes: 1))
      let foreign = try newMessage(4, to: ["jörg@bücher.example"], route: "r2", account: "zoe")
      try await store.accept(foreign, content(1, bytes: 1))
      try await store.record([change(1, .held)], of: id(1), reports: [], events: [])

      func found(_ edit: (inout QueueFilter) -> Void) async throws -> [QueueID] {
        var filter = QueueFilter()
        edit(&filter)
        let whole = try await store.list(filter, after: nil, limit: 100)
        #expect(whole.allSatisfy(filter.matches))
        return whole.map(\.id)
      }
      #expect(try await found { _ in } == [id(1), id(2), id(3), id(4)])
      #expect(try await found { $0.id = id(3) } == [id(3)])
      #expect(try await found { $0.sender = "alice@EXAMPLE.com" } == [id(1), id(3), id(4)])
      #expect(try await found { $0.sender = "Alice@example.com" } == [])
      #expect(try await found { $0.sender = "@example.com" } == [id(1), id(3), id(4)])
      #expect(try await found { $0.sender = "<>" } == [id(2)])
      #expect(try await found { $0.sender = "%" } == [])
      #expect(try await found { $0.recipient = "bob@example.org" } == [id(1), id(2)])
      #expect(try await found { $0.recipient = "Bob@example.ORG" } == [id(3)])
      #expect(try await found { $0.recipient = "@example.org" } == [id(1), id(2), id(3)])
      #expect(try await found { $0.recipient = "@xample.org" } == [])
      #expect(try await found { $0.recipient = "jörg@bücher.example" } == [id(4)])
      #expect(try await found { $0.account = "zoe" } == [id(4)])
      #expect(try await found { $0.route = RouteKey(rawValue: "r2") } == [id(4)])
      #expect(try await found { $0.state = .held } == [id(1)])
      // Every condition about recipients must hold of one and the same recipient.
      #expect(
        try await found {
          $0.state = .held
          $0.recipient = "bob@example.org"
        } == [])
      var page = try await store.list(QueueFilter(), after: nil, limit: 3)
      #expect(page.map(\.id) == [id(1), id(2), id(3)])
      page = try await store.list(QueueFilter(), after: page.last?.id, limit: 3)
      #expect(page.map(\.id) == [id(4)])
    }
  }

  @Test("keeps every one of many messages accepted and finished at once", arguments: StoreKind.allCases)
  func crowd(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<120 {
          group.addTask {
            try await store.accept(try newMessage(number), content(number, bytes: 37 * number))
            if number % 3 == 0 { try await store.finish(id(number)) }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await store.counts() == QueueCounts(messages: 80, recipientsQueued: 80, recipientsHeld: 0))
      for number in 0..<120 where number % 3 != 0 {
        #expect(try await store.readBody(id(number)) == content(number, bytes: 37 * number))
      }
    }
  }

  @Test("ends every call with .stopped once closed", arguments: StoreKind.allCases)
  func closed(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await store.accept(try newMessage(1), content(1, bytes: 9))
      let writer = try await store.body(content(2, bytes: 9))
      await store.close()
      let closed = StoreFault.stopped(reason: "the store was closed")
      #expect(store.condition == .stopped(reason: "the store was closed"))
      await #expect(throws: closed) {
        _ = try await store.commit(try newMessage(2), body: writer, event: accepted(newMessage(2), 9))
      }
      await #expect(throws: closed) { try await store.finish(id(1)) }
      await #expect(throws: closed) { _ = try await store.message(id(1)) }
      await #expect(throws: closed) { _ = try await store.lanes() }
      await #expect(throws: closed) { _ = try await store.openBody(of: id(1)) }
      await #expect(throws: closed) { _ = try await store.counts() }
      #expect(throws: closed) { _ = try store.beginBody() }
    }
  }

  @Test("keeps events alone of a message that has left, and of one that has not", arguments: StoreKind.allCases)
  func eventsAlone(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      try await store.accept(try newMessage(1), content(1, bytes: 9))
      let late = MailEvent(.delivered, [.init("id", .text(id(1).description)), .init("though", .text("removed"))])
      try await store.record([], of: id(1), reports: [], events: [late])
      #expect(try await store.counts().messages == 1)
      try await store.finish(id(1))
      try await store.record([], of: id(1), reports: [], events: [late])
      #expect(try await store.events(of: id(1)).map(\.event).filter { $0 == late }.count == 2)
      #expect(try await store.counts().messages == 0)
    }
  }

  @Test("reclaims a body that was discarded", arguments: StoreKind.allCases)
  func discarded(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _, _ in
      for size in [100, 50_000] {
        let writer = try await store.body(content(1, bytes: size))
        #expect(writer.size == ByteCount(size))
        writer.discard()
        writer.discard()
      }
      #expect(try await store.counts().messages == 0)
    }
  }
}
