import DequeModule
import MailQueue
import MailSyntax

/// One message on one lane: the unit that is served, in flight, or claimed by an operator.
struct Errand: Hashable, Sendable {
  let id: QueueID
  let lane: Lane
}

/// The part of the queue that is in memory: for each lane a bounded window of what is due, and whose turn it is.
/// A value without effects; `QueueRunner` asks it what to do next and tells it what came of it.
///
/// The store is the truth. What stands here may be stale, so an errand without its message is read before it is
/// served, and a lane that is *dirty*, for which the store may hold more than the window shows, is asked for again.
/// Routes are served in turn, in each route its lanes in turn, in each lane the urgent mail first.
///
/// Every count in it has a bound, whatever the number of destinations: lanes with something to do, lanes that wait for
/// a moment, messages, and what is remembered of routes. What finds no place is left to the store, where a later survey
/// finds it again: surveys go through all lanes in order, each from where the last one stopped, so none is passed over.
/// No step walks through routes or lanes; each costs at most the logarithm of what is there.
struct DueWindow {
  private(set) var options: QueueRunner.Options
  private(set) var routes: RouteTable
  /// Lanes with something to do. Only looked up, as are the dictionaries below: their order never shows.
  var lanes: [Lane: LaneState] = [:]
  /// By `RouteTable.counted`.
  var routeStates: [RouteKey: RouteState] = [:]
  /// Every key of `routeStates` once, in the order in which it is asked whether it can be forgotten.
  var ring: Deque<RouteKey> = []
  /// Routes that may begin something, in turn: those that are known to answer, and destinations that are on trial.
  var ready: Deque<RouteKey> = []
  var trials: Deque<RouteKey> = []
  /// Destinations on trial for which urgent mail has come: before the others.
  var urgentTrials: Deque<RouteKey> = []
  private var isTurnOfTrials = false
  /// Deliveries under way, and those of them to destinations that were on trial.
  var inFlight = 0
  var trialsInFlight = 0
  var standings: [Errand: Standing] = [:]
  /// Ids that are being committed: the fast path brings them, so the store's word of them is left aside. With the
  /// operators' words at that moment.
  private var announced: [QueueID: Int] = [:]
  /// How often an operator's word changed a message, whichever. One count for all: a message that nobody spoke of is
  /// read once more at worst.
  var words = 0
  var heldMessages = 0
  /// When mail that isn't due yet will be, as far as we know, and when routes that pause go on.
  var dues = Agenda<UTCInstant, Lane>()
  var pauses = Agenda<Uptime, RouteKey>()
  /// Lanes in turn on routes that pause.
  var lanesAtRest = 0
  var survey: Survey
  /// The first generation of routes that are met from now on: past all that were before a reload.
  var epoch = 0

  init(options: QueueRunner.Options, routes: RouteTable, uptime: Uptime) {
    self.options = options
    self.routes = routes
    survey = Survey(due: uptime)
  }

  // MARK: What comes in

  mutating func announce(_ id: QueueID) { announced[id] = words }
  mutating func withdraw(_ id: QueueID) { announced[id] = nil }
  func isAnnounced(_ id: QueueID) -> Bool { announced[id] != nil }

  /// Mail that was just made durable. A message that was announced is served without a look into the store, unless an
  /// operator may have found it there in the meantime.
  mutating func accepted(_ message: QueuedMessage, at now: UTCInstant) {
    let isCurrent = announced.removeValue(forKey: message.id) == words
    var seen: Set<Lane> = []
    for recipient in message.recipients where recipient.state == .queued {
      let lane = Lane(route: recipient.recipient.route, account: message.message.account ?? "")
      guard recipient.due <= now else {
        mailWillBeDue(at: recipient.due, in: lane)
        continue
      }
      guard seen.insert(lane).inserted else { continue }
      enqueue(
        Errand(id: message.id, lane: lane), priority: message.message.priority, message: isCurrent ? message : nil)
    }
  }

  mutating func enqueue(_ errand: Errand, priority: PriorityClass, message: QueuedMessage?) {
    guard standings[errand] == nil else { return }
    let lane = errand.lane
    guard hasPlace(for: lane) else { return }
    guard !isFull(lane, for: priority) else {
      markDirty(lane)
      return
    }
    let isHeld = message != nil && heldMessages < options.maximumHeldMessages
    if isHeld { heldMessages += 1 }
    standings[errand] = .ready(isHeld ? message : nil)
    switch priority {
    case .interactive:
      lanes[lane, default: LaneState()].urgent.append(errand.id)
    case .normal: lanes[lane, default: LaneState()].normal.append(errand.id)
    case .bulk: lanes[lane, default: LaneState()].bulk.append(errand.id)
    }
    takeTurn(lane)
    if priority == .interactive { hurry(lane.route) }
  }

  /// While the store holds back mail of a lane, only urgent mail may pass it by.
  private func isFull(_ lane: Lane, for priority: PriorityClass) -> Bool {
    guard standings.count < options.maximumErrands else { return true }
    guard let state = lanes[lane] else { return false }
    switch priority {
    case .interactive: return state.urgent.count >= options.window
    case .normal, .bulk: return state.isDirty || state.isRefilling || state.waiting >= options.window
    }
  }

  /// The store may hold more due mail of this lane than the window shows. False where memory has no place for it.
  @discardableResult
  mutating func markDirty(_ lane: Lane) -> Bool {
    guard hasPlace(for: lane) else { return false }
    lanes[lane, default: LaneState()].isDirty = true
    takeTurn(lane)
    return true
  }

  /// The moments of the lanes that are due first are kept.
  mutating func mailWillBeDue(at instant: UTCInstant, in lane: Lane) {
    if let known = dues[lane], known <= instant { return }
    dues.set(lane, to: instant)
    if dues.count > options.maximumLanes { dues.popLast() }
  }

  // MARK: What is to be done

  /// The next thing to do at this moment, which is then under way; nil when nothing is.
  mutating func next(now: UTCInstant, uptime: Uptime) -> Work? {
    if let page = nextPage(at: uptime) { return page }
    while let lane = dues.popFirst(at: now) { markDirty(lane) }
    while let key = pauses.popFirst(at: uptime) { resume(key) }
    while let key = nextRoute() {
      if let work = next(on: key) { return work }
    }
    return nil
  }

  /// Whether some route in turn has work and room for it now. True too where `next` would find the work already done.
  func mayBegin(at uptime: Uptime) -> Bool {
    !ready.isEmpty || mayTry || pauses.earliest.map { $0 <= uptime } ?? false
  }

  private var mayTry: Bool {
    (!trials.isEmpty && trialsInFlight < options.maximumTrials)
      || (!urgentTrials.isEmpty && trialsInFlight < options.maximumUrgentTrials)
  }

  /// Known routes and destinations on trial by turns. A destination that may never answer holds a delivery for minutes,
  /// so all of them together get a part of the deliveries only: the rest is for those that are known to answer.
  private mutating func nextRoute() -> RouteKey? {
    while let (key, isTrial) = popRoute() {
      guard isOnTrial(key) == isTrial else {
        list(key)
        continue
      }
      if mayBegin(key) { return key }
    }
    return nil
  }

  private mutating func popRoute() -> (key: RouteKey, isTrial: Bool)? {
    let isTrial = mayTry && (ready.isEmpty || isTurnOfTrials)
    isTurnOfTrials = !isTrial
    guard isTrial else {
      guard let key = ready.popFirst() else { return nil }
      routeStates[key]?.isReady = false
      return (key, false)
    }
    if let key = urgentTrials.popFirst() {
      routeStates[key]?.isInUrgentTrials = false
      routeStates[key]?.isUrgent = false
      return (key, true)
    }
    guard let key = trials.popFirst() else { return nil }
    routeStates[key]?.isInTrials = false
    return (key, true)
  }

  private mutating func next(on key: RouteKey) -> Work? {
    defer { list(key) }
    while let lane = routeStates[key]?.turn.popFirst() {
      lanes[lane]?.isInTurn = false
      while let id = lanes[lane]?.popFirst() {
        let errand = Errand(id: id, lane: lane)
        guard case .ready(let message)? = standings[errand] else { continue }
        return .attempt(errand, message, generation: begin(errand, on: key))
      }
      guard let state = lanes[lane], state.isDirty, !state.isRefilling else {
        tidy(lane)
        continue
      }
      lanes[lane]?.isDirty = false
      lanes[lane]?.isRefilling = true
      // The store still shows what is in flight, so it is asked for that much more.
      return .refill(lane, limit: supply(of: key) + state.delivering + state.claimed + announced.count)
    }
    return nil
  }

  private mutating func begin(_ errand: Errand, on key: RouteKey) -> Int {
    let isTrial = isOnTrial(key)
    take(errand, isTrial: isTrial)
    lanes[errand.lane]?.delivering += 1
    inFlight += 1
    if isTrial { trialsInFlight += 1 }
    routeStates[key]?.inFlight += 1
    routeStates[key]?.wasUsed = true
    takeTurn(errand.lane)
    return routeStates[key]?.backOff.begin() ?? 0
  }

  mutating func take(_ errand: Errand, isTrial: Bool) {
    if case .ready(.some)? = standings[errand] { heldMessages -= 1 }
    standings[errand] = .taken(words: words, isTrial: isTrial)
  }

  /// Messages that are fetched at once: a window where the route is quick, few where it has hardly begun, and where
  /// memory holds as many as it may.
  private func supply(of key: RouteKey) -> Int {
    guard standings.count < options.maximumErrands else { return min(options.window, DueWindow.smallestShare) }
    let pace = min(routeStates[key]?.pace ?? 1, options.window)
    return min(options.window, pace * DueWindow.supply)
  }

  /// The moment to look again when nothing else happens before.
  func nextWake(now: UTCInstant, uptime: Uptime) -> Uptime? {
    var moments: [Uptime] = survey.began == nil ? [survey.due] : []
    if let earliest = dues.earliest { moments.append(uptime + max(.zero, earliest - now)) }
    if let earliest = pauses.earliest { moments.append(earliest) }
    return moments.min()
  }

  // MARK: Configuration

  /// Takes new routes for the old. Each is tried at once, for what it rested from may be mended; and what comes of
  /// deliveries under way says nothing of it.
  mutating func replace(routes: RouteTable, options: QueueRunner.Options) {
    self.routes = routes
    self.options = options
    // A generation grows by one with a change: no route sees so many before a reload.
    epoch += 1 << 32
    (routeStates, ring, ready, trials, urgentTrials) = ([:], [], [], [], [])
    pauses = Agenda()
    lanesAtRest = 0
    for lane in lanes.keys.sorted() {
      if let delivering = lanes[lane]?.delivering, delivering > 0 {
        routeStates[meet(lane.route)]?.inFlight += delivering
      }
      lanes[lane]?.isInTurn = false
      takeTurn(lane)
    }
  }
}
