import DequeModule
import MailQueue
import MailSyntax

extension DueWindow {
  enum Work: Hashable, Sendable {
    /// Ask the store which lanes have mail.
    case survey
    /// Ask the store for due mail of the lane.
    case refill(Lane, limit: Int)
    /// Deliver; without the message, read it first.
    case attempt(Errand, QueuedMessage?, generation: Int)
  }

  static let staleRefillPause = Duration.seconds(1)

  /// What an attempt says of its route.
  enum Verdict: Hashable, Sendable {
    /// Nothing was tried, or it was cut short.
    case nothing
    /// The host answered, whatever it said of the mail.
    case answered
    /// The host or the destination failed.
    case failed
  }

  enum Standing {
    case ready(QueuedMessage?)
    /// Being delivered, or in an operator's hands, since so many operators' words.
    case taken(words: Int)
  }

  struct LaneState {
    var urgent: Deque<QueueID> = []
    /// What the store gave, in its order.
    var fetched: Deque<QueueID> = []
    var normal: Deque<QueueID> = []
    var bulk: Deque<QueueID> = []
    var isDirty = false
    var isRefilling = false
    var isInTurn = false
    /// Errands that are being delivered or in an operator's hands.
    var inFlight = 0
    /// When mail that isn't due yet will be, as far as we know.
    var nextDue: UTCInstant?

    var isIdle: Bool { isEmpty && !isDirty && !isRefilling && inFlight == 0 && !isInTurn }
    var isEmpty: Bool { urgent.isEmpty && fetched.isEmpty && normal.isEmpty && bulk.isEmpty }
    var waiting: Int { fetched.count + normal.count + bulk.count }
    mutating func popFirst() -> QueueID? {
      urgent.popFirst() ?? fetched.popFirst() ?? normal.popFirst() ?? bulk.popFirst()
    }
  }

  struct RouteState {
    var turn: Deque<Lane> = []
    var isInTurn = false
    var inFlight = 0
    var backOff = RouteBackOff()
  }
}
