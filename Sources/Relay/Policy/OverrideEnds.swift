import MailSyntax
import TransportSecurity

/// Which ends of overrides are certain: only then are they written down, and the override gone for good.
///
/// Whether an override is in force is the wall clock's word. But a clock that is wrong for a while, at a machine's start
/// above all, must not take away for good what holds once it is right. So the machine's uptime has to agree: the time
/// that was left when the override was last seen in force has passed, or `confirmation` since it was first found ended.
struct OverrideEnds {
  /// A clock that is wrong is set right sooner.
  static let confirmation = Duration.seconds(3_600)

  /// When, by uptime, the end of an override is certain, by its number.
  private var certainAt: [Int64: Uptime] = [:]
  /// Those that the wall clock has found ended.
  private var ended: Set<Int64> = []

  /// Those of `overrides` whose end is certain, and after how long to look again.
  mutating func certain(
    of overrides: [NumberedOverride], now: UTCInstant, uptime: Uptime
  ) -> (ends: [NumberedOverride], wait: Duration?) {
    for one in overrides {
      let left = one.override.until - now
      if left > .zero {
        certainAt[one.number] = uptime + left
        ended.remove(one.number)
      } else if ended.insert(one.number).inserted {
        let confirmed = uptime + OverrideEnds.confirmation
        certainAt[one.number] = certainAt[one.number].map { min($0, confirmed) } ?? confirmed
      }
    }
    let known = Set(overrides.map(\.number))
    certainAt = certainAt.filter { known.contains($0.key) }
    ended.formIntersection(known)
    let ends = overrides.filter { one in
      ended.contains(one.number) && certainAt[one.number].map { $0 <= uptime } ?? false
    }
    return (ends, certainAt.values.filter { uptime < $0 }.min().map { $0 - uptime })
  }
}
