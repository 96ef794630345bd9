import MailQueue
import MailSyntax
import SystemWorld

/// Hears what the houses tell of themselves, in one stream. Listened to by one task.
final class DemoEars: Sendable {
  /// More than a demonstration that goes well makes, so that none is missed.
  static let maximumUnheard = 4_096

  struct Delivery: Hashable, Sendable {
    let tls: String
    let at: Uptime
  }

  private struct Word: Sendable {
    let house: String
    let event: MailEvent
    let at: Uptime
  }

  private let words: AsyncStream<Word>
  private let continuation: AsyncStream<Word>.Continuation

  init() {
    (words, continuation) = AsyncStream.makeStream(
      of: Word.self, bufferingPolicy: .bufferingOldest(DemoEars.maximumUnheard))
  }

  func listener(_ house: String) -> some EventSink { Listener(house: house, continuation: continuation) }

  private struct Listener: EventSink {
    let house: String
    let continuation: AsyncStream<Word>.Continuation
    func record(_ event: MailEvent) {
      continuation.yield(Word(house: house, event: event, at: SystemClock().uptime))
    }
  }

  /// Waits until `house` has delivered to `recipient`.
  ///
  /// - Throws: `DemoFault.notDelivered` when either house deferred it or gave it up; `CancellationError` when nobody
  ///   wants to know any more.
  func delivery(of recipient: String, by house: String) async throws -> Delivery {
    for await word in words where word.event.text("recipient") == recipient {
      switch word.event.kind {
      case .delivered where word.house == house:
        return Delivery(tls: word.event.text("tls"), at: word.at)
      case .deferred, .failed:
        throw DemoFault.notDelivered("\(word.house): \(word.event.text("result"))")
      case .delivered, .sessionOpened, .sessionSecured, .sessionClosed, .authenticated, .authenticationFailed,
        .commandRefused, .wrongWrapper, .addressLimited, .accepted, .held, .released, .rescheduled, .removed, .reported,
        .delayReported,
        .doubleBounce, .started, .stopping, .stopped, .reloaded, .dnssecProven, .alarm:
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
