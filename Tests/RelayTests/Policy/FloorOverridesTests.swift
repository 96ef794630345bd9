import MailQueue
import MailSyntax
import QueueModel
import Testing
import TransportSecurity

@testable import Relay

@Suite("An operator's override")
struct FloorOverridesTests {
  let clock = HandClock()
  let log = PolicyLog()
  let store: ModelPolicyStore
  let overrides: FloorOverrides
  let configured = OperatorFloor(.verified, origin: "outbound.tls.floor")
  let rules = DestinationRules(floor: .verified)

  init() {
    store = ModelPolicyStore(clock: clock)
    overrides = FloorOverrides(store: store, converter: OneUmlaut(), clock: clock, events: log)
  }

  @discardableResult private func add(
    _ domain: String, _ floor: TLSFloor, below: Bool = false, for time: Duration = .hours(1), author: String = "anna"
  ) async throws -> NumberedOverride {
    try await overrides.add(
      FloorOverride(
        domain: try DomainName(domain), includesSubdomains: below, floor: floor, from: clock.now,
        until: clock.now + time, reason: "ticket 7", author: author), rules: rules
    ).added
  }

  private func floor(_ domain: String) throws -> TLSFloor {
    overrides.floor(for: .name(try DomainName(domain)), configured: configured, at: clock.now).floor
  }

  @Test("stands in place of the configured floor, stricter or weaker, and names its author and its end")
  func replaces() async throws {
    try await add("weak.example", .opportunistic, for: .hours(24))
    try await add("strict.example", .dane)
    #expect(try floor("weak.example") == .opportunistic)
    #expect(try floor("strict.example") == .dane)
    #expect(try floor("other.example") == .verified)
    let found = overrides.floor(
      for: .name(try DomainName("Weak.Example")), configured: configured, at: clock.now)
    let end = (clock.now + .hours(24)).shortText
    #expect(found.origin == "override 1 by anna until \(end): ticket 7")
    #expect(
      overrides.floor(for: .literal(AddressLiteral(.v4(1))), configured: configured, at: clock.now) == configured)
  }

  @Test("ends by itself at its time, to the nanosecond, whether or not anybody looks after it")
  func expires() async throws {
    let added = try await add("a.example", .opportunistic, for: .seconds(10))
    clock.advance(.seconds(10) - .nanoseconds(1))
    #expect(try floor("a.example") == .opportunistic)
    #expect(overrides.list(at: clock.now) == [added])
    clock.advance(.nanoseconds(1))
    #expect(try floor("a.example") == .verified)
    #expect(overrides.list(at: clock.now).isEmpty)
  }

  @Test("leaves at its end an event and a record in the audit, once")
  func expiryIsSaid() async throws {
    let added = try await add("a.example", .opportunistic, for: .seconds(10))
    try await add("b.example", .encrypt, for: .hours(9))
    #expect(await overrides.expire() == .seconds(10))
    clock.advance(.seconds(30))
    #expect(await overrides.expire() == FloorOverrides.longestSleep)
    _ = await overrides.expire()
    let ended = log.events(.overrideEnded)
    #expect(ended.map { $0["number"] } == [.number(1)])
    #expect(ended.map { $0["by"] } == [nil])
    let records = try await store.auditRecords(limit: 10)
    #expect(records.map(\.deed) == [.overrideAdded, .overrideAdded, .overrideExpired])
    #expect(records.last?.at == added.override.until)
    #expect(try await store.overrides().map(\.number) == [2])
  }

  @Test("that a clock gone wrong calls over holds again once it is right, and was never written down as ended")
  func wrongClock() async throws {
    try await add("a.example", .dane, for: .hours(9))
    _ = await overrides.expire()
    clock.misset(by: .hours(24 * 365))
    #expect(try floor("a.example") == .verified)
    #expect(await overrides.expire() == FloorOverrides.longestSleep)
    clock.advance(OverrideEnds.confirmation - .seconds(1))
    _ = await overrides.expire()
    clock.misset(by: .zero)
    #expect(try floor("a.example") == .dane)
    // It begins anew: what was confirmed of the wrong clock says nothing of the next jump.
    _ = await overrides.expire()
    clock.misset(by: .hours(24 * 365))
    clock.advance(.seconds(1))
    _ = await overrides.expire()
    #expect(log.events(.overrideEnded).isEmpty)
    #expect(try await store.overrides().count == 1)
    clock.advance(OverrideEnds.confirmation)
    _ = await overrides.expire()
    #expect(log.events(.overrideEnded).count == 1)
    #expect(try await store.overrides().isEmpty)
  }

  @Test("whose end came while the server was down is put into the audit after an hour, and holds no mail till then")
  func endedAway() async throws {
    let added = try await add("a.example", .dane, for: .seconds(10))
    clock.advance(.seconds(50))
    var generator = SystemRandomNumberGenerator()
    let survivor = store.crash(using: &generator)
    let next = FloorOverrides(store: survivor, converter: OneUmlaut(), clock: clock, events: log)
    try await next.load()
    let name = MailDomain.name(try DomainName("a.example"))
    #expect(next.floor(for: name, configured: configured, at: clock.now) == configured)
    #expect(next.list(at: clock.now).isEmpty)
    _ = await next.expire()
    clock.advance(OverrideEnds.confirmation - .nanoseconds(1))
    #expect(await next.expire() == .nanoseconds(1))
    #expect(try await survivor.auditRecords(limit: 1).map(\.deed) == [.overrideAdded])
    clock.advance(.nanoseconds(1))
    _ = await next.expire()
    let last = try await survivor.auditRecords(limit: 1)
    #expect(last.map(\.deed) == [.overrideExpired] && last.map(\.at) == [added.override.until])
    #expect(try await survivor.overrides().isEmpty)
  }

  @Test("looked after by run, is let go at its time and not before")
  func run() async throws {
    try await add("a.example", .opportunistic, for: .seconds(10))
    await withTaskGroup { group in
      group.addTask { await overrides.run() }
      while clock.sleepers == 0 { await Task.yield() }
      clock.advance(.seconds(9))
      #expect(log.events(.overrideEnded).isEmpty)
      clock.advance(.seconds(1))
      while log.events(.overrideEnded).isEmpty { await Task.yield() }
      group.cancelAll()
    }
    #expect(log.events(.overrideEnded).count == 1)
  }

  @Test("with those below, names every stricter floor that it lets mail go below: configured, and by overrides")
  func weakened() async throws {
    var rules = DestinationRules(floor: .encrypt)
    rules.floors.set(.verified, for: try DomainName("mail.a.example"))
    rules.floors.set(.dane, for: try DomainName("deep.a.example"), below: true)
    rules.floors.set(.dane, for: try DomainName("a.example.other"))
    rules.floors.set(.dane, for: try DomainName("xa.example"))
    func weakened(_ domain: String, _ floor: TLSFloor, below: Bool) throws -> [String] {
      let override = FloorOverride(
        domain: try DomainName(domain), includesSubdomains: below, floor: floor, from: clock.now,
        until: clock.now + .hours(1), reason: "x", author: "anna")
      return overrides.weakened(by: override, rules: rules, at: clock.now).map(\.description)
    }
    #expect(
      try weakened("A.example", .opportunistic, below: true) == [
        "dane (outbound.tls.domains .deep.a.example)", "verified (outbound.tls.domains mail.a.example)",
        "encrypt (outbound.tls.floor)",
      ])
    #expect(try weakened("a.example", .verified, below: true) == ["dane (outbound.tls.domains .deep.a.example)"])
    #expect(try weakened("a.example", .encrypt, below: false).isEmpty)
    #expect(try weakened("x.deep.a.example", .encrypt, below: false).count == 1)
    // Another override stands above; one of a nearer domain counts before it, and isn't weakened.
    try await add("example", .dane, below: true)
    try await add("near.a.example", .verified)
    let end = (clock.now + .hours(1)).shortText
    #expect(
      try weakened("a.example", .encrypt, below: true) == [
        "dane (outbound.tls.domains .deep.a.example)", "dane (override 1 by anna until \(end): ticket 7)",
        "verified (outbound.tls.domains mail.a.example)",
      ])
    let added = try await overrides.add(
      FloorOverride(
        domain: try DomainName("a.example"), includesSubdomains: true, floor: .encrypt, from: clock.now,
        until: clock.now + .hours(1), reason: "ticket 8", author: "bert"), rules: rules)
    #expect(added.nearer.map(\.number) == [2])
    #expect(added.weakened.count == 3)
    let event = try #require(log.events(.overrideAdded).last)
    #expect(event["weaker"] == .flag(true))
    let record = try #require(try await store.auditRecords(limit: 1).first)
    #expect(record.weakerThan?.contains("verified (outbound.tls.domains mail.a.example)") == true)
    #expect(event["weaker-than"] == record.weakerThan.map { .text($0) })
    // The first one stood below no stricter floor.
    #expect(try await store.auditRecords(limit: 9).first?.weakerThan == nil)
  }

  @Test("of the same domain and reach there is one: another ends it, and the audit says so")
  func replacement() async throws {
    try await add("a.example", .opportunistic)
    try await add("a.example", .encrypt, below: true)
    let second = try await overrides.add(
      FloorOverride(
        domain: try DomainName("A.example"), floor: .dane, from: clock.now, until: clock.now + .hours(2),
        reason: "no more of that", author: "bert"), rules: rules)
    #expect(second.replaced.map(\.number) == [1])
    #expect(overrides.list(at: clock.now).map(\.number) == [2, 3])
    #expect(try await store.overrides().map(\.number) == [2, 3])
    let records = try await store.auditRecords(limit: 9)
    #expect(records.map(\.deed) == [.overrideAdded, .overrideAdded, .overrideAdded, .overrideEnded])
    #expect(records.last?.author == "bert" && records.last?.reason == "override 3 stands in its place")
    #expect(log.events(.overrideEnded).map { $0["number"] } == [.number(1)])
    #expect(log.events(.overrideAdded).last?["replaces"] == .text("1"))
    // Its end brings the wider one back, and not the one that it ended.
    _ = try await overrides.end(3, author: "bert", reason: "mended")
    #expect(try floor("a.example") == .encrypt)
  }

  @Test("of two that were added at the same moment the one stands that the store took up last, whoever comes first")
  func atOnce() throws {
    func numbered(_ number: Int64, _ floor: TLSFloor) throws -> NumberedOverride {
      NumberedOverride(
        number: number,
        override: FloorOverride(
          domain: try DomainName("a.example"), floor: floor, from: clock.now, until: clock.now + .hours(1),
          reason: "x", author: "anna"))
    }
    let (seven, eight) = (try numbered(7, .opportunistic), try numbered(8, .dane))
    var table = OverrideTable()
    #expect(table.takeUp(eight) == ([], nil))
    let late = table.takeUp(seven)
    #expect(late.replaced.isEmpty && late.later == eight)
    #expect(table.all == [eight])
    table = OverrideTable()
    #expect(table.takeUp(seven) == ([], nil))
    let next = table.takeUp(eight)
    #expect(next.replaced == [seven] && next.later == nil && table.all == [eight] && table.count == 1)
    let repeated = table.remove(seven)
    #expect(!repeated && table.remove(eight) && table.count == 0)
  }

  @Test("of its own domain counts before one that is also of those below, whichever came last")
  func own() async throws {
    try await add("a.example", .dane)
    try await add("a.example", .opportunistic, below: true)
    #expect(try floor("a.example") == .dane)
    #expect(try floor("x.a.example") == .opportunistic)
    #expect(
      overrides.overrides(reaching: try DomainName("a.example"), at: clock.now).map(\.number) == [1, 2])
    #expect(overrides.overrides(reaching: try DomainName("b.a.example"), at: clock.now).map(\.number) == [2])
  }

  @Test("of the most specific domain counts")
  func specificity() async throws {
    try await add("example", .opportunistic, below: true)
    try await add("sub.example", .encrypt, below: true)
    try await add("deep.sub.example", .dane)
    #expect(try floor("example") == .opportunistic)
    #expect(try floor("other.example") == .opportunistic)
    #expect(try floor("sub.example") == .encrypt)
    #expect(try floor("x.sub.example") == .encrypt)
    #expect(try floor("deep.sub.example") == .dane)
    // Without --below it is of its own domain alone.
    #expect(try floor("x.deep.sub.example") == .encrypt)
    #expect(try floor("notexample") == .verified)
    let last = try await add("sub.example", .opportunistic)
    #expect(try floor("sub.example") == .opportunistic)
    #expect(try floor("x.sub.example") == .encrypt)
    _ = try await overrides.end(last.number, author: "bert", reason: "mended")
    #expect(try floor("sub.example") == .encrypt)
  }

  @Test("is of a domain however it is spelled")
  func spelling() async throws {
    try await add("bücher.example", .opportunistic)
    #expect(try floor("xn--bcher-kva.example") == .opportunistic)
    #expect(try floor("bücher.example") == .opportunistic)
    try await add("XN--BCHER-KVA.example", .encrypt)
    #expect(try floor("Bücher.example") == .encrypt)
  }

  @Test("is said aloud, and that it is weaker than what is configured")
  func events() async throws {
    try await add("a.example", .opportunistic)
    try await add("b.example", .dane)
    let added = log.events(.overrideAdded)
    #expect(added.map { $0["weaker"] } == [.flag(true), .flag(false)])
    #expect(added.map { $0["configured"] } == [.text("verified"), .text("verified")])
    #expect(added.first?["author"] == .text("anna"))
    _ = try await overrides.end(1, author: "bert", reason: "mended")
    #expect(log.events(.overrideEnded).map { $0["by"] } == [.text("bert")])
    #expect(try await store.auditRecords(limit: 1).map(\.author) == ["bert"])
  }

  @Test("holds behind a restart as before it, and an ended one doesn't come back")
  func restart() async throws {
    try await add("a.example", .opportunistic)
    let ended = try await add("b.example", .opportunistic)
    _ = try await overrides.end(ended.number, author: "bert", reason: "mended")
    var generator = SystemRandomNumberGenerator()
    let next = FloorOverrides(
      store: store.crash(using: &generator), converter: OneUmlaut(), clock: clock, events: log)
    try await next.load()
    func floor(_ domain: String) throws -> TLSFloor {
      next.floor(for: .name(try DomainName(domain)), configured: configured, at: clock.now).floor
    }
    #expect(try floor("a.example") == .opportunistic)
    #expect(try floor("b.example") == .verified)
  }

  @Test("that the store couldn't keep is not in force")
  func failedStore() async throws {
    store.failCommit(after: 1)
    await #expect(throws: FloorOverrideFault.self) { try await add("a.example", .opportunistic) }
    #expect(try floor("a.example") == .verified)
    #expect(log.events.isEmpty)
  }

  @Test(
    "is refused beyond its bounds, with what to do",
    arguments: [
      (Duration.zero, "ticket", "anna", "past"), (.hours(-1), "ticket", "anna", "past"),
      (FloorOverride.longestTime + .nanoseconds(1), "ticket", "anna", "366 days at most"),
      (.hours(1), "", "anna", "reason"), (.hours(1), String(repeating: "x", count: 501), "anna", "500 octets"),
      (.hours(1), "ticket", "", "author"), (.hours(1), "ticket", String(repeating: "x", count: 101), "100 octets"),
    ])
  func bounds(_ time: Duration, _ reason: String, _ author: String, _ words: String) async throws {
    let override = FloorOverride(
      domain: try DomainName("a.example"), floor: .encrypt, from: clock.now, until: clock.now + time, reason: reason,
      author: author)
    let fault = await #expect(throws: FloorOverrideFault.self) {
      _ = try await overrides.add(override, rules: rules)
    }
    guard case .refused(let text)? = fault else { return }
    #expect(text.contains(words))
    #expect(try await store.overrides().isEmpty)
  }

  @Test("is refused when there are as many as there may be, and a longest one is taken")
  func tooMany() async throws {
    try await add("longest.example", .encrypt, for: FloorOverride.longestTime)
    for number in 1..<FloorOverrides.maximumOverrides { try await add("n\(number).example", .encrypt) }
    await #expect(throws: FloorOverrideFault.self) { try await add("one-more.example", .encrypt) }
    _ = try await overrides.end(5, author: "anna", reason: "room")
    try await add("one-more.example", .encrypt)
  }

  @Test("that nobody knows can't be ended")
  func unknown() async throws {
    await #expect(throws: FloorOverrideFault.store(.notFound)) {
      _ = try await overrides.end(7, author: "anna", reason: "x")
    }
  }
}
