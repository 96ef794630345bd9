import MailQueue
import MailSyntax
import QueueModel
import Relay
import Synchronization
import TransportSecurity

/// What is said, in its order.
final class PolicyLog: EventSink {
  private let log = Mutex<[MailEvent]>([])
  func record(_ event: MailEvent) { log.withLock { $0.append(event) } }
  var events: [MailEvent] { log.withLock { $0 } }
  func events(_ kind: MailEvent.Kind) -> [MailEvent] { events.filter { $0.kind == kind } }
}

/// `bücher.example` has another spelling; other names have one.
struct OneUmlaut: IDNAConverter {
  func asciiForm(of name: DomainName) -> DomainName? {
    name.folded.hasSuffix("bücher.example") ? try? DomainName("xn--bcher-kva.example") : nil
  }
}

extension Duration {
  static func hours(_ count: Int) -> Duration { .seconds(count * 3_600) }
  static func days(_ count: Int) -> Duration { .hours(count * 24) }
}
