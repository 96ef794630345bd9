import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@testable import martlet

/// Messages as an operator meets them, at a moment that stands still: 2026-11-22T11:45:00.000Z.
enum Sample {
  static let now = UTCInstant(seconds: 1_795_347_900)
  static let outbound = RouteKey(rawValue: "outbound")

  static func id(_ number: Int, age: Duration = .zero) -> QueueID {
    QueueID(acceptedAt: UTCInstant(nanoseconds: now.nanoseconds - age.nanoseconds), random: UInt64(number))
  }

  static func message(
    _ number: Int, age: Duration, from sender: String?, to recipients: [(String, RecipientState, Duration, String?)],
    size: Int = 4096, account: String? = nil, wish: TLSWish = .unstated
  ) throws -> QueuedMessage {
    let receivedAt = UTCInstant(nanoseconds: now.nanoseconds - age.nanoseconds)
    let message = NewMessage(
      id: id(number, age: age), reversePath: try sender.map { .mailbox(try Mailbox($0)) } ?? .null,
      recipients: try recipients.map { NewRecipient(address: try Mailbox($0.0), route: outbound) }, tlsWish: wish,
      account: account,
      receivedAt: receivedAt, expiresAt: receivedAt + .seconds(5 * 86_400), prefix: ByteBuffer())
    var queued = QueuedMessage(accepting: message, bodySize: ByteCount(size))
    for (index, recipient) in recipients.enumerated() {
      queued.recipients[index].state = recipient.1
      queued.recipients[index].due = now + recipient.2
      queued.recipients[index].lastResult = recipient.3
    }
    return queued
  }

  static func answers(_ queued: QueuedMessage) -> [ControlAnswer] {
    [.message(MessageFacts(queued))] + queued.recipients.map { .recipient(RecipientFacts($0)) }
  }

  static func event(
    _ kind: MailEvent.Kind, after delay: Duration, _ fields: [(String, MailEvent.Value)]
  ) -> ControlAnswer {
    .event(
      EventFacts(
        StampedEvent(sequence: 1, instant: now + delay, event: MailEvent(kind, fields.map { .init($0.0, $0.1) }))))
  }
}

/// A folder of its own, removed with the test. What a run that was killed left behind goes with a later one.
final class TestFolder {
  let path: String
  private static let prefix = "mm-"

  private static let leftovers: Void = {
    let manager = FileManager.default
    let temporary = NSTemporaryDirectory() + "/"
    for name in (try? manager.contentsOfDirectory(atPath: temporary)) ?? [] where name.hasPrefix(prefix) {
      let made = (try? manager.attributesOfItem(atPath: temporary + name))?[.modificationDate] as? Date
      // No run takes an hour: a younger one may be another's.
      if let made, made.timeIntervalSinceNow < -3_600 { try? manager.removeItem(atPath: temporary + name) }
    }
  }()

  init() throws {
    _ = TestFolder.leftovers
    path = NSTemporaryDirectory() + "/\(TestFolder.prefix)\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// No line of a text is wider than a terminal's 80 columns.
func expectFits(_ lines: [String], sourceLocation: SourceLocation = #_sourceLocation) {
  for line in lines {
    #expect(QueueText.displayWidth(line) <= 80, "\(line)", sourceLocation: sourceLocation)
  }
}
