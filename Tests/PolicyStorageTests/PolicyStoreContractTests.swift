import MailQueue
import MailSyntax
import QueueModel
import Relay
import Testing
import TransportSecurity

/// What every `PolicyStore` promises: run against the model and against SQLite.
@Suite("a policy store")
struct PolicyStoreContractTests {
  @Test("gives back policies as they were put, one for a domain, by their names", arguments: StoreKind.allCases)
  func policies(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      let first = try policy("b.example")
      try await store.put(first)
      try await store.put(try policy("a.example", .testing, maxAge: .zero))
      try await store.put(try policy("c.example", .none))
      var newer = try policy(
        "B.Example", .enforce, maxAge: STSPolicy.maximumAge, fetched: StillClock.start + .seconds(9))
      newer.known.recordID = "2"
      try await store.put(newer)
      #expect(
        try await store.policies() == [
          try policy("a.example", .testing, maxAge: .zero), newer, try policy("c.example", .none),
        ])
      try await store.removePolicy(of: try DomainName("B.EXAMPLE"))
      try await store.removePolicy(of: try DomainName("never.example"))
      #expect(try await store.policies().map(\.domain.folded) == ["a.example", "c.example"])
    }
  }

  @Test(
    "STS-018, STS-019: has every policy, override and steady record that it answered for behind a crash",
    arguments: StoreKind.allCases)
  func restart(_ kind: StoreKind) async throws {
    try await kind.withRestart { store, _ in
      try await store.put(try policy("a.example"))
      _ = try await store.add(try override("a.example"))
      try await store.put([try steady("a.example"), try steady("a.example", "mx.example.net", "2001:db8::1")])
      try await store.record(
        PolicyAuditRecord(
          .policyForgotten, at: StillClock.start, domain: try DomainName("z.example"), author: "bert", reason: "gone"))
    } then: { store, _ in
      let known = try policy("a.example")
      let added = NumberedOverride(number: 1, override: try override("a.example"))
      #expect(try await store.policies() == [known])
      #expect(try await store.overrides() == [added])
      #expect(try await Set(store.steadyRecords().map(\.key.address.description)) == ["192.0.2.1", "2001:db8::1"])
      #expect(try await store.auditRecords(limit: 9).map(\.deed) == [.overrideAdded, .policyForgotten])
    }
  }

  @Test("numbers overrides and never gives a number twice", arguments: StoreKind.allCases)
  func numbers(_ kind: StoreKind) async throws {
    try await kind.withStore { store, clock in
      #expect(try await store.add(try override("a.example")).number == 1)
      let second = try await store.add(try override("b.example", .opportunistic, below: true))
      let expected = try override("b.example", .opportunistic, below: true)
      #expect(second == NumberedOverride(number: 2, override: expected))
      try await store.end(2, at: clock.now, author: "bert", reason: "mended")
      #expect(try await store.add(try override("b.example")).number == 3)
      #expect(try await store.overrides().map(\.number) == [1, 3])
      await #expect(throws: StoreFault.notFound) {
        try await store.end(2, at: clock.now, author: "bert", reason: "again")
      }
      await #expect(throws: StoreFault.notFound) {
        try await store.end(99, at: clock.now, author: "bert", reason: "what")
      }
    }
  }

  @Test(
    "ends an override of the same domain and reach with another, and both are on record", arguments: StoreKind.allCases)
  func replacement(_ kind: StoreKind) async throws {
    try await kind.withRestart { store, clock in
      _ = try await store.add(try override("a.example"))
      _ = try await store.add(try override("a.example", below: true))
      _ = try await store.add(try override("b.example", for: .seconds(10)))
      clock.advance(.seconds(60))
      _ = try await store.add(
        try override("A.example", .opportunistic, from: clock.now), weakerThan: "dane (outbound.tls.floor)")
      _ = try await store.add(try override("b.example", from: clock.now))
    } then: { store, _ in
      #expect(try await store.overrides().map(\.number) == [2, 4, 5])
      let records = try await store.auditRecords(limit: 9)
      #expect(records.map { $0.override?.number } == [1, 2, 3, 4, 1, 5, 3])
      #expect(
        records.map(\.deed)[3...] == [.overrideAdded, .overrideEnded, .overrideAdded, .overrideExpired])
      #expect(records[4].reason == NumberedOverride.replacement(by: 4))
      #expect(records[6].at == StillClock.start + .seconds(10) && records[6].reason == NumberedOverride.expiry)
      #expect(records.map(\.weakerThan) == [nil, nil, nil, "dane (outbound.tls.floor)", nil, nil, nil])
    }
  }

  @Test("writes who added and who ended an override, why and when, and its own end", arguments: StoreKind.allCases)
  func audit(_ kind: StoreKind) async throws {
    try await kind.withStore { store, clock in
      let first = try await store.add(try override("a.example", .verified))
      clock.advance(.seconds(60))
      let second = try await store.add(try override("b.example", .opportunistic))
      clock.advance(.seconds(60))
      try await store.end(first.number, at: clock.now, author: "bert", reason: "mended")
      try await store.end(
        second.number, at: second.override.until, author: "anna", reason: NumberedOverride.expiry)
      let records = try await store.auditRecords(limit: 10)
      #expect(records.map(\.deed) == [.overrideAdded, .overrideAdded, .overrideEnded, .overrideExpired])
      #expect(records.map(\.author) == ["anna", "anna", "bert", "anna"])
      #expect(records.map(\.reason)[2...] == ["mended", NumberedOverride.expiry])
      #expect(
        records.map(\.at) == [
          StillClock.start, StillClock.start + .seconds(60), clock.now, second.override.until,
        ])
      #expect(records.map { $0.override?.floor } == [.verified, .opportunistic, .verified, .opportunistic])
      #expect(records.map { $0.override?.until }[1] == second.override.until)
      #expect(try await store.auditRecords(limit: 1).map(\.deed) == [.overrideExpired])
    }
  }

  @Test("has an override until it is ended, whatever the clock says of its time", arguments: StoreKind.allCases)
  func lapsed(_ kind: StoreKind) async throws {
    try await kind.withRestart { store, clock in
      _ = try await store.add(try override("a.example", for: .seconds(10)))
      clock.advance(.seconds(50))
      #expect(try await store.overrides().count == 1)
    } then: { store, _ in
      let (known, audit) = (try await store.overrides(), try await store.auditRecords(limit: 9))
      #expect(known.map(\.number) == [1] && audit.map(\.deed) == [.overrideAdded])
    }
  }

  @Test("lets the longest unused go for room, and no enforce policy while a weaker can", arguments: StoreKind.allCases)
  func room(_ kind: StoreKind) async throws {
    var bounds = PolicyStoreBounds()
    bounds.policies = 3
    try await kind.withStore(bounds) { store, clock in
      func at(_ seconds: Int64) -> UTCInstant { StillClock.start + .seconds(seconds) }
      func names() async throws -> [String] { try await store.policies().map(\.domain.folded) }
      try await store.put(try policy("e1.example", used: at(1)))
      try await store.put(try policy("t2.example", .testing, used: at(2)))
      try await store.put(try policy("t3.example", .testing, used: at(3)))
      try await store.put(try policy("e4.example", used: at(4)))
      #expect(try await names() == ["e1.example", "e4.example", "t3.example"])
      // Weaker than all that are there, the newcomer itself finds no place.
      try await store.put(try policy("e5.example", used: at(5)))
      try await store.put(try policy("t6.example", .none, used: at(6)))
      #expect(try await names() == ["e1.example", "e4.example", "e5.example"])
      try await store.put(try policy("e7.example", used: at(7)))
      #expect(try await names() == ["e4.example", "e5.example", "e7.example"])
      // Expired, an enforce policy asks for nothing.
      try await store.put(try policy("e5.example", maxAge: .seconds(5), used: at(8)))
      clock.advance(.seconds(6))
      try await store.put(try policy("e9.example", used: at(9)))
      #expect(try await names() == ["e4.example", "e7.example", "e9.example"])
    }
  }

  @Test("keeps steady records by their keys, and forgets those of a domain", arguments: StoreKind.allCases)
  func steadyRecords(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      try await store.put([
        try steady("b.example", "mx.b.example"), try steady("a.example"), try steady("b.example", "MX2.b.example"),
      ])
      try await store.put([try steady("a.example", successes: 6)])
      #expect(
        try await store.steadyRecords() == [
          try steady("a.example", successes: 6), try steady("b.example", "mx.b.example"),
          try steady("b.example", "mx2.b.example"),
        ])
      try await store.put([])
      try await store.removeSteadyRecords(of: try DomainName("b.example"))
      #expect(try await store.steadyRecords() == [try steady("a.example", successes: 6)])
    }
  }

  @Test("lets whole domains go for room, those unseen for longest", arguments: StoreKind.allCases)
  func steadyRoom(_ kind: StoreKind) async throws {
    var bounds = PolicyStoreBounds()
    bounds.steadyRecords = 3
    try await kind.withStore(bounds) { store, _ in
      func at(_ seconds: Int64) -> UTCInstant { StillClock.start + .seconds(seconds) }
      try await store.put([
        try steady("a.example", "x.example", at: at(1)), try steady("a.example", "y.example", at: at(9)),
        try steady("b.example", at: at(5)),
      ])
      try await store.put([try steady("c.example", at: at(7))])
      #expect(try await Set(store.steadyRecords().map(\.key.domain.folded)) == ["a.example", "c.example"])
      try await store.put([try steady("d.example", at: at(10)), try steady("e.example", at: at(11))])
      #expect(try await store.steadyRecords().map(\.key.domain.folded) == ["d.example", "e.example"])
    }
  }

  @Test("that was closed answers nothing more", arguments: StoreKind.allCases)
  func closed(_ kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      if let model = store as? ModelPolicyStore { await model.close() }
      if let sqlite = store as? any ClosablePolicyStore { await sqlite.close() }
      await #expect(throws: StoreFault.stopped(reason: "the store was closed")) { _ = try await store.policies() }
      await #expect(throws: StoreFault.stopped(reason: "the store was closed")) {
        try await store.put(try policy("a.example"))
      }
    }
  }
}
