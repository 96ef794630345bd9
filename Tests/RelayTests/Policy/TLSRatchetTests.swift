import MailQueue
import MailSyntax
import QueueModel
import Testing
import TransportSecurity

@testable import Relay

@Suite("The ratchet")
struct TLSRatchetTests {
  let clock = HandClock()
  let log = PolicyLog()
  let store: ModelPolicyStore
  let ratchet: TLSRatchet
  let domain: DomainName
  let sender: ReversePath

  init() throws {
    store = ModelPolicyStore(clock: clock)
    ratchet = TLSRatchet(store: store, conduct: .hold, clock: clock, events: log)
    domain = try DomainName("a.example")
    sender = .mailbox(try Mailbox("anna@example.com"))
  }

  private func note(_ level: SteadyTLS.Level?, host: String = "mx.a.example", _ address: UInt32 = 1) throws {
    ratchet.note(domain, host: try DomainName(host), address: .v4(address), level)
  }

  private var expected: SteadyTLS? { ratchet.expectation(for: domain, from: sender, at: clock.now) }

  /// Five sights over a day, from each of the addresses.
  private func arm(_ level: SteadyTLS.Level = .encrypted, addresses: [UInt32] = [1]) throws {
    for number in 0..<TLSRatchet.neededSuccesses {
      if number > 0 { clock.advance(.hours(6)) }
      for address in addresses { try note(level, address) }
    }
    #expect(expected?.level == level)
  }

  @Test("is armed by five sights over a day, and by no fewer and in no shorter time")
  func arming() throws {
    let start = clock.now
    for _ in 0..<20 { try note(.encrypted) }
    #expect(expected == nil)
    clock.advance(TLSRatchet.neededTime - .nanoseconds(1))
    try note(.encrypted)
    #expect(expected == nil)
    clock.advance(.nanoseconds(1))
    try note(.encrypted)
    #expect(expected == SteadyTLS(.encrypted, since: start, conduct: .hold))
  }

  @Test("that is taken up under a clock far ahead is armed once the clock is right")
  func wrongClock() async throws {
    try arm()
    await ratchet.write()
    let next = TLSRatchet(store: store, conduct: .hold, clock: clock, events: log)
    clock.misset(by: .days(400))
    try await next.load()
    #expect(next.expectation(for: domain, from: sender, at: clock.now) == nil)
    clock.misset(by: .zero)
    #expect(next.expectation(for: domain, from: sender, at: clock.now)?.level == .encrypted)
  }

  @Test("holds no longer than a day from the first sight by a clock that is right, however far ahead it was before")
  func dropUnderWrongClock() async throws {
    try arm()
    clock.misset(by: .days(20))
    try note(nil)
    #expect(expected?.conduct == .hold)
    clock.misset(by: .zero)
    #expect(expected?.conduct == .hold)
    try note(nil)
    await ratchet.write()
    clock.advance(.hours(12))
    let next = try await restarted()
    next.note(domain, host: try DomainName("mx.a.example"), address: .v4(1), nil)
    clock.advance(.hours(12) - .nanoseconds(1))
    #expect(next.expectation(for: domain, from: sender, at: clock.now)?.conduct == .hold)
    clock.advance(.nanoseconds(1))
    #expect(next.expectation(for: domain, from: sender, at: clock.now)?.conduct == .alert)
  }

  @Test("isn't armed by four sights, however long they take")
  func fewer() throws {
    for _ in 0..<(TLSRatchet.neededSuccesses - 1) {
      try note(.encrypted)
      clock.advance(.days(1))
    }
    #expect(expected == nil)
    try note(.encrypted)
    #expect(expected != nil)
  }

  @Test("is armed only when every known address has shown it")
  func everyAddress() throws {
    try note(nil, 2)
    for _ in 0..<6 {
      try note(.encrypted, 1)
      clock.advance(.hours(6))
    }
    #expect(expected == nil)
    for _ in 0..<5 {
      try note(.encrypted, 1)
      try note(.encrypted, 2)
      clock.advance(.hours(6))
    }
    #expect(expected?.level == .encrypted)
    #expect(log.events.isEmpty)
  }

  @Test("is armed at the weakest level, and an address that rises lifts it once it is steady")
  func rising() throws {
    for _ in 0..<5 {
      try note(.verified, 1)
      try note(.encrypted, 2)
      clock.advance(.hours(6))
    }
    #expect(expected?.level == .encrypted)
    for number in 0..<5 {
      #expect(expected?.level == .encrypted, "\(number)")
      try note(.verified, 2)
      clock.advance(.hours(6))
    }
    #expect(expected?.level == .verified)
  }

  @Test("speaks once an hour for a domain, with the count")
  func events() throws {
    try arm()
    for _ in 0..<3 { try note(nil) }
    clock.advance(TLSRatchet.eventInterval - .nanoseconds(1))
    try note(nil, 9)
    #expect(log.events(.downgraded).map { $0["count"] } == [.number(1)])
    clock.advance(.nanoseconds(1))
    try note(nil)
    let events = log.events(.downgraded)
    #expect(events.map { $0["count"] } == [.number(1), .number(4)])
    #expect(events.first?["domain"] == .text("a.example") && events.first?["address"] == .text("0.0.0.1"))
    #expect(events.first?["expected"] == .text("encrypted") && events.first?["seen"] == .text("none"))
  }

  @Test("takes a level that is less than proven for a drop")
  func lessThanProven() throws {
    try arm(.verified)
    try note(.encrypted)
    #expect(log.events(.downgraded).map { $0["seen"] } == [.text("encrypted")])
    #expect(expected?.level == .verified)
  }

  @Test("takes an address that has proven its name and doesn't any more for a drop, where others never proved theirs")
  func lessThanItsOwn() throws {
    for _ in 0..<5 {
      try note(.verified, 1)
      try note(.encrypted, 2)
      clock.advance(.hours(6))
    }
    #expect(expected?.level == .encrypted)
    try note(.encrypted, 1)
    let event = try #require(log.events(.downgraded).first)
    #expect(event["address"] == .text("0.0.0.1") && event["expected"] == .text("verified"))
    #expect(event["seen"] == .text("encrypted"))
  }

  @Test("takes a drop for over as soon as the address shows again what it did, be it in the same moment")
  func overAtOnce() throws {
    try arm()
    try note(nil)
    try note(.encrypted)
    // The next one has a day of its own.
    clock.advance(.hours(23))
    try note(nil)
    clock.advance(.hours(2))
    #expect(expected?.conduct == .hold)
  }

  @Test("takes a new host or address that shows less for a drop, and one that shows as much for none")
  func newcomers() throws {
    try arm()
    try note(.encrypted, 2)
    #expect(expected?.level == .encrypted)
    #expect(log.events.isEmpty)
    try note(nil, host: "mx.forged.example", 7)
    #expect(log.events(.downgraded).map { $0["host"] } == [.text("mx.forged.example")])
    #expect(expected == SteadyTLS(.encrypted, since: try #require(expected).since, conduct: .hold))
  }

  @Test("holds mail for a day since the first drop and no longer, and then learns anew")
  func bounded() throws {
    try arm()
    try note(nil)
    #expect(expected?.conduct == .hold)
    clock.advance(.hours(12))
    try note(nil)
    clock.advance(.hours(12) - .nanoseconds(1))
    #expect(expected?.conduct == .hold)
    clock.advance(.nanoseconds(1))
    #expect(expected?.conduct == .alert)
    try note(nil)
    #expect(expected == nil)
    #expect(log.events(.downgraded).last?["adapted"] == .flag(true))
    try arm()
  }

  @Test("forgets nothing by one sight, nor by sights that are further apart than a hold lasts")
  func oneSight() throws {
    try arm()
    try note(nil)
    clock.advance(.days(3))
    #expect(expected?.conduct == .hold)
    try note(nil)
    #expect(expected?.conduct == .hold)
    try note(.encrypted)
    clock.advance(.hours(1))
    #expect(expected?.conduct == .hold)
  }

  @Test("never holds mail with the null reverse-path")
  func reports() throws {
    try arm()
    try note(nil)
    #expect(ratchet.expectation(for: domain, from: .null, at: clock.now)?.conduct == .alert)
    #expect(ratchet.expectation(for: domain, from: sender, at: clock.now)?.conduct == .hold)
  }

  @Test("only tells where that is asked, at once behind a reload")
  func conduct() throws {
    try arm()
    ratchet.replace(conduct: .alert)
    #expect(expected?.conduct == .alert)
  }

  @Test("forgets an address that wasn't seen for 30 days, and not before")
  func decay() throws {
    try arm()
    clock.advance(TLSRatchet.memory)
    #expect(expected != nil)
    clock.advance(.nanoseconds(1))
    #expect(expected == nil)
    try note(nil)
    #expect(log.events.isEmpty)
  }

  @Test("is never armed for a domain with more addresses than it remembers")
  func manyAddresses() throws {
    try arm(addresses: Array(1...UInt32(TLSRatchet.maximumAddresses)))
    let many = try DomainName("many.example")
    let host = try DomainName("mx.many.example")
    for _ in 0..<5 {
      for address in 1...UInt32(TLSRatchet.maximumAddresses + 1) {
        ratchet.note(many, host: host, address: .v4(address), .encrypted)
      }
      clock.advance(.hours(6))
    }
    #expect(ratchet.expectation(for: many, from: sender, at: clock.now) == nil)
    #expect(ratchet.records(of: many).count == TLSRatchet.maximumAddresses + 1)
  }

  @Test("is not armed by a restart for a domain with more addresses than it remembers")
  func manyAddressesRestart() async throws {
    for _ in 0..<5 {
      for address in 1...UInt32(TLSRatchet.maximumAddresses + 9) { try note(.encrypted, address) }
      clock.advance(.hours(6))
    }
    await ratchet.write()
    let next = try await restarted()
    #expect(next.expectation(for: domain, from: sender, at: clock.now) == nil)
    next.note(domain, host: try DomainName("mx.a.example"), address: .v4(1), .encrypted)
    #expect(next.expectation(for: domain, from: sender, at: clock.now) == nil)
  }

  /// What the next start finds.
  private func restarted() async throws -> TLSRatchet {
    var generator = SystemRandomNumberGenerator()
    let next = TLSRatchet(store: store.crash(using: &generator), conduct: .hold, clock: clock, events: log)
    try await next.load()
    return next
  }

  @Test("holds mail no longer than a day, restarts or not")
  func holdOverRestarts() async throws {
    try arm(addresses: [1, 2])
    try note(nil)
    clock.advance(.hours(12))
    try note(nil)
    await ratchet.write()
    clock.advance(.hours(12) - .nanoseconds(1))
    let next = try await restarted()
    let host = try DomainName("mx.a.example")
    #expect(next.expectation(for: domain, from: sender, at: clock.now)?.conduct == .hold)
    // What another address shows is no word of the one that was weak.
    next.note(domain, host: host, address: .v4(2), .encrypted)
    clock.advance(.nanoseconds(1))
    next.note(domain, host: host, address: .v4(1), nil)
    #expect(log.events(.downgraded).last?["adapted"] == .flag(true))
    #expect(next.expectation(for: domain, from: sender, at: clock.now) == nil)
  }

  @Test("has a drop behind restarts as long as it is seen, and no longer than all addresses are good again")
  func dropOverRestarts() async throws {
    try arm(addresses: [1, 2])
    try note(nil)
    clock.advance(.hours(23))
    try note(nil)
    await ratchet.write()
    let next = try await restarted()
    let host = try DomainName("mx.a.example")
    clock.advance(.hours(1))
    #expect(next.expectation(for: domain, from: sender, at: clock.now)?.conduct == .alert)
    for address: UInt32 in [1, 2] { next.note(domain, host: host, address: .v4(address), .encrypted) }
    #expect(next.expectation(for: domain, from: sender, at: clock.now)?.conduct == .hold)
    await next.write()
    #expect(next.records(of: domain).allSatisfy { $0.drop == nil })
  }

  @Test("learns nothing new of a steady address within a minute")
  func noNews() throws {
    try arm()
    let known = ratchet.records(of: domain)
    clock.advance(TLSRatchet.noteInterval - .nanoseconds(1))
    try note(.encrypted)
    #expect(ratchet.records(of: domain) == known)
    clock.advance(.nanoseconds(1))
    try note(.encrypted)
    #expect(ratchet.records(of: domain).map(\.successes) == [TLSRatchet.neededSuccesses + 1])
    try note(nil)
    #expect(log.events(.downgraded).count == 1)
  }

  @Test("learns nothing new within a minute of an address that isn't old enough, once it has shown enough")
  func noNewsOfTheYoung() throws {
    let start = clock.now
    for _ in 0..<(TLSRatchet.neededSuccesses + 3) { try note(.encrypted) }
    #expect(ratchet.records(of: domain).map(\.successes) == [TLSRatchet.neededSuccesses])
    try note(.encrypted, host: "mx2.a.example")
    try note(.encrypted, 2)
    #expect(ratchet.records(of: domain).map(\.successes) == [TLSRatchet.neededSuccesses, 1, 1])
    clock.advance(TLSRatchet.neededTime - .seconds(1))
    for address in 1...2 as ClosedRange<UInt32> {
      for _ in 0..<TLSRatchet.neededSuccesses { try note(.encrypted, address) }
    }
    for _ in 0..<TLSRatchet.neededSuccesses { try note(.encrypted, host: "mx2.a.example") }
    #expect(expected == nil)
    // The sight that makes it steady is news, however soon.
    clock.advance(.seconds(1))
    try note(.encrypted)
    try note(.encrypted, 2)
    #expect(expected == nil)
    try note(.encrypted, host: "mx2.a.example")
    #expect(expected == SteadyTLS(.encrypted, since: start, conduct: .hold))
    #expect(ratchet.records(of: domain).allSatisfy { $0.lastAt == clock.now })
  }

  @Test("takes a drop for over as soon as the address shows the level again, within a minute too")
  func soonOver() async throws {
    try arm()
    try note(nil)
    try note(.encrypted)
    await ratchet.write()
    #expect(try await store.steadyRecords().map(\.drop) == [nil])
  }

  @Test("lets a better level rise only by sights in a row, within a minute too")
  func risingInARow() throws {
    try arm(.encrypted)
    for _ in 0..<4 {
      clock.advance(.hours(6))
      try note(.verified)
    }
    try note(.encrypted)
    clock.advance(.hours(6))
    try note(.verified)
    #expect(expected?.level == .encrypted)
  }

  @Test("remembers so many domains, and lets go of those unseen for longest")
  func manyDomains() throws {
    try arm()
    let host = try DomainName("mx.example")
    for number in 1..<TLSRatchet.maximumDomains {
      ratchet.note(try DomainName("n\(number).example"), host: host, address: .v4(1), .encrypted)
    }
    #expect(expected != nil)
    try note(.encrypted)
    ratchet.note(try DomainName("one-more.example"), host: host, address: .v4(1), .encrypted)
    #expect(expected != nil)
    #expect(ratchet.records(of: try DomainName("n1.example")).isEmpty)
  }

  @Test("knows behind a restart what it had written, in batches off the deliveries' path")
  func restart() async throws {
    try arm(.verified, addresses: [1, 2])
    #expect(try await store.steadyRecords().isEmpty)
    await ratchet.write()
    #expect(try await store.steadyRecords().map(\.successes) == [5, 5])
    let next = try await restarted()
    let found = next.expectation(for: domain, from: sender, at: clock.now)
    #expect(found == expected && found?.level == .verified)
  }

  @Test("writes what a failed write left with the next one")
  func failedWrite() async throws {
    try arm()
    let broken = ModelPolicyStore(clock: clock)
    broken.failCommit(after: 1)
    let other = TLSRatchet(store: broken, conduct: .hold, clock: clock, events: log)
    other.note(domain, host: domain, address: .v4(1), .encrypted)
    await other.write()
    #expect(other.records(of: domain).count == 1)
  }
}
