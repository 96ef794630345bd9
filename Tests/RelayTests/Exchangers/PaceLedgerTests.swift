import MailSyntax
import Testing

@testable import Relay

@Suite("PaceLedger")
struct PaceLedgerTests {
  static let domain = MailDomain.name(constantName("example.org"))
  static func at(_ seconds: Double) -> Uptime { Uptime(nanoseconds: Int64(seconds * 1e9)) }

  @Test("without a bound everything begins at once")
  func unbounded() {
    let ledger = PaceLedger(perMinute: nil)
    for _ in 0..<10_000 { #expect(ledger.begin(Self.domain, at: Self.at(0)) == nil) }
  }

  @Test("a short burst, then one at a time in even steps")
  func even() {
    let ledger = PaceLedger(perMinute: 60)
    for _ in 0..<PaceLedger.burst { #expect(ledger.begin(Self.domain, at: Self.at(0)) == nil) }
    #expect(ledger.begin(Self.domain, at: Self.at(0)) == .seconds(1))
    #expect(ledger.begin(Self.domain, at: Self.at(0.5)) == .milliseconds(500))
    #expect(ledger.begin(Self.domain, at: Self.at(1)) == nil)
    #expect(ledger.begin(Self.domain, at: Self.at(1)) == .seconds(1))
  }

  @Test("over an hour no more begin than the pace allows")
  func bounded() {
    let ledger = PaceLedger(perMinute: 30)
    var begun = 0
    for tenth in 0..<36_000 where ledger.begin(Self.domain, at: Self.at(Double(tenth) / 10)) == nil { begun += 1 }
    #expect((1_800...(1_800 + PaceLedger.burst)).contains(begun))
  }

  @Test("each key has a pace of its own, and what has passed is forgotten")
  func many() {
    let ledger = PaceLedger(perMinute: 60)
    for number in 0..<20_000 {
      let key = MailDomain.name(constantName("d\(number).example"))
      #expect(ledger.begin(key, at: Self.at(Double(number))) == nil)
    }
    #expect(ledger.remembered < 2 * PaceLedger.sweepThreshold)
  }
}
