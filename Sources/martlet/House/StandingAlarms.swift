import ControlPlane
import MailQueue
import MailSyntax
import OrderedCollections
import Relay
import Synchronization

/// What is wrong at this moment, gathered from the events on their way to the log: alarms that stand until they are
/// cleared, and the last error of each route.
///
/// An alarm with `until-cleared` stands under its `what`, and under its `route`, `list` or `domain` where it names one. It
/// is cleared by an event whose `clears` is that `what`, of the same `list` or `domain` where that names one, and
/// `configuration-not-reloaded` and its like by the next good reading.
final class StandingAlarms: EventSink {
  static let maximumAlarms = 64
  static let maximumRoutes = 256
  /// Octets of one text.
  static let maximumTextOctets = 1_000

  static let needsRestart = "configuration-needs-restart"
  static let insecure = "insecure"

  private struct Key: Hashable {
    let what: String
    /// The route, the list or the domain it is of.
    let subject: String?
  }
  private struct State {
    var alarms: OrderedDictionary<Key, AlarmFacts> = [:]
    /// The oldest error first.
    var errors: OrderedDictionary<String, ErrorFacts> = [:]
  }

  private let next: any EventSink
  private let clock: any MailClock
  private let state = Mutex(State())

  init(before next: any EventSink, clock: any MailClock) {
    self.next = next
    self.clock = clock
  }

  func record(_ event: MailEvent) {
    note(event)
    next.record(event)
  }

  var alarms: [AlarmFacts] { state.withLock { Array($0.alarms.values) } }
  var lastError: ErrorFacts? { state.withLock { $0.errors.values.last } }
  func lastError(of route: RouteKey) -> ErrorFacts? { state.withLock { $0.errors[route.rawValue] } }

  private func note(_ event: MailEvent) {
    switch event.kind {
    case .alarm: noteAlarm(event)
    case .reloaded:
      guard let what = event.text("what") else { return }
      clear("\(what)-not-reloaded")
      // What of the file waits for a restart is said anew behind each reading, and the routes are new ones.
      if what == "configuration" {
        for what in [StandingAlarms.needsRestart, SourceAlarms.what, AnswerWatch.what] { clear(what) }
      }
    case .dnssecProven: clear("dnssec-not-validating")
    case .delivered, .removed: noteEnd(event)
    case .failed:
      noteEnd(event)
      noteError(event)
    case .deferred: noteError(event)
    case .sessionOpened, .sessionSecured, .sessionClosed, .authenticated, .authenticationFailed, .commandRefused,
      .wrongWrapper, .addressLimited, .listed, .listUnanswered,
      .accepted, .held, .released, .rescheduled, .reported, .delayReported,
      .doubleBounce, .deliveryCut, .overrideAdded, .overrideEnded, .policyForgotten, .downgraded,
      .selectorChanged, .unauthenticated, .started, .stopping, .stopped:
      break
    }
  }

  private func noteAlarm(_ event: MailEvent) {
    if let cleared = event.text("clears") { clear(cleared, of: event.text("list") ?? event.text("domain")) }
    guard event["until-cleared"] == .flag(true), let what = event.text("what") else { return }
    let route = event.text("route")
    let key = Key(what: what, subject: route ?? event.text("list") ?? event.text("domain"))
    let text = [event.text("reason"), event.text("remedy")].compactMap { $0 }.joined(separator: "; ")
    let now = Timestamp(clock.now)
    state.withLock { state in
      let since = state.alarms[key]?.since ?? now
      if state.alarms[key] == nil, state.alarms.count >= StandingAlarms.maximumAlarms { state.alarms.removeFirst() }
      state.alarms[key] = AlarmFacts(
        what: what, route: route, text: text.cut(toOctets: StandingAlarms.maximumTextOctets), since: since)
    }
  }

  /// What kept mail of a route back is over once some went, or was given up; what still waits says it anew.
  private func noteEnd(_ event: MailEvent) {
    guard let route = event.text("route") else { return }
    state.withLock { state in
      guard !state.alarms.isEmpty else { return }
      state.alarms[Key(what: StandingAlarms.insecure, subject: route)] = nil
    }
  }

  private func clear(_ what: String, of subject: String? = nil) {
    state.withLock { state in
      state.alarms.removeAll { $0.key.what == what && (subject == nil || $0.key.subject == subject) }
    }
  }

  /// What a next hop said, or what kept us from one; an operator's word is no error.
  private func noteError(_ event: MailEvent) {
    guard event["by"] == nil, let route = event.text("route"), let result = event.text("result") else { return }
    let error = ErrorFacts(
      time: Timestamp(clock.now), route: route,
      host: event.text("host")?.cut(toOctets: StandingAlarms.maximumTextOctets),
      text: result.cut(toOctets: StandingAlarms.maximumTextOctets))
    state.withLock { state in
      state.errors[route] = nil
      if state.errors.count >= StandingAlarms.maximumRoutes { state.errors.removeFirst() }
      state.errors[route] = error
    }
  }
}

extension MailEvent {
  fileprivate func text(_ key: String) -> String? {
    guard case .text(let text)? = self[key], !text.isEmpty else { return nil }
    return text
  }
}
