import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import SMTPGrammar
import Simulation

@testable import Relay

/// Messages, lanes and options that the tests of the queue share.
enum Fixture {
  static let start = UTCInstant(seconds: 1_800_000_000)
  static let alpha = RouteKey(rawValue: "alpha")
  static let beta = RouteKey(rawValue: "beta")

  static func options(_ change: (inout QueueRunner.Options) -> Void = { _ in }) throws -> QueueRunner.Options {
    var options = QueueRunner.Options(
      hostName: try DomainName("mx.example.com"), schedule: try RetrySchedule(delays: [.seconds(300)], jitterPercent: 0)
    )
    change(&options)
    return options
  }

  static func id(_ number: Int) -> QueueID { QueueID(acceptedAt: start, random: UInt64(number)) }

  static func message(
    _ number: Int, from sender: String? = "anna@example.com",
    to recipients: [(String, RouteKey)] = [("x@there.example", alpha)],
    notify: Notify? = nil, account: String? = "anna", priority: PriorityClass = .normal, at instant: UTCInstant = start,
    expiresAfter: Duration = .seconds(5 * 86_400)
  ) throws -> NewMessage {
    NewMessage(
      id: id(number), reversePath: try sender.map { .mailbox(try Mailbox($0)) } ?? .null,
      recipients: try recipients.map { NewRecipient(address: try Mailbox($0.0), route: $0.1, notify: notify) },
      account: account, priority: priority, receivedAt: instant, expiresAt: instant + expiresAfter,
      prefix: ByteBuffer(string: "Received: from here\r\n"))
  }

  static func queued(_ message: NewMessage) -> QueuedMessage { QueuedMessage(accepting: message, bodySize: 100) }

  static func lane(_ route: RouteKey, _ account: String = "anna") -> Lane { Lane(route: route, account: account) }

  static func table(_ routes: OrderedDictionary<RouteKey, Int>) -> RouteTable {
    RouteTable(routes.mapValues { Route(deliverer: SilentDeliverer(), maximumConcurrency: $0) })
  }
}

/// Says nothing of any recipient.
struct SilentDeliverer: Deliverer {
  func deliver(_ job: DeliveryJob) async -> DeliveryResult { DeliveryResult(host: "silent", tls: nil, outcomes: []) }
}
