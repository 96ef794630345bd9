import MailQueue
import MailSyntax
import Synchronization
import SystemWorld

/// Hears what the houses tell of themselves, in one stream. Listened to by one task.
final class DemoEars: Sendable {
  /// More than a demonstration that goes well makes, so that none is missed.
  static let maximumUnheard = 4_096

  /// What a house tells of an attempt to hand a message on.
  struct Report: Hashable, Sendable {
    let isDelivered: Bool
    let host: String
    let tls: String
    let result: String
    /// The rule that decided; empty for a success.
    let reason: String
    /// The verdict that the attempt was made under, and what the host's TLSA records proved; empty where there was none.
    var policy = ""
    var dane = ""
    /// The MTA-STS policy that was in force, by its mode and id.
    var sts = ""
    let at: Uptime
  }

  /// What was told of one recipient of the relay's.
  struct Fate: Hashable, Sendable {
    let relay: Report
    /// Of the house that took it; nil where the relay kept it.
    let arrival: Report?
  }

  private struct Word: Sendable {
    let house: String
    let event: MailEvent
    let at: Uptime
  }

  private struct Acceptance: Hashable {
    let house: String
    let recipient: String
  }

  private let words: AsyncStream<Word>
  private let continuation: AsyncStream<Word>.Continuation
  private let accepted = Mutex<Set<Acceptance>>([])

  init() {
    (words, continuation) = AsyncStream.makeStream(
      of: Word.self, bufferingPolicy: .bufferingOldest(DemoEars.maximumUnheard))
  }

  func listener(_ house: String) -> some EventSink { Listener(house: house, ears: self) }

  private struct Listener: EventSink {
    let house: String
    let ears: DemoEars
    func record(_ event: MailEvent) {
      if event.kind == .accepted {
        ears.accepted.withLock { _ = $0.insert(Acceptance(house: house, recipient: event.text("to"))) }
      }
      ears.continuation.yield(Word(house: house, event: event, at: SystemClock().uptime))
    }
  }

  /// Whether `house` has accepted a message to `recipient` and nobody else until now.
  func hasAccepted(_ recipient: String, by house: String) -> Bool {
    accepted.withLock { $0.contains(Acceptance(house: house, recipient: recipient)) }
  }

  /// Waits until each of `houses` has delivered to `recipient`, in whatever order they tell of it.
  ///
  /// - Returns: in the order of `houses`.
  /// - Throws: `DemoFault.notDelivered` when one of them deferred it or gave it up; `CancellationError` when nobody wants
  ///   to know any more.
  func deliveries(of recipient: String, by houses: [String]) async throws -> [Report] {
    var heard: [String: Report] = [:]
    while heard.count < houses.count {
      let (house, report) = try await attempt(for: recipient)
      guard report.isDelivered else { throw DemoFault.notDelivered("\(house): \(report.result)") }
      if houses.contains(house) { heard[house] = report }
    }
    return houses.compactMap { heard[$0] }
  }

  /// Waits until `house` has told of its first attempt for each recipient, and where that delivered, the next house of
  /// its own.
  ///
  /// - Throws: `CancellationError` when nobody wants to know any more.
  func fates(of recipients: [String], by house: String) async throws -> [String: Fate] {
    var open = Set(recipients)
    var first: [String: Report] = [:]
    var arrivals: [String: Report] = [:]
    var fates: [String: Fate] = [:]
    for await word in words {
      let recipient = word.event.text("recipient")
      guard open.contains(recipient), let report = DemoEars.attempt(word) else { continue }
      if word.house == house {
        first[recipient] = first[recipient] ?? report
      } else if report.isDelivered {
        arrivals[recipient] = report
      }
      guard let relay = first[recipient], !relay.isDelivered || arrivals[recipient] != nil else { continue }
      fates[recipient] = Fate(relay: relay, arrival: arrivals[recipient])
      open.remove(recipient)
      if open.isEmpty { return fates }
    }
    throw CancellationError()
  }

  /// Waits for the next attempt that any house tells of.
  private func attempt(for recipient: String) async throws -> (house: String, report: Report) {
    for await word in words where word.event.text("recipient") == recipient {
      if let report = DemoEars.attempt(word) { return (word.house, report) }
    }
    throw CancellationError()
  }

  /// Nil for what tells of no attempt.
  private static func attempt(_ word: Word) -> Report? {
    switch word.event.kind {
    case .delivered, .deferred, .failed:
      return Report(
        isDelivered: word.event.kind == .delivered, host: word.event.text("host"), tls: word.event.text("tls"),
        result: word.event.text("result"), reason: word.event.text("reason"), policy: word.event.text("policy"),
        dane: word.event.text("dane"), sts: word.event.text("mta-sts"), at: word.at)
    case .sessionOpened, .sessionSecured, .sessionClosed, .authenticated, .authenticationFailed,
      .commandRefused, .wrongWrapper, .addressLimited, .listed, .listUnanswered, .accepted, .held, .released,
      .rescheduled, .removed, .reported,
      .delayReported,
      .doubleBounce, .deliveryCut, .overrideAdded, .overrideEnded, .policyForgotten, .downgraded,
      .selectorChanged, .unauthenticated, .started, .stopping, .stopped, .reloaded, .dnssecProven, .alarm:
      return nil
    }
  }
}

extension MailEvent {
  fileprivate func text(_ key: String) -> String {
    guard case .text(let text)? = self[key] else { return "" }
    return text
  }
}
