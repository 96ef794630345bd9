import MailSyntax

/// The destinations whose mail waits: since when, and why, by the last attempt's word. Bounded.
struct WaitingDestinations {
  /// More at a time are not followed: by then the number alone says enough.
  static let maximum = 10_000
  /// The reason of the outcome where no channel as safe as is asked for could be had.
  static let insecure = "insecure"

  private struct Wait {
    let reason: String
    let since: UTCInstant
  }
  /// Looked up by route; what is told of it is put in order first.
  private var waits: [String: Wait] = [:]

  /// An attempt has failed, and mail of the route waits.
  mutating func note(_ route: String?, _ reason: String, at now: UTCInstant) {
    guard let route else { return }
    if let known = waits[route] {
      if known.reason != reason { waits[route] = Wait(reason: reason, since: now) }
    } else if waits.count < WaitingDestinations.maximum {
      waits[route] = Wait(reason: reason, since: now)
    }
  }

  /// Mail of the route went, or waits no more; what still does says so at its next attempt.
  mutating func end(_ route: String?) {
    if let route { waits[route] = nil }
  }

  /// With the insecure ones at 0, so that a rule has something to look at.
  var counts: LabelledCounts {
    var counts = LabelledCounts()
    counts.add(WaitingDestinations.insecure, 0)
    for reason in waits.values.map(\.reason).sorted() { counts.add(reason) }
    return counts
  }

  /// Those that wait for safety, the longest first.
  func longest(_ count: Int, at now: UTCInstant) -> [(route: String, seconds: Int)] {
    waits.filter { $0.value.reason == WaitingDestinations.insecure }
      .sorted { ($0.value.since, $0.key) < ($1.value.since, $1.key) }
      .prefix(count)
      .map { ($0.key, max(0, Int((now - $0.value.since).components.seconds))) }
  }
}
