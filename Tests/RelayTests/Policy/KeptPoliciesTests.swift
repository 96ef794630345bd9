import MailSyntax
import Testing
import TransportSecurity

@testable import Relay

@Suite("Policies in memory")
struct KeptPoliciesTests {
  private let fetchedAt = UTCInstant(seconds: 1_700_000_000)
  private let now = Uptime(nanoseconds: 7_000_000_000)

  /// - Parameters:
  ///   - used: seconds ago.
  ///   - left: of its life, in seconds.
  private func entry(_ name: String, _ mode: STSPolicy.Mode, used: Int, left: Int = 3_600) -> KeptPolicies.Entry {
    let policy = STSPolicy(mode: mode, maxAge: .seconds(3_600), patterns: [STSPattern("*.\(name)")])
    var entry = KeptPolicies.Entry(
      stored: StoredSTSPolicy(
        domain: constantName(name), known: KnownSTSPolicy(policy: policy, recordID: "1", fetchedAt: fetchedAt),
        usedAt: fetchedAt + .seconds(-used)),
      expires: now + .seconds(left), refreshDue: now)
    entry.fetched = now
    return entry
  }

  private func names(_ kept: KeptPolicies) -> [String] { kept.entries { _ in true }.map { "\($0.stored.domain)" } }

  @Test("one that enforces and holds goes last for want of room, however long nobody asked for it")
  func enforcingStays() {
    var kept = KeptPolicies(capacity: 2)
    kept[constantName("bank.example")] = entry("bank.example", .enforce, used: 9_000)
    for name in ["one.example", "two.example", "three.example"] {
      kept[constantName(name)] = entry(name, .testing, used: 0)
    }
    #expect(names(kept).count == 2 && names(kept).contains("bank.example"))
  }

  @Test("of those that protect as much, the one that was asked for longest ago goes")
  func longestUnused() {
    var kept = KeptPolicies(capacity: 2)
    for (name, used) in [("one.example", 20), ("two.example", 300), ("three.example", 100)] {
      kept[constantName(name)] = entry(name, .enforce, used: used)
    }
    #expect(names(kept) == ["one.example", "three.example"])
    // One that has lapsed protects nobody.
    kept[constantName("one.example")] = entry("one.example", .enforce, used: 0, left: 0)
    kept[constantName("four.example")] = entry("four.example", .enforce, used: 300)
    #expect(names(kept) == ["four.example", "three.example"])
  }
}
