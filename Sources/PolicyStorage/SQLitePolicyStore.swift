import GRDB
public import MailQueue
public import MailSyntax
import NIOPosix
public import QueueStorage
public import Relay
import Synchronization
public import TransportSecurity

/// What of the transport policy outlives a restart, in `policy.sqlite` of the data folder, for its owner alone.
///
/// Whoever opens it holds the folder: a server and a command have it by their queue's lock or by `FolderLock`. One
/// thread does all reading and writing; each call that changes something is one transaction, and returns behind its
/// synced commit. Documentation/Policy.md says what a crash at each step leaves.
public final class SQLitePolicyStore: PolicyStore, PolicyAudit {
  public static let fileName = "policy.sqlite"

  private let database: DatabaseQueue
  private let bounds: PolicyStoreBounds
  let clock: any MailClock
  private let events: any EventSink
  let fileSystem: any FileSystem
  private let thread: NIOThreadPool
  private let stopped = Mutex<String?>(nil)
  private let damage = RowDamageNotes()
  private let sweeping: SweepSchedule

  /// Opens the store in `folder`, which must be there, and makes it where it isn't.
  public static func open(
    folder: String, bounds: PolicyStoreBounds = PolicyStoreBounds(), clock: any MailClock, events: any EventSink,
    fileSystem: any FileSystem = POSIXFileSystem()
  ) async throws(StoreOpenError) -> SQLitePolicyStore {
    let thread = NIOThreadPool(numberOfThreads: 1)
    thread.start()
    let result = await onThread(of: thread) { () -> Result<SQLitePolicyStore, StoreOpenError> in
      do throws(StoreOpenError) {
        return .success(
          try SQLitePolicyStore(
            folder: folder, bounds: bounds, clock: clock, events: events, fileSystem: fileSystem, thread: thread))
      } catch {
        return .failure(error)
      }
    }
    if case .failure = result { try? await thread.shutdownGracefully() }
    let store = try result.get()
    do throws(StoreFault) {
      // Whatever doesn't read is named now, and not when the first mail asks.
      _ = try await store.policies()
      _ = try await store.steadyRecords()
    } catch {
      await store.close()
      throw .database("\(error)", file: fileName)
    }
    return store
  }

  private init(
    folder: String, bounds: PolicyStoreBounds, clock: any MailClock, events: any EventSink,
    fileSystem: any FileSystem, thread: NIOThreadPool
  ) throws(StoreOpenError) {
    self.bounds = bounds
    self.clock = clock
    sweeping = SweepSchedule(beginning: clock.uptime)
    self.events = events
    self.fileSystem = fileSystem
    self.thread = thread
    let path = folder + "/" + SQLitePolicyStore.fileName
    do throws(SystemFault) {
      // Made here, it is for its owner alone; SQLite gives its log the same permissions.
      fileSystem.close(try fileSystem.open(path, .write))
    } catch {
      throw .system(error)
    }
    database = try PolicySchema.open(path)
    do throws(SystemFault) { try fileSystem.syncFolder(folder) } catch { throw .system(error) }
  }

  /// Waits for what is under way. Afterwards every call throws `.stopped`.
  public func close() async {
    stopped.withLock { $0 = $0 ?? "the store was closed" }
    try? await thread.shutdownGracefully()
    try? database.close()
  }

  // MARK: MTA-STS policies

  public func policies() async throws(StoreFault) -> [StoredSTSPolicy] {
    let now = clock.now
    let rows = try await run { db in
      try Row.fetchAll(db, sql: "SELECT \(PolicyRows.policyColumns) FROM sts_policies ORDER BY domain").map {
        PolicyRows.policy($0, at: now)
      }
    }
    name(rows.compactMap(\.damage))
    return rows.compactMap(\.value)
  }

  public func put(_ policy: StoredSTSPolicy) async throws(StoreFault) {
    let now = clock.now
    let most = bounds.policies
    let dropped = try await run { db in
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO sts_policies
            (domain, mode, max_age, patterns, record_id, fetched_at, expires_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          """, arguments: PolicyRows.values(policy))
      return try SQLitePolicyStore.makeRoom(db, keeping: most, at: now)
    }
    for domain in dropped {
      events.record(
        MailEvent(
          .alarm,
          [
            .init("what", .text("policy-dropped")),
            .init("reason", .text("\(most) enforce policies are kept, and that of \(domain) was unused for longest")),
          ]))
    }
    mended(policy.domain)
  }

  /// - Returns: enforce policies that went, still unexpired.
  private static func makeRoom(_ db: Database, keeping most: Int, at now: UTCInstant) throws -> [String] {
    let excess = try (Int.fetchOne(db, sql: "SELECT count(*) FROM sts_policies") ?? 0) - most
    guard excess > 0 else { return [] }
    // What doesn't read as something weaker counts as strong.
    let strong = "coalesce(NOT (mode IN ('testing', 'none') OR expires_at <= :now), 1)"
    let going = try Row.fetchAll(
      db, sql: "SELECT rowid, domain, \(strong) FROM sts_policies ORDER BY \(strong), used_at LIMIT :excess",
      arguments: ["now": now.nanoseconds, "excess": excess])
    for row in going {
      try db.execute(sql: "DELETE FROM sts_policies WHERE rowid = ?", arguments: [row.integer(0)])
    }
    return going.filter { $0.integer(2) != 0 }.map { $0.text(1) ?? "an unreadable domain" }
  }

  public func removePolicy(of domain: DomainName) async throws(StoreFault) {
    try await run { db in
      try db.execute(sql: "DELETE FROM sts_policies WHERE domain = ?", arguments: [domain.folded])
    }
    mended(domain)
  }

  // MARK: Overrides

  public func overrides() async throws(StoreFault) -> [NumberedOverride] {
    let now = clock.now
    let rows = try await run { db in
      try Row.fetchAll(db, sql: "SELECT \(PolicyRows.overrideColumns) FROM floor_overrides ORDER BY number").map {
        PolicyRows.override($0, at: now)
      }
    }
    name(rows.compactMap(\.damage))
    return rows.compactMap(\.value)
  }

  public func add(
    _ override: FloorOverride, weakerThan: String?
  ) async throws(StoreFault) -> NumberedOverride {
    let now = clock.now
    return try await run { db in
      let known = try Row.fetchAll(
        db, sql: "SELECT \(PolicyRows.overrideColumns) FROM floor_overrides WHERE domain = ? ORDER BY number",
        arguments: [override.domain.folded]
      ).compactMap { PolicyRows.override($0, at: now).value }
      try db.execute(
        sql: """
          INSERT INTO floor_overrides (domain, subdomains, floor, begins_at, ends_at, reason, author)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          override.domain.folded, override.includesSubdomains ? 1 : 0, override.floor.rawValue,
          override.from.nanoseconds, override.until.nanoseconds, override.reason, override.author,
        ])
      let numbered = NumberedOverride(number: db.lastInsertedRowID, override: override)
      try SQLitePolicyStore.write(.added(numbered, weakerThan: weakerThan, at: now), db)
      for former in known where former.override.includesSubdomains == override.includesSubdomains {
        try db.execute(sql: "DELETE FROM floor_overrides WHERE number = ?", arguments: [former.number])
        try SQLitePolicyStore.write(.replaced(former, by: numbered, at: now), db)
      }
      return numbered
    }
  }

  public func end(_ number: Int64, at moment: UTCInstant, author: String, reason: String) async throws(StoreFault) {
    let now = clock.now
    try await run { db in
      let row = try Row.fetchOne(
        db, sql: "SELECT \(PolicyRows.overrideColumns) FROM floor_overrides WHERE number = ?", arguments: [number])
      guard let row else { throw StoreFault.notFound }
      // One whose very domain doesn't read can be ended all the same: by its number, which the alarm names.
      let override = try PolicyRows.override(row, at: now).value ?? .unreadable(number, at: now)
      try db.execute(sql: "DELETE FROM floor_overrides WHERE number = ?", arguments: [number])
      try SQLitePolicyStore.write(.ended(override, at: moment, author: author, reason: reason), db)
    }
  }

  // MARK: The audit

  public func record(_ record: PolicyAuditRecord) async throws(StoreFault) {
    try await run { db in try SQLitePolicyStore.write(record, db) }
  }

  public func auditRecords(limit: Int) async throws(StoreFault) -> [PolicyAuditRecord] {
    try await run { db in
      try Row.fetchAll(
        db, sql: "SELECT \(PolicyRows.auditColumns) FROM policy_audit ORDER BY sequence DESC LIMIT ?",
        arguments: [max(0, limit)]
      ).reversed().compactMap { PolicyRows.audit($0) }
    }
  }

  private static func write(_ record: PolicyAuditRecord, _ db: Database) throws {
    try db.execute(
      sql: "INSERT INTO policy_audit (\(PolicyRows.auditColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: PolicyRows.values(record))
  }

  // MARK: What hosts have steadily shown

  public func steadyRecords() async throws(StoreFault) -> [SteadyRecord] {
    let rows = try await run { db in
      try Row.fetchAll(
        db, sql: "SELECT \(PolicyRows.steadyColumns) FROM steady_tls ORDER BY domain, host, address"
      ).map { PolicyRows.steady($0) }
    }
    name(rows.compactMap(\.damage))
    return rows.compactMap(\.value)
  }

  public func put(_ records: [SteadyRecord]) async throws(StoreFault) {
    let (most, now) = (bounds.steadyRecords, clock.now)
    let isSweepDue = sweeping.isDue(at: clock.uptime)
    try await run { db in
      if isSweepDue { try PolicySweep.run(db, at: now) }
      let statement = try db.cachedStatement(
        sql: "INSERT OR REPLACE INTO steady_tls (\(PolicyRows.steadyColumns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      for record in records { try statement.execute(arguments: PolicyRows.values(record)) }
      try PolicySweep.makeRoom(db, keeping: most)
    }
  }

  public func removeSteadyRecords(of domain: DomainName) async throws(StoreFault) {
    try await run { db in
      try db.execute(sql: "DELETE FROM steady_tls WHERE domain = ?", arguments: [domain.folded])
    }
  }

  // MARK: The way of a call

  /// Beside the calls of the protocol, in their order.
  func onOwnThread<Answer: Sendable>(
    _ work: @escaping @Sendable (DatabaseQueue) -> Result<Answer, StoreOpenError>
  ) async throws(StoreOpenError) -> Answer {
    try await onThread(of: thread) { () -> Result<Answer, StoreOpenError> in
      if let reason = self.stopped.withLock({ $0 }) {
        return .failure(.database(reason, file: SQLitePolicyStore.fileName))
      }
      return work(self.database)
    }.get()
  }

  func run<Answer: Sendable>(
    _ work: @escaping @Sendable (Database) throws -> Answer
  ) async throws(StoreFault) -> Answer {
    try await onThread(of: thread) { () -> Result<Answer, StoreFault> in self.attempt(work) }.get()
  }

  /// In a transaction of its own. After a commit that failed nobody knows what the disk has: the store stops for good, as
  /// the queue's does (Law 1).
  private func attempt<Answer>(_ work: (Database) throws -> Answer) -> Result<Answer, StoreFault> {
    if let reason = stopped.withLock({ $0 }) { return .failure(.stopped(reason: reason)) }
    do {
      return .success(
        try database.writeWithoutTransaction { db in
          try db.beginTransaction(.immediate)
          do {
            let answer = try work(db)
            try fileSystem.commit { try db.commit() }
            return answer
          } catch {
            if db.isInsideTransaction { try? db.rollback() }
            throw error
          }
        })
    } catch let fault as StoreFault {
      return .failure(fault)
    } catch let fault as DatabaseError where fault.resultCode == .SQLITE_FULL {
      return .failure(.spaceLow)
    } catch let fault as DatabaseError where fault.resultCode == .SQLITE_CANTOPEN || fault.resultCode == .SQLITE_NOMEM {
      return .failure(.unavailable(reason: "\(SQLitePolicyStore.fileName): \(fault)"))
    } catch {
      return .failure(stop("\(SQLitePolicyStore.fileName): \(error)"))
    }
  }

  private func stop(_ reason: String) -> StoreFault {
    stopped.withLock { $0 = reason }
    events.record(
      MailEvent(
        .alarm,
        [
          .init("what", .text("policy-store-stopped")), .init("reason", .text(reason)),
          .init("remedy", .text("mend the disk, then restart the server")), .init("until-cleared", .flag(true)),
        ]))
    return .stopped(reason: reason)
  }

  private func name(_ reasons: [String]) { for event in damage.news(of: reasons) { events.record(event) } }
  private func mended(_ domain: DomainName) { if let event = damage.mended(domain) { events.record(event) } }
}
