public import MailQueue
public import MailSyntax
import OrderedCollections
import SMTPSessions

/// A delivery at this moment.
public struct DeliveryUnderWay: Hashable, Sendable {
  public let id: QueueID
  public let route: RouteKey
  /// The numbers of its recipients.
  public let recipients: [Int]
  public let since: UTCInstant
  public init(id: QueueID, route: RouteKey, recipients: [Int], since: UTCInstant) {
    self.id = id
    self.route = route
    self.recipients = recipients
    self.since = since
  }
}

extension QueueRunner {
  /// Deliveries of a message at this moment, one for each of its routes at most.
  public func underWay(of id: QueueID) -> [DeliveryUnderWay] {
    withState { state in state.underWay.values.filter { $0.id == id } }
  }

  /// Those at the end of the time that a stop gives them: their recipients are queued as they were, and a host that had
  /// the message already gets it again.
  func tellOfCuts() {
    for delivery in withState({ Array($0.underWay.values) }) {
      events.record(
        MailEvent(
          .deliveryCut,
          [
            .init("id", .text(delivery.id.description)), .init("route", .text(delivery.route.description)),
            .init("recipients", .number(delivery.recipients.count)),
            .init("for-seconds", .number(Int(clamping: (clock.now - delivery.since).components.seconds))),
          ]))
    }
  }
}
