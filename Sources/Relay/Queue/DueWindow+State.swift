import DequeModule
import MailQueue
import MailSyntax

extension DueWindow {
  enum Work: Hashable, Sendable {
    /// Ask the store for lanes with mail, from behind one.
    case survey(after: Lane?, limit: Int)
    /// Ask the store for due mail of the lane.
    case refill(Lane, limit: Int)
    /// Deliver; without the message, read it first.
    case attempt(Errand, QueuedMessage?, generation: Int)
  }

  static let staleRefillPause = Duration.seconds(1)
  /// How long a lane or a message that the store couldn't read waits.
  static let readAgainAfter = Duration.seconds(5)
  /// A next hop that has no room is asked again no sooner, whatever it says.
  static let shortestPause = Duration.milliseconds(10)
  /// Messages that any lane may hold, however many the others do.
  static let smallestShare = 4
  /// Messages in memory, in relation to the deliveries that a route may have at once.
  static let supply = 10
  /// The store is read for lanes in no more than this part of the time: 1 in 10.
  static let surveyPart = 10

  /// What an attempt says of its route.
  enum Verdict: Hashable, Sendable {
    /// Nothing was tried, or it was cut short.
    case nothing
    /// The next hop's limits left no room, for so long; the message stands as it stood.
    case busy(Duration, PriorityClass)
    /// The host answered, whatever it said of the mail.
    case answered
    /// The host or the destination failed.
    case failed
  }

  enum Standing {
    case ready(QueuedMessage?)
    /// Being delivered, or in an operator's hands, since so many operators' words.
    case taken(words: Int, isTrial: Bool)
  }

  /// Mail of one lane that is to be served, or is being served.
  struct LaneState {
    var urgent: Deque<QueueID> = []
    /// What the store gave, in its order.
    var fetched: Deque<QueueID> = []
    var normal: Deque<QueueID> = []
    var bulk: Deque<QueueID> = []
    var isDirty = false
    var isRefilling = false
    var isInTurn = false
    /// Errands that are being delivered, and that are in an operator's hands.
    var delivering = 0
    var claimed = 0

    var isIdle: Bool { isEmpty && !isDirty && !isInTurn && !isInHand }
    /// Somebody will come back to it.
    var isInHand: Bool { isRefilling || delivering > 0 || claimed > 0 }
    var isEmpty: Bool { urgent.isEmpty && fetched.isEmpty && normal.isEmpty && bulk.isEmpty }
    var waiting: Int { fetched.count + normal.count + bulk.count }
    mutating func popFirst() -> QueueID? {
      urgent.popFirst() ?? fetched.popFirst() ?? normal.popFirst() ?? bulk.popFirst()
    }
  }

  /// One key's deliveries: how many there are, how many there may be, and whether it rests.
  struct RouteState {
    /// Lanes that want something done.
    var turn: Deque<Lane> = []
    /// Whether it stands among those that may begin, and among which.
    var isReady = false
    var isInTrials = false
    var isInUrgentTrials = false
    /// Urgent mail has come for it since it last began for the sake of such.
    var isUrgent = false
    var inFlight = 0
    /// How many deliveries at once it has been found good for: see `DueWindow.judge`.
    var pace: Int
    /// The host has answered since it last failed.
    var hasAnswered = false
    /// It rests from a failure or waits for room, until its moment in `pauses`.
    var isPaused = false
    var backOff: RouteBackOff
    /// Since it was last looked at whether it could be forgotten.
    var wasUsed = true

    init(pace: Int, generation: Int) {
      self.pace = pace
      backOff = RouteBackOff(generation: generation)
    }

    var isIdle: Bool { turn.isEmpty && inFlight == 0 }
  }

  /// The way through all lanes of the store, a page at a time, again and again.
  struct Survey {
    /// When the next page is asked for.
    var due: Uptime
    /// Where the pass stands: nil at its beginning.
    var after: Lane?
    /// Since when a page is being read.
    var began: Uptime?
    /// What the pass has taken so far.
    var spent = Duration.zero
    /// A lane with mail that is due found no place in memory: the pass goes on from there when there is some.
    var isShortOfRoom = false
  }
}
