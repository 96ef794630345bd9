import MailSyntax
import Testing

@testable import Relay

@Suite("PaceLedger")
struct PaceLedgerTests {
  static let domain = MailDomain.name(constantName("example.org"))
  static func at(_ seconds: Double) -> Uptime { Uptime(nanoseconds: Int64(seconds * 1e9)) }

  @Test("without a bound everything begins at once")
  func unbounded() {
    let ledger = PaceLedger(TrafficLimit())
    for _ in 0..<10_000 { #expect(ledger.begin(Self.domain, at: Self.at(0)) == nil) }
  }

  @Test("a short burst, then one at a time in even steps")
  func even() {
    let ledger = PaceLedger(TrafficLimit(perMinute: 60))
    for _ in 0..<PaceLedger.burst { #expect(ledger.begin(Self.domain, at: Self.at(0)) == nil) }
    #expect(ledger.begin(Self.domain, at: Self.at(0)) == .seconds(1))
    #expect(ledger.begin(Self.domain, at: Self.at(0.5)) == .milliseconds(500))
    #expect(ledger.begin(Self.domain, at: Self.at(1)) == nil)
    #expect(ledger.begin(Self.domain, at: Self.at(1)) == .seconds(1))
  }

  @Test("over an hour no more begin than the pace allows")
  func bounded() {
    let ledger = PaceLedger(TrafficLimit(perMinute: 30))
    var begun = 0
    for tenth in 0..<36_000 where ledger.begin(Self.domain, at: Self.at(Double(tenth) / 10)) == nil { begun += 1 }
    #expect((1_800...(1_800 + PaceLedger.burst)).contains(begun))
  }

  @Test("an operator's pace for one key stands before the general one")
  func ownPace() {
    var limit = TrafficLimit(perMinute: 60)
    limit.rules.set(TrafficLimit.Rule(perMinute: 6), for: constantName("example.org"))
    limit.rules.set(TrafficLimit.Rule(atOnce: 1), for: constantName("example.net"))
    let ledger = PaceLedger(limit)
    for (name, wait) in [("example.org", 10), ("example.net", 1), ("example.com", 1)] {
      let key = MailDomain.name(constantName(name))
      for _ in 0..<PaceLedger.burst { #expect(ledger.begin(key, at: Self.at(0)) == nil) }
      #expect(ledger.begin(key, at: Self.at(0)) == .seconds(wait))
    }
  }

  @Test("each key has a pace of its own, and what has passed is forgotten")
  func many() {
    let ledger = PaceLedger(TrafficLimit(perMinute: 60))
    for number in 0..<20_000 {
      let key = MailDomain.name(constantName("d\(number).example"))
      #expect(ledger.begin(key, at: Self.at(Double(number))) == nil)
    }
    #expect(ledger.remembered < 2 * PaceLedger.sweepThreshold)
  }
}
