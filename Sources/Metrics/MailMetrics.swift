public import MailQueue
public import MailSyntax
import OrderedCollections
import Synchronization

/// Counts what happens, on the way of events to the log: the same vocabulary, as numbers to watch and to be woken by.
///
/// Every label's values are few by their nature, or bounded here: no peer makes a monitoring system grow. Counters begin
/// at 0 with the process.
public final class MailMetrics: EventSink {
  /// Of the values that one label has taken, so many are told apart; those that come later count as `other`.
  public static let maximumLabelValues = 64
  public static let otherLabel = "other"
  /// Of the destinations that wait for a safe way, so many are named, those that wait longest.
  public static let maximumNamedDestinations = 20

  fileprivate struct State {
    /// Told in the order of the kinds.
    var events: [MailEvent.Kind: Int] = [:]
    var attempts: OrderedDictionary<Attempt, Int> = [:]
    var judged: OrderedDictionary<Judgement, Int> = [:]
    var insecure = LabelledCounts()
    var alarms = LabelledCounts()
    var inClear = 0
    var waiting = WaitingDestinations()
  }
  fileprivate struct Attempt: Hashable {
    let outcome: MailEvent.Kind
    let reason: String
  }

  /// What was found of a stranger's message, and what became of it.
  fileprivate struct Judgement: Hashable {
    let dmarc: String
    let outcome: String
  }

  private let next: any EventSink
  private let clock: any MailClock
  private let state = Mutex(State())

  public init(before next: any EventSink, clock: any MailClock) {
    self.next = next
    self.clock = clock
  }

  public func record(_ event: MailEvent) {
    let now = clock.now
    state.withLock { $0.count(event, at: now) }
    next.record(event)
  }

  /// Everything, in the text format that Prometheus and its collectors read (version 0.0.4).
  public func text(_ figures: ServerFigures) -> String {
    let now = clock.now
    var exposition = Exposition()
    figures.append(to: &exposition)
    state.withLock { $0.append(to: &exposition, at: now) }
    return exposition.text
  }
}

extension MailMetrics.State {
  fileprivate mutating func count(_ event: MailEvent, at now: UTCInstant) {
    events[event.kind, default: 0] += 1
    let (route, reason) = (event.label("route"), event.label("reason"))
    switch event.kind {
    case .delivered:
      countAttempt(.delivered, "")
      if route?.hasPrefix("mx/") == true, event.label("tls")?.hasPrefix("none") == true { inClear += 1 }
      waiting.end(route)
    case .deferred, .failed:
      // An operator's word is no attempt.
      if event["by"] == nil, let reason {
        countAttempt(event.kind, reason)
        if reason == WaitingDestinations.insecure { insecure.add(event.label("policy") ?? "") }
        if event.kind == .deferred { return waiting.note(route, reason, at: now) }
      }
      waiting.end(route)
    case .held, .removed: waiting.end(route)
    case .alarm: alarms.add(event.label("what") ?? "")
    case .accepted: countJudgement(event, event["quarantine"] == nil ? "taken" : "marked")
    case .unauthenticated: countJudgement(event, event.label("reply")?.hasPrefix("4") == true ? "put-off" : "refused")
    case .sessionOpened, .sessionSecured, .sessionClosed, .authenticated, .authenticationFailed, .commandRefused,
      .wrongWrapper, .addressLimited, .listed, .listUnanswered, .released, .rescheduled, .reported,
      .delayReported, .doubleBounce, .deliveryCut, .overrideAdded, .overrideEnded, .policyForgotten, .downgraded,
      .selectorChanged, .started, .stopping, .stopped, .reloaded, .dnssecProven:
      break
    }
  }

  private mutating func countAttempt(_ outcome: MailEvent.Kind, _ reason: String) {
    let attempt = MailMetrics.Attempt(outcome: outcome, reason: reason)
    let isKnown = attempts[attempt] != nil || attempts.count < MailMetrics.maximumLabelValues
    attempts[isKnown ? attempt : .init(outcome: outcome, reason: MailMetrics.otherLabel), default: 0] += 1
  }

  /// Of a message that nobody judged it says nothing.
  private mutating func countJudgement(_ event: MailEvent, _ outcome: String) {
    guard let dmarc = event.label("dmarc")?.prefix(while: { $0.isLetter }) else { return }
    judged[MailMetrics.Judgement(dmarc: String(dmarc), outcome: outcome), default: 0] += 1
  }

  fileprivate func append(to exposition: inout Exposition, at now: UTCInstant) {
    exposition.add(
      "martlet_events_total", .counter, "Events, by their kind in Documentation/Events.md.",
      MailEvent.Kind.allCases.map { .init([("event", $0.rawValue)], events[$0] ?? 0) })
    exposition.add(
      "martlet_attempts_total", .counter, "Attempts to deliver to a recipient, by what came of them and the rule.",
      attempts.map { .init([("outcome", $0.key.outcome.lastWord), ("reason", $0.key.reason)], $0.value) })
    exposition.add(
      "martlet_messages_judged_total", .counter,
      "Messages of strangers, by what DMARC says of them and what became of them.",
      judged.map { .init([("dmarc", $0.key.dmarc), ("outcome", $0.key.outcome)], $0.value) })
    exposition.add(
      "martlet_delivered_in_clear_total", .counter, "Recipients whose mail went to an MX host without TLS.",
      [.init([], inClear)])
    exposition.add(
      "martlet_policy_failures_total", .counter,
      "Attempts that failed for want of a channel as safe as was asked for, by what was asked.",
      insecure.samples("asked"))
    exposition.add("martlet_alarms_total", .counter, "Alarms that were raised or cleared.", alarms.samples("what"))
    exposition.add(
      "martlet_destinations_waiting", .gauge, "Destinations whose mail waits after its last attempt, by the reason.",
      waiting.counts.samples("reason"))
    exposition.add(
      "martlet_destination_insecure_seconds", .gauge,
      "How long every attempt at a destination has failed for want of a channel as safe as is asked for; the longest.",
      waiting.longest(MailMetrics.maximumNamedDestinations, at: now).map {
        .init([("destination", $0.route)], $0.seconds)
      })
  }
}

extension MailEvent {
  /// A text in bounds.
  fileprivate func label(_ key: String) -> String? {
    guard case .text(let text)? = self[key] else { return nil }
    return text.cut(toOctets: Exposition.maximumLabelOctets)
  }
}

extension MailEvent.Kind {
  /// `delivered` of `recipient.delivered`.
  fileprivate var lastWord: String { rawValue.split(separator: ".").last.map(String.init) ?? rawValue }
}
