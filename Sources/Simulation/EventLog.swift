public import MailQueue
import Synchronization

/// Keeps every event that would be logged.
public final class EventLog: EventSink {
  private let kept = Mutex<[MailEvent]>([])
  public init() {}
  public func record(_ event: MailEvent) { kept.withLock { $0.append(event) } }
  public var events: [MailEvent] { kept.withLock { $0 } }
  public var kinds: [MailEvent.Kind] { events.map(\.kind) }
}
