public import MailQueue
public import MailSyntax
public import Relay
import Synchronization
public import TransportSecurity

/// A policy store in memory that keeps the promises of `PolicyStore` and breaks where a machine breaks: a change is
/// first under way, then durable, then answered. What was answered survives a crash; of what was not, a seeded generator
/// decides how much, in the order in which it came.
public final class ModelPolicyStore: PolicyStore, PolicyAudit {
  private let clock: any MailClock
  private let bounds: PolicyStoreBounds
  private let state: Mutex<State>

  private struct State {
    var disk = Disk()
    var underWay: [(ticket: Int, change: Change)] = []
    var lastTicket = 0
    var results: [Int: Result<NumberedOverride?, StoreFault>] = [:]
    var stopped: String?
    var changesUntilFault: Int?
  }

  public init(clock: any MailClock, bounds: PolicyStoreBounds = PolicyStoreBounds()) {
    self.clock = clock
    self.bounds = bounds
    state = Mutex(State())
  }

  private init(clock: any MailClock, bounds: PolicyStoreBounds, disk: Disk) {
    self.clock = clock
    self.bounds = bounds
    state = Mutex(State(disk: disk))
  }

  // MARK: Faults

  /// The power is cut: this store is dead, and the answer is what the next start finds.
  public func crash(using generator: inout some RandomNumberGenerator) -> ModelPolicyStore {
    let pending = state.withLock { $0.underWay.count }
    let survivors = pending == 0 ? 0 : Int.random(in: 0...pending, using: &generator)
    let disk = state.withLock { state -> Disk in
      for (_, change) in state.underWay.prefix(survivors) { _ = state.disk.apply(change, bounds) }
      state.underWay = []
      state.stopped = "the power was cut"
      return state.disk
    }
    return ModelPolicyStore(clock: clock, bounds: bounds, disk: disk)
  }

  /// The commit of the `count`th change from now fails: that one and all later calls end with `.stopped`.
  public func failCommit(after count: Int) { state.withLock { $0.changesUntilFault = count } }

  public func close() async { state.withLock { $0.stopped = $0.stopped ?? "the store was closed" } }

  // MARK: PolicyStore

  public func policies() async throws(StoreFault) -> [StoredSTSPolicy] { try read { $0.policies } }

  public func put(_ policy: StoredSTSPolicy) async throws(StoreFault) {
    _ = try await perform(.putPolicy(policy, at: clock.now))
  }

  public func removePolicy(of domain: DomainName) async throws(StoreFault) {
    _ = try await perform(.removePolicy(domain))
  }

  public func overrides() async throws(StoreFault) -> [NumberedOverride] {
    try read { $0.overrides }
  }

  public func add(
    _ override: FloorOverride, weakerThan: String?
  ) async throws(StoreFault) -> NumberedOverride {
    guard let added = try await perform(.add(override, weakerThan: weakerThan, at: clock.now)) else { throw .notFound }
    return added
  }

  public func end(_ number: Int64, at moment: UTCInstant, author: String, reason: String) async throws(StoreFault) {
    _ = try await perform(.end(number, at: moment, author: author, reason: reason))
  }

  public func steadyRecords() async throws(StoreFault) -> [SteadyRecord] { try read { $0.steady } }

  public func put(_ records: [SteadyRecord]) async throws(StoreFault) { _ = try await perform(.putSteady(records)) }

  public func removeSteadyRecords(of domain: DomainName) async throws(StoreFault) {
    _ = try await perform(.removeSteady(domain))
  }

  public func record(_ record: PolicyAuditRecord) async throws(StoreFault) { _ = try await perform(.audit(record)) }

  public func auditRecords(limit: Int) async throws(StoreFault) -> [PolicyAuditRecord] {
    try read { Array($0.audit.suffix(max(0, limit))) }
  }

  // MARK: The way of a change

  private func perform(_ change: Change) async throws(StoreFault) -> NumberedOverride? {
    try checkRunning()
    let ticket = state.withLock { state in
      state.lastTicket += 1
      state.underWay.append((state.lastTicket, change))
      return state.lastTicket
    }
    await Task.yield()
    try checkRunning()
    state.withLock { makeDurable(&$0, upTo: ticket) }
    try checkRunning()
    // Durable, but the power may be gone before the caller hears of it.
    await Task.yield()
    let result = state.withLock { $0.results.removeValue(forKey: ticket) }
    try checkRunning()
    guard let result else { throw .stopped(reason: "the power was cut") }
    return try result.get()
  }

  private func makeDurable(_ state: inout State, upTo ticket: Int) {
    while let first = state.underWay.first, first.ticket <= ticket {
      if let left = state.changesUntilFault {
        state.changesUntilFault = left - 1
        if left <= 1 {
          state.stopped = "the commit failed"
          return
        }
      }
      state.underWay.removeFirst()
      state.results[first.ticket] = state.disk.apply(first.change, bounds)
    }
  }

  private func checkRunning() throws(StoreFault) {
    if let reason = state.withLock({ $0.stopped }) { throw .stopped(reason: reason) }
  }

  private func read<Answer>(_ body: (Disk) -> Answer) throws(StoreFault) -> Answer {
    try checkRunning()
    return state.withLock { body($0.disk) }
  }
}

private enum Change: Sendable {
  case putPolicy(StoredSTSPolicy, at: UTCInstant)
  case removePolicy(DomainName)
  case add(FloorOverride, weakerThan: String?, at: UTCInstant)
  case end(Int64, at: UTCInstant, author: String, reason: String)
  case putSteady([SteadyRecord])
  case removeSteady(DomainName)
  case audit(PolicyAuditRecord)
}

/// What is durable. Policies and records stand in the order of their keys.
private struct Disk: Sendable {
  var policies: [StoredSTSPolicy] = []
  var overrides: [NumberedOverride] = []
  var lastNumber: Int64 = 0
  var audit: [PolicyAuditRecord] = []
  var steady: [SteadyRecord] = []

  mutating func apply(_ change: Change, _ bounds: PolicyStoreBounds) -> Result<NumberedOverride?, StoreFault> {
    switch change {
    case .putPolicy(let policy, let now):
      policies.removeAll { $0.domain == policy.domain }
      policies.append(policy)
      policies.sort { $0.domain.folded < $1.domain.folded }
      while policies.count > bounds.policies, let going = policies.indices.min(by: { isWeaker($0, $1, at: now) }) {
        policies.remove(at: going)
      }
    case .removePolicy(let domain): policies.removeAll { $0.domain == domain }
    case .add(let override, let weakerThan, let now):
      lastNumber += 1
      let added = NumberedOverride(number: lastNumber, override: override)
      let isFormer = { (other: NumberedOverride) in
        other.override.domain == override.domain && other.override.includesSubdomains == override.includesSubdomains
      }
      let former = overrides.filter(isFormer)
      overrides.removeAll(where: isFormer)
      overrides.append(added)
      audit.append(.added(added, weakerThan: weakerThan, at: now))
      for one in former { audit.append(.replaced(one, by: added, at: now)) }
      return .success(added)
    case .end(let number, let moment, let author, let reason):
      guard let index = overrides.firstIndex(where: { $0.number == number }) else { return .failure(.notFound) }
      audit.append(.ended(overrides.remove(at: index), at: moment, author: author, reason: reason))
    case .putSteady(let records): put(records, bounds)
    case .removeSteady(let domain): steady.removeAll { $0.key.domain == domain }
    case .audit(let record): audit.append(record)
    }
    return .success(nil)
  }

  /// Whether the first goes before the second for want of room.
  private func isWeaker(_ first: Int, _ second: Int, at now: UTCInstant) -> Bool {
    func rank(_ index: Int) -> (Int, UTCInstant) {
      let known = policies[index].known
      return (known.policy.mode == .enforce && now < known.expiresAt ? 1 : 0, policies[index].usedAt)
    }
    return rank(first) < rank(second)
  }

  private mutating func put(_ records: [SteadyRecord], _ bounds: PolicyStoreBounds) {
    for record in records {
      steady.removeAll { $0.key == record.key }
      steady.append(record)
    }
    steady.sort { Disk.order($0.key) < Disk.order($1.key) }
    while steady.count > bounds.steadyRecords {
      var seen: [DomainName: UTCInstant] = [:]
      for record in steady { seen[record.key.domain] = max(seen[record.key.domain] ?? record.lastAt, record.lastAt) }
      guard let going = seen.min(by: { ($0.value, $0.key.folded) < ($1.value, $1.key.folded) }) else { return }
      steady.removeAll { $0.key.domain == going.key }
    }
  }

  private static func order(_ key: SteadyRecord.Key) -> (String, String, String) {
    (key.domain.folded, key.host.folded, key.address.description)
  }
}
