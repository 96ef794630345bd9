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
    let at: Uptime
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

  /// Waits for the next attempt that any house tells of.
  func attempt(for recipient: String) async throws -> (house: String, report: Report) {
    for await word in words where word.event.text("recipient") == recipient {
      switch word.event.kind {
      case .delivered, .deferred, .failed:
        let report = Report(
          isDelivered: word.event.kind == .delivered, host: word.event.text("host"), tls: word.event.text("tls"),
          result: word.event.text("result"), reason: word.event.text("reason"), at: word.at)
        return (word.house, report)
      case .sessionOpened, .sessionSecured, .sessionClosed, .authenticated, .authenticationFailed,
        .commandRefused, .wrongWrapper, .addressLimited, .listed, .listUnanswered, .accepted, .held, .released,
        .rescheduled, .removed, .reported,
        .delayReported,
        .doubleBounce, .deliveryCut, .started, .stopping, .stopped, .reloaded, .dnssecProven, .alarm:
        break
      }
    }
    throw CancellationError()
  }
}

extension MailEvent {
  fileprivate func text(_ key: String) -> String {
    guard case .text(let text)? = self[key] else { return "" }
    return text
  }
}
