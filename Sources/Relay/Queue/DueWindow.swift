import DequeModule
import MailQueue
import MailSyntax
import OrderedCollections

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
struct DueWindow {
  private(set) var options: QueueRunner.Options
  private(set) var routes: RouteTable
  private(set) var lanes: OrderedDictionary<Lane, LaneState> = [:]
  private(set) var routeStates: OrderedDictionary<RouteKey, RouteState> = [:]
  private var routeTurn: Deque<RouteKey> = []
  private var standings: [Errand: Standing] = [:]
  /// Ids that are being committed: the fast path brings them, so the store's word of them is left aside. With the
  /// operators' words at that moment.
  private var announced: [QueueID: Int] = [:]
  /// How often an operator's word changed a message, whichever. One count for all: a message that nobody spoke of is
  /// read once more at worst.
  private var words = 0
  private(set) var heldMessages = 0
  private var earliestDue: UTCInstant?
  private var surveyDue: Uptime
  private var isSurveying = false

  init(options: QueueRunner.Options, routes: RouteTable, uptime: Uptime) {
    self.options = options
    self.routes = routes
    surveyDue = uptime
  }

  // MARK: What comes in

  mutating func announce(_ id: QueueID) { announced[id] = words }
  mutating func withdraw(_ id: QueueID) { announced[id] = nil }

  /// Mail that was just made durable. A message that was announced is served without a look into the store, unless an
  /// operator may have found it there in the meantime.
  mutating func accepted(_ message: QueuedMessage, at now: UTCInstant) {
    let isCurrent = announced.removeValue(forKey: message.id) == words
    var seen: OrderedSet<Lane> = []
    for recipient in message.recipients where recipient.state == .queued {
      let lane = Lane(route: recipient.recipient.route, account: message.message.account ?? "")
      guard recipient.due <= now else {
        mailWillBeDue(at: recipient.due, in: lane)
        continue
      }
      guard seen.append(lane).inserted else { continue }
      enqueue(
        Errand(id: message.id, lane: lane), priority: message.message.priority, message: isCurrent ? message : nil)
    }
  }

  mutating func enqueue(_ errand: Errand, priority: PriorityClass, message: QueuedMessage?) {
    guard standings[errand] == nil else { return }
    let lane = errand.lane
    guard !isFull(lane, for: priority) else { return markDirty(lane) }
    let isHeld = message != nil && heldMessages < options.maximumHeldMessages
    if isHeld { heldMessages += 1 }
    standings[errand] = .ready(isHeld ? message : nil)
    switch priority {
    case .interactive: lanes[lane, default: LaneState()].urgent.append(errand.id)
    case .normal: lanes[lane, default: LaneState()].normal.append(errand.id)
    case .bulk: lanes[lane, default: LaneState()].bulk.append(errand.id)
    }
    takeTurn(lane)
  }

  /// While the store holds back mail of a lane, only urgent mail may pass it by.
  private func isFull(_ lane: Lane, for priority: PriorityClass) -> Bool {
    guard let state = lanes[lane] else { return false }
    switch priority {
    case .interactive: return state.urgent.count >= options.window
    case .normal, .bulk: return state.isDirty || state.isRefilling || state.waiting >= options.window
    }
  }

  /// The store may hold more due mail of this lane than the window shows.
  mutating func markDirty(_ lane: Lane) {
    lanes[lane, default: LaneState()].isDirty = true
    takeTurn(lane)
  }

  mutating func mailWillBeDue(at instant: UTCInstant, in lane: Lane) {
    let known = lanes[lane, default: LaneState()].nextDue
    lanes[lane, default: LaneState()].nextDue = known.map { min($0, instant) } ?? instant
    earliestDue = earliestDue.map { min($0, instant) } ?? instant
  }

  private mutating func takeTurn(_ lane: Lane) {
    guard let state = lanes[lane], !state.isInTurn, !state.isEmpty || (state.isDirty && !state.isRefilling) else {
      return
    }
    lanes[lane]?.isInTurn = true
    routeStates[lane.route, default: RouteState()].turn.append(lane)
    guard routeStates[lane.route]?.isInTurn == false else { return }
    routeStates[lane.route]?.isInTurn = true
    routeTurn.append(lane.route)
  }

  // MARK: What is to be done

  /// The next thing to do at this moment, which is then under way; nil when nothing is.
  mutating func next(now: UTCInstant, uptime: Uptime) -> Work? {
    if !isSurveying, surveyDue <= uptime {
      isSurveying = true
      return .survey
    }
    wakeLanes(now)
    for _ in 0..<routeTurn.count {
      guard let key = routeTurn.popFirst() else { break }
      guard let route = routeStates[key], !route.turn.isEmpty else {
        routeStates[key]?.isInTurn = false
        continue
      }
      routeTurn.append(key)
      guard mayBegin(key, route, at: uptime) else { continue }
      if let work = next(on: key) { return work }
    }
    return nil
  }

  /// Whether some route in turn has work and room for it now. True too where `next` would find the work already done.
  func mayBegin(at uptime: Uptime) -> Bool {
    routeTurn.contains { key in routeStates[key].map { mayBegin(key, $0, at: uptime) } ?? false }
  }

  private func mayBegin(_ key: RouteKey, _ route: RouteState, at uptime: Uptime) -> Bool {
    route.inFlight < routes[key]?.maximumConcurrency ?? 1 && !route.backOff.isResting(at: uptime)
      && !route.backOff.isProbing
  }

  private mutating func next(on key: RouteKey) -> Work? {
    for _ in 0..<(routeStates[key]?.turn.count ?? 0) {
      guard let lane = routeStates[key]?.turn.popFirst() else { return nil }
      lanes[lane]?.isInTurn = false
      while let id = lanes[lane]?.popFirst() {
        let errand = Errand(id: id, lane: lane)
        guard case .ready(let message)? = standings[errand] else { continue }
        take(errand)
        lanes[lane]?.inFlight += 1
        routeStates[key]?.inFlight += 1
        takeTurn(lane)
        return .attempt(errand, message, generation: routeStates[key]?.backOff.begin() ?? 0)
      }
      guard let state = lanes[lane], state.isDirty, !state.isRefilling else { continue }
      lanes[lane]?.isDirty = false
      lanes[lane]?.isRefilling = true
      // The store still shows what is in flight, so it is asked for that much more.
      return .refill(lane, limit: options.window + state.inFlight + announced.count)
    }
    return nil
  }

  private mutating func take(_ errand: Errand) {
    if case .ready(.some)? = standings[errand] { heldMessages -= 1 }
    standings[errand] = .taken(words: words)
  }

  private mutating func wakeLanes(_ now: UTCInstant) {
    guard let due = earliestDue, due <= now else { return }
    earliestDue = nil
    for lane in lanes.keys {
      guard let next = lanes[lane]?.nextDue else { continue }
      if next <= now {
        lanes[lane]?.nextDue = nil
        markDirty(lane)
      } else {
        earliestDue = earliestDue.map { min($0, next) } ?? next
      }
    }
  }

  // MARK: What came of it

  mutating func surveyed(_ summaries: [LaneSummary], now: UTCInstant, uptime: Uptime) {
    isSurveying = false
    surveyDue = uptime + options.surveyInterval
    let present = OrderedSet(summaries.map(\.lane))
    lanes.removeAll { $0.value.isIdle && !present.contains($0.key) }
    for summary in summaries {
      if summary.earliestDue <= now {
        markDirty(summary.lane)
      } else {
        mailWillBeDue(at: summary.earliestDue, in: summary.lane)
      }
    }
  }

  mutating func surveyFailed(uptime: Uptime) {
    isSurveying = false
    surveyDue = uptime + options.surveyInterval
  }

  mutating func refilled(_ lane: Lane, with mail: DueMail, limit: Int, now: UTCInstant) {
    lanes[lane, default: LaneState()].isRefilling = false
    var isFresh = false
    for id in mail.ids {
      let errand = Errand(id: id, lane: lane)
      guard standings[errand] == nil, announced[id] == nil else { continue }
      standings[errand] = .ready(nil)
      lanes[lane]?.fetched.append(id)
      isFresh = true
    }
    if let nextDue = mail.nextDue { mailWillBeDue(at: nextDue, in: lane) }
    if mail.ids.count >= limit {
      // Where all of it was known, asking again at once would bring the same.
      if isFresh { lanes[lane]?.isDirty = true } else { mailWillBeDue(at: now + DueWindow.staleRefillPause, in: lane) }
    }
    takeTurn(lane)
  }

  mutating func finished(
    _ errand: Errand, verdict: Verdict, generation: Int, nextDue: UTCInstant?, now: UTCInstant, uptime: Uptime
  ) {
    let wasSpokenOf = wasSpokenOf(errand)
    standings[errand] = nil
    lanes[errand.lane]?.inFlight -= 1
    let route = errand.lane.route
    routeStates[route]?.inFlight -= 1
    if let nextDue {
      nextDue <= now ? markDirty(errand.lane) : mailWillBeDue(at: nextDue, in: errand.lane)
    }
    // What the delivery knew of the message's other recipients may be old.
    if wasSpokenOf { markDirty(errand.lane) }
    switch verdict {
    case .nothing:
      routeStates[route]?.backOff.endedWithoutAnswer(of: generation)
    case .answered:
      routeStates[route]?.backOff.answered(of: generation)
    case .failed:
      routeStates[route]?.backOff.failed(
        of: generation, at: uptime, initial: options.initialRest, maximum: options.maximumRest)
    }
  }

  /// The moment to look again when nothing else happens before.
  func nextWake(now: UTCInstant, uptime: Uptime) -> Uptime? {
    var moments: [Uptime] = isSurveying ? [] : [surveyDue]
    if let earliestDue { moments.append(uptime + max(.zero, earliestDue - now)) }
    for key in routeTurn {
      if let until = routeStates[key]?.backOff.until, until > uptime { moments.append(until) }
    }
    return moments.min()
  }

  var inFlight: Int { routeStates.values.reduce(0) { $0 + $1.inFlight } }

  /// Whether a failure of this generation would close the route now.
  func isOpen(_ route: RouteKey, generation: Int) -> Bool {
    routeStates[route].map { $0.backOff.isOpen && $0.backOff.generation == generation } ?? true
  }

  // MARK: Operators

  /// Takes a message's errand out of the runner's hands; false when it is being delivered, or in another operator's.
  mutating func claim(_ errand: Errand) -> Bool {
    if case .taken? = standings[errand] { return false }
    take(errand)
    lanes[errand.lane, default: LaneState()].inFlight += 1
    return true
  }

  /// Gives it back; the store says what remains to be done.
  mutating func unclaim(_ errand: Errand) {
    standings[errand] = nil
    lanes[errand.lane]?.inFlight -= 1
    markDirty(errand.lane)
  }

  /// An operator's word has changed a message. Said in the message's turn, so that an outcome that comes behind it knows.
  mutating func spoken() { words += 1 }

  /// Whether an operator may have changed it since its delivery began.
  func wasSpokenOf(_ errand: Errand) -> Bool {
    guard case .taken(let words)? = standings[errand] else { return false }
    return words != self.words
  }

  /// Mail of the lane is due by an operator's word, and its route is tried again.
  mutating func hurry(_ lane: Lane) {
    routeStates[lane.route]?.backOff.open()
    markDirty(lane)
  }

  // MARK: Configuration

  /// Takes new routes for the old. Each is tried at once, for what it rested from may be mended; and what comes of
  /// deliveries under way says nothing of it.
  mutating func replace(routes: RouteTable, options: QueueRunner.Options) {
    self.routes = routes
    self.options = options
    for route in routeStates.keys { routeStates[route]?.backOff.renew() }
  }
}
