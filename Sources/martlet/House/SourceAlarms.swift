import MailQueue
import MailSyntax
import SMTPTransport
import Synchronization

/// Says once that an address of `outbound.sources` can't be had, and once that all of them can again.
final class SourceAlarms: SourceWatch {
  static let what = "source-address-missing"

  private let events: any EventSink
  private let missing = Mutex<Set<IPAddress>>([])

  init(events: any EventSink) { self.events = events }

  func had(_ address: IPAddress) {
    let isOver = missing.withLock { $0.remove(address) != nil && $0.isEmpty }
    guard isOver else { return }
    events.record(
      MailEvent(.alarm, [.init("what", .text("source-address-back")), .init("clears", .text(SourceAlarms.what))]))
  }

  func lacked(_ address: IPAddress, reason: String) {
    let isNews = missing.withLock { $0.insert(address).inserted }
    guard isNews else { return }
    events.record(
      MailEvent(
        .alarm,
        [
          .init("what", .text(SourceAlarms.what)), .init("until-cleared", .flag(true)),
          .init("reason", .text("\(reason), so mail for its family waits")),
          .init("remedy", .text("give the machine the address, or take it out of outbound.sources and reload")),
        ]))
  }
}
