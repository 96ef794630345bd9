public import MailSyntax

/// What stands at the moment of asking, and isn't counted from events.
public struct ServerFigures: Sendable {
  public var version: String
  public var startedAt: UTCInstant
  public var messages: Int
  public var recipientsQueued: Int
  public var recipientsHeld: Int
  public var deliveriesInFlight: Int
  /// False where the store is out of room, or has stopped.
  public var isAccepting: Bool
  /// The kind of each alarm that stands, as often as it does.
  public var standingAlarms: [String]

  public init(
    version: String, startedAt: UTCInstant, messages: Int, recipientsQueued: Int, recipientsHeld: Int,
    deliveriesInFlight: Int, isAccepting: Bool, standingAlarms: [String]
  ) {
    self.version = version
    self.startedAt = startedAt
    self.messages = messages
    self.recipientsQueued = recipientsQueued
    self.recipientsHeld = recipientsHeld
    self.deliveriesInFlight = deliveriesInFlight
    self.isAccepting = isAccepting
    self.standingAlarms = standingAlarms
  }

  func append(to exposition: inout Exposition) {
    exposition.add("martlet_info", .gauge, "The server's version.", [.init([("version", version)], 1)])
    exposition.add(
      "martlet_start_time_seconds", .gauge, "When the server began, in seconds since 1970.",
      [.init([], Int(startedAt.seconds))])
    exposition.add("martlet_queue_messages", .gauge, "Messages in the queue.", [.init([], messages)])
    exposition.add(
      "martlet_queue_recipients", .gauge, "Recipients in the queue, by their state.",
      [.init([("state", "queued")], recipientsQueued), .init([("state", "held")], recipientsHeld)])
    exposition.add(
      "martlet_deliveries_in_flight", .gauge, "Deliveries under way.", [.init([], deliveriesInFlight)])
    exposition.add(
      "martlet_store_accepting", .gauge, "1 where the store takes mail, 0 where it is out of room or has stopped.",
      [.init([], isAccepting ? 1 : 0)])
    var alarms = LabelledCounts()
    for what in standingAlarms { alarms.add(what) }
    exposition.add(
      "martlet_alarms_standing", .gauge, "Alarms that stand, as martlet queue status shows them.",
      alarms.samples("what"))
  }
}
