public import MailQueue
public import MailSyntax
import OrderedCollections
import Synchronization

/// Takes accepted mail to its next hops until each recipient is delivered, given up or removed.
///
/// Memory holds a bounded window of what is due, never the queue. An attempt's outcome, its reports and its events
/// become durable in one transaction; a crash between a delivery and that transaction delivers again, so duplicates are
/// bounded by the deliveries in flight. Documentation/Outcomes.md says what each outcome comes to.
///
/// `run` works until `stop`, its task's cancellation, or the end of the store. All other functions may be called from
/// any task at any time, operators' words also while nothing runs.
public final class QueueRunner: Sendable {
  let store: any QueueStore
  let clock: any MailClock
  let random: any RandomSource
  /// For what the store has no room for; everything else goes by its outbox.
  let events: any EventSink
  /// Nil where reports aren't signed.
  let signing: MailSigning?
  /// An outcome and an operator's word about one message come one behind the other.
  let turns = Turns<QueueID>()
  private let state: Mutex<State>
  private let wake = Signal()

  struct State {
    var window: DueWindow
    var routing: Routing
    var workers = 0
    var isStopping = false
    /// Nothing is waited for any more.
    var isCutShort = false
    /// What is being delivered, as it was begun: as many as there are workers, at most.
    var underWay: OrderedDictionary<Errand, DeliveryUnderWay> = [:]
    var storeFault: StoreFault?
    /// Outcomes that the store had no room for yet.
    var outcomesWaiting = 0
    /// The sleepers that will wake the runner, by their moments.
    var sleepers: [Uptime] = []

    /// What couldn't be written down isn't begun.
    var mayBegin: Bool { !isStopping && storeFault == nil && outcomesWaiting == 0 }
  }

  public init(
    store: any QueueStore, routes: RouteTable, routing: Routing, clock: any MailClock, random: any RandomSource,
    events: any EventSink, options: Options, signing: MailSigning? = nil
  ) {
    self.store = store
    self.clock = clock
    self.random = random
    self.events = events
    self.signing = signing
    state = Mutex(
      State(window: DueWindow(options: options, routes: routes, uptime: clock.uptime), routing: routing))
  }

  // MARK: Mail that comes in

  /// Says that a message of this id is about to be committed. Until `accepted` or `withdraw` it is left to the fast
  /// path, which then needs no look into the store. A message that wasn't announced is served as well, after a look.
  public func announce(_ id: QueueID) { state.withLock { $0.window.announce(id) } }

  /// The announced message wasn't committed.
  public func withdraw(_ id: QueueID) { state.withLock { $0.window.withdraw(id) } }

  /// A message was made durable: it is served at once where its lane has room, else when its turn comes. Never blocks.
  public func accepted(_ message: QueuedMessage) {
    let (now, uptime) = (clock.now, clock.uptime)
    let isNews = state.withLock { state in
      state.window.accepted(message, at: now)
      guard state.workers < state.window.options.maximumConcurrency else { return false }
      return state.window.mayBegin(at: uptime) || sleeper(for: state, now: now, uptime: uptime) != nil
    }
    if isNews { wake.raise() }
  }

  /// Commits a message and serves it by the fast path: `announce`, `commit`, `accepted` in one.
  public func commit(
    _ message: NewMessage, body: any BodyWriter, event: MailEvent
  ) async throws(StoreFault) -> QueuedMessage {
    announce(message.id)
    do throws(StoreFault) {
      let queued = try await store.commit(message, body: body, event: event)
      accepted(queued)
      return queued
    } catch {
      withdraw(message.id)
      throw error
    }
  }

  // MARK: Configuration and end

  /// Puts a new configuration in place of the old, whole. Deliveries under way end on their old route, and what came of
  /// them is judged by the new options. Routes at rest are tried again at once.
  public func replace(routes: RouteTable, routing: Routing, options: Options) {
    state.withLock { state in
      state.window.replace(routes: routes, options: options)
      state.routing = routing
    }
    wake.raise()
  }

  /// What holds now. Not to be asked for under the lock of `state`.
  var options: Options { state.withLock { $0.window.options } }

  /// Begins no more deliveries; those under way end within `Options.drainTime`, else they are cancelled.
  public func stop() {
    state.withLock { $0.isStopping = true }
    wake.raise()
  }

  /// Ends a stop at once: deliveries under way are cancelled.
  public func cutShort() {
    state.withLock { state in
      state.isStopping = true
      state.isCutShort = true
    }
    wake.raise()
  }

  /// Deliveries under way at this moment.
  public var inFlight: Int { state.withLock { $0.window.inFlight } }

  /// Serves the queue.
  public func run() async -> End {
    wake.raise()
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        await wake.wait()
        let plan = plan()
        for work in plan.works { group.addTask { await self.serve(from: work) } }
        if let sleeper = plan.sleeper { group.addTask { await self.sleep(until: sleeper) } }
        if plan.isEnding { break }
      }
      await drain(in: &group)
      if !Task.isCancelled { tellOfCuts() }
      group.cancelAll()
    }
    return state.withLock { state in
      let end = state.storeFault.map { End.storeFault($0) } ?? .stopped
      state.isStopping = false
      state.isCutShort = false
      state.sleepers = []
      return end
    }
  }

  private struct Plan {
    var works: [DueWindow.Work] = []
    var sleeper: Uptime?
    var isEnding = false
  }

  /// As many workers as there is work and room for, and a sleeper when nobody would wake us in time.
  private func plan() -> Plan {
    let (now, uptime) = (clock.now, clock.uptime)
    return state.withLock { state in
      let options = state.window.options
      var plan = Plan(isEnding: state.isStopping || state.storeFault != nil)
      guard state.mayBegin else { return plan }
      while state.workers < options.maximumConcurrency, let work = state.window.next(now: now, uptime: uptime) {
        state.workers += 1
        plan.works.append(work)
      }
      plan.sleeper = sleeper(for: state, now: now, uptime: uptime)
      if let sleeper = plan.sleeper { state.sleepers.append(sleeper) }
      return plan
    }
  }

  /// When somebody must wake the runner, if nobody does in time. Sleepers can't be recalled, so one is sent only where it
  /// comes clearly before the others: between two of them lies `granularity` at least and none sleeps longer than a
  /// survey, which bounds their number by the quotient.
  private func sleeper(for state: State, now: UTCInstant, uptime: Uptime) -> Uptime? {
    let options = state.window.options
    // With every hand busy nothing could begin: the next to be free looks for itself.
    guard state.mayBegin, state.workers < options.maximumConcurrency,
      let moment = state.window.nextWake(now: now, uptime: uptime)
    else { return nil }
    let deadline = min(max(moment, uptime), uptime + options.surveyInterval)
    guard let earliest = state.sleepers.min() else { return deadline }
    return deadline + options.granularity < earliest ? deadline : nil
  }

  private func sleep(until deadline: Uptime) async {
    await clock.sleep(until: deadline)
    state.withLock { $0.sleepers.removeAll { $0 == deadline } }
    wake.raise()
  }

  private func drain(in group: inout DiscardingTaskGroup) async {
    let deadline = clock.uptime + options.drainTime
    group.addTask { await self.sleep(until: deadline) }
    while !Task.isCancelled, clock.uptime < deadline {
      let isDone = state.withLock { $0.workers == 0 || $0.storeFault != nil || $0.isCutShort }
      if isDone { return }
      await wake.wait()
    }
  }

  // MARK: Workers

  /// Does one piece of work and goes on while there is more. Ends with a wake: the runner may have to sleep anew.
  private func serve(from first: DueWindow.Work) async {
    var next: DueWindow.Work? = first
    while let work = next {
      switch work {
      case .survey(let after, let limit): await survey(after: after, limit: limit)
      case .refill(let lane, let limit): await refill(lane, limit: limit)
      case .attempt(let errand, let message, let generation):
        await attempt(errand, message, generation: generation)
      }
      let (now, uptime) = (clock.now, clock.uptime)
      let (following, needsSleeper) = state.withLock { state in
        let mayGoOn = state.mayBegin && !Task.isCancelled
        let following = mayGoOn ? state.window.next(now: now, uptime: uptime) : nil
        if following == nil { state.workers -= 1 }
        return (following, sleeper(for: state, now: now, uptime: uptime) != nil)
      }
      next = following
      // A worker that goes on into a slow delivery may leave a due time behind that nobody sleeps for.
      if following == nil || needsSleeper { wake.raise() }
    }
  }

  private func survey(after: Lane?, limit: Int) async {
    do {
      let page = try await store.lanes(after: after, limit: limit)
      let (now, uptime) = (clock.now, clock.uptime)
      state.withLock { $0.window.surveyed(page, limit: limit, now: now, uptime: uptime) }
    } catch {
      let uptime = clock.uptime
      state.withLock { $0.window.surveyFailed(uptime: uptime) }
      endIfStopped(error)
    }
  }

  private func refill(_ lane: Lane, limit: Int) async {
    let now = clock.now
    do {
      let mail = try await store.due(in: lane, at: now, limit: limit)
      state.withLock { $0.window.refilled(lane, with: mail, limit: limit, now: now) }
    } catch {
      state.withLock { $0.window.refillFailed(lane, now: now) }
      endIfStopped(error)
    }
  }

  private func endIfStopped(_ fault: StoreFault) {
    switch fault {
    case .stopped: failed(fault)
    case .spaceLow, .unavailable, .notFound, .corrupt, .tooLarge, .duplicate: break
    }
  }

  /// The store is gone: the runner ends.
  func failed(_ fault: StoreFault) {
    state.withLock { if $0.storeFault == nil { $0.storeFault = fault } }
    wake.raise()
  }

  func route(_ key: RouteKey) -> Route? { state.withLock { $0.window.routes[key] } }
  func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result { state.withLock { body(&$0) } }
  func raise() { wake.raise() }
}
