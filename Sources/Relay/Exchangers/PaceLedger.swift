import MailSyntax
import Synchronization

/// Spreads deliveries evenly: each takes its turn a fixed interval behind the one before, with a short burst at first.
///
/// For each domain and host one moment is kept, the one from which the next may begin (a leaky bucket as a virtual
/// schedule). Moments that have passed say nothing any more and are dropped, so memory holds what was used in the last
/// minute or so.
final class PaceLedger: Sendable {
  /// So many may begin at once behind a pause.
  static let burst = 5
  /// Passed moments are looked for when there are more entries than this, and then than twice what was left.
  static let sweepThreshold = 1_024

  private struct State {
    var nextTurns: [MailDomain: Uptime] = [:]
    var sweepAt = PaceLedger.sweepThreshold
  }
  private let limit: TrafficLimit
  private let state = Mutex(State())

  init(_ limit: TrafficLimit) { self.limit = limit }

  var remembered: Int { state.withLock { $0.nextTurns.count } }

  /// What was counted last didn't begin after all.
  func takeBack(_ key: MailDomain) {
    guard let interval = interval(of: key) else { return }
    state.withLock { state in
      if let turn = state.nextTurns[key] { state.nextTurns[key] = turn + (.zero - interval) }
    }
  }

  private func interval(of key: MailDomain) -> Duration? {
    limit.rule(for: key).perMinute.map { .seconds(60) / $0 }
  }

  /// Nil where it may begin now, which is counted; else how long to wait.
  func begin(_ key: MailDomain, at now: Uptime) -> Duration? {
    guard let interval = interval(of: key) else { return nil }
    return state.withLock { state in
      let turn = max(state.nextTurns[key] ?? now, now)
      let ahead = turn - now
      guard ahead <= interval * (PaceLedger.burst - 1) else { return ahead - interval * (PaceLedger.burst - 1) }
      state.nextTurns[key] = turn + interval
      if state.nextTurns.count > state.sweepAt {
        state.nextTurns = state.nextTurns.filter { $0.value > now }
        state.sweepAt = max(PaceLedger.sweepThreshold, 2 * state.nextTurns.count)
      }
      return nil
    }
  }
}
