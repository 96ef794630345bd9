public import MailQueue
public import MailSyntax
import NIOCore
import Synchronization

/// A queue in memory that keeps the promises of `QueueStore` and breaks where a machine breaks.
///
/// A change is first under way, then durable, then answered; at both seams other tasks may run and `crash` may come.
/// What was answered survives. Of what was not, a seeded generator decides how much of it, in the order it came, as
/// group commit would. Nothing here reads a clock but the one given, and nothing is ordered by a hash.
public final class ModelQueueStore: QueueStore {
  private let clock: any MailClock
  private let events: any EventSink
  private let latency: Duration
  private let state: Mutex<ModelState>

  /// `latency` is how long each durable change takes on `clock`; zero gives other tasks a turn all the same.
  public init(clock: any MailClock, events: any EventSink, latency: Duration = .zero) {
    self.clock = clock
    self.events = events
    self.latency = latency
    state = Mutex(ModelState())
  }

  private init(clock: any MailClock, events: any EventSink, latency: Duration, disk: ModelDisk) {
    self.clock = clock
    self.events = events
    self.latency = latency
    state = Mutex(ModelState(disk: disk))
  }

  // MARK: Faults

  /// The power is cut: this store is dead, and the answer is what the next start finds.
  public func crash(using generator: inout some RandomNumberGenerator) -> ModelQueueStore {
    let pending = state.withLock { $0.underWay.count }
    let survivors = pending == 0 ? 0 : Int.random(in: 0...pending, using: &generator)
    let disk = state.withLock { state -> ModelDisk in
      for change in state.underWay.prefix(survivors) { _ = state.disk.apply(change) }
      state.underWay = []
      state.condition = .stopped(reason: "the power was cut")
      return state.disk
    }
    return ModelQueueStore(clock: clock, events: events, latency: latency, disk: disk)
  }

  /// A disk without room: new mail is turned away, outcomes go on.
  public func setSpaceLow(_ isLow: Bool) {
    state.withLock { state in
      switch state.condition {
      case .accepting, .spaceLow: state.condition = isLow ? .spaceLow : .accepting
      case .stopped: break
      }
    }
  }

  /// A disk that is full beyond the reserve: not even an outcome can be recorded.
  public func setFull(_ isFull: Bool) {
    setSpaceLow(isFull)
    state.withLock { $0.isFull = isFull }
  }

  /// Every reading and every change is refused with `.unavailable` where `isWanting` says so, as for want of a
  /// descriptor; nil ends it. It is asked under a lock and must not come back to the store.
  public func setUnavailable(when isWanting: (@Sendable () -> Bool)?) { state.withLock { $0.isWanting = isWanting } }

  /// The sync of the `count`th change from now fails: that change and all later calls end with `.stopped`.
  public func failSync(after count: Int) { state.withLock { $0.changesUntilFault = count } }

  /// The stored body of a message no longer matches its checksum.
  public func damageBody(of id: QueueID) { state.withLock { $0.disk.damage(id) } }

  // MARK: QueueStore

  public var condition: StoreCondition { state.withLock { $0.condition } }

  public func beginBody() throws(StoreFault) -> any BodyWriter {
    try checkRunning()
    return ModelBodyWriter()
  }

  public func commit(
    _ message: NewMessage, body: any BodyWriter, event: MailEvent
  ) async throws(StoreFault) -> QueuedMessage {
    invariant(!message.recipients.isEmpty, "a message has a recipient")
    let bytes = try seal(body)
    guard condition != .spaceLow else { throw .spaceLow }
    let queued = QueuedMessage(accepting: message, bodySize: ByteCount(bytes.readableBytes))
    let entry = ModelEntry(queued, bytes, event)
    try await perform(.accept(entry, at: clock.now))
    return queued
  }

  public func record(
    _ changes: [RecipientChange], of id: QueueID, reports: [NewReport], events: [MailEvent]
  ) async throws(StoreFault) {
    var entries: [ModelEntry] = []
    for report in reports {
      invariant(!report.message.recipients.isEmpty, "a message has a recipient")
      let bytes = try seal(report.body)
      let queued = QueuedMessage(accepting: report.message, bodySize: ByteCount(bytes.readableBytes))
      entries.append(ModelEntry(queued, bytes, .accepted(queued)))
    }
    try await perform(.record(id, changes, entries, events, at: clock.now))
  }

  public func lanes(after: Lane?, limit: Int) async throws(StoreFault) -> [LaneSummary] {
    try read { $0.lanes(after: after, limit: limit) }
  }

  public func due(in lane: Lane, at moment: UTCInstant, limit: Int) async throws(StoreFault) -> DueMail {
    try read { $0.due(in: lane, at: moment, limit: limit) }
  }

  public func message(_ id: QueueID) async throws(StoreFault) -> QueuedMessage? { try read { $0.entry(id)?.queued } }

  public func openBody(of id: QueueID) async throws(StoreFault) -> any BodyReader {
    guard let entry = try read({ $0.entry(id) }) else { throw .notFound }
    return ModelBodyReader(id, entry.body, isDamaged: entry.isDamaged) { () throws(StoreFault) in
      try self.checkAvailable()
    } foundCorrupt: {
      await self.holdCorrupt(id)
    }
  }

  public func list(_ filter: QueueFilter, after: QueueID?, limit: Int) async throws(StoreFault) -> [QueuedMessage] {
    try read { $0.list(filter, after: after, limit: limit) }
  }

  public func attempts(of id: QueueID) async throws(StoreFault) -> [RecipientAttempt] {
    try read { $0.entry(id)?.attempts ?? [] }
  }

  public func events(of id: QueueID) async throws(StoreFault) -> [StampedEvent] { try read { $0.events(of: id) } }

  public func counts() async throws(StoreFault) -> QueueCounts { try read { $0.counts() } }

  public func close() async {
    state.withLock { state in
      if case .stopped = state.condition { return }
      state.condition = .stopped(reason: "the store was closed")
    }
  }

  // MARK: The way of a change

  private func perform(_ change: ModelChange) async throws(StoreFault) {
    try checkRunning()
    let ticket = state.withLock { $0.begin(change) }
    await takeTime()
    try checkRunning()
    // Group commit: what came before this change is durable with it.
    let done = state.withLock { $0.makeDurable(upTo: ticket) }
    for event in done { events.record(event) }
    try checkRunning()
    await takeTime()
    // Durable, but the power may be gone before the caller hears of it.
    let result = state.withLock { $0.takeResult(ticket) }
    try checkRunning()
    try result.get()
  }

  private func takeTime() async {
    if latency > .zero { await clock.sleep(until: clock.uptime + latency) } else { await Task.yield() }
  }

  private func checkRunning() throws(StoreFault) {
    if case .stopped(let reason) = condition { throw .stopped(reason: reason) }
  }

  static let unavailable = StoreFault.unavailable(reason: "too many open files")

  private func checkAvailable() throws(StoreFault) {
    let isWanting = state.withLock { $0.isWanting?() ?? false }
    if isWanting { throw ModelQueueStore.unavailable }
  }

  private func read<Answer>(_ body: (ModelDisk) -> Answer) throws(StoreFault) -> Answer {
    try checkRunning()
    try checkAvailable()
    return state.withLock { body($0.disk) }
  }

  private func seal(_ body: any BodyWriter) throws(StoreFault) -> ByteBuffer {
    try checkRunning()
    guard let body = body as? ModelBodyWriter else { throw .notFound }
    return body.seal()
  }

  private func holdCorrupt(_ id: QueueID) async {
    guard let found = try? await message(id) else { return }
    let changes = found.recipients.filter { $0.state == .queued }.map {
      RecipientChange(
        number: $0.number, state: .held, due: $0.due, attemptsAdded: 0, result: "the stored body fails its checksum",
        delayReported: false, attempt: nil)
    }
    guard !changes.isEmpty else { return }
    try? await record(changes, of: id, reports: [], events: [.corrupt(id)])
  }
}
