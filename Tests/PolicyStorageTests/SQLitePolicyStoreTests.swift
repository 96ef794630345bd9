import Foundation
import GRDB
import MailQueue
import MailSyntax
import PolicyStorage
import QueueModel
import QueueStorage
import Relay
import Synchronization
import Testing
import TransportSecurity

@Suite("policy.sqlite")
struct SQLitePolicyStoreTests {
  private func open(
    _ folder: TestFolder, _ clock: StillClock = StillClock(), _ log: EventLog = EventLog(),
    _ fileSystem: any FileSystem = POSIXFileSystem()
  ) async throws -> SQLitePolicyStore {
    try await SQLitePolicyStore.open(folder: folder.path, clock: clock, events: log, fileSystem: fileSystem)
  }

  /// What somebody or a flipped bit does to the file while nobody has it open.
  private func operate(_ folder: TestFolder, _ sql: String) async throws {
    let database = try DatabaseQueue(path: folder.path + "/policy.sqlite")
    try await database.write { db in try db.execute(sql: "PRAGMA ignore_check_constraints = ON; \(sql)") }
    try database.close()
  }

  @Test("is for its owner alone, and so is its log")
  func permissions() async throws {
    let folder = try TestFolder()
    let store = try await open(folder)
    try await store.put(try policy("a.example"))
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/" + name)[.posixPermissions]
      #expect(mode as? Int == 0o600, "\(name)")
    }
    #expect(FileManager.default.fileExists(atPath: folder.path + "/policy.sqlite-wal"))
    await store.close()
  }

  @Test("answers behind the commit and not before it")
  func order() async throws {
    let folder = try TestFolder()
    let commits = WatchedCommits()
    let store = try await open(folder, StillClock(), EventLog(), commits)
    let steps = Mutex<[String]>([])
    commits.watch { steps.withLock { $0.append("commit") } }
    try await store.put(try policy("a.example"))
    steps.withLock { $0.append("answer") }
    _ = try await store.add(try override("a.example"))
    steps.withLock { $0.append("answer") }
    try await store.put([try steady("a.example")])
    steps.withLock { $0.append("answer") }
    #expect(steps.withLock { $0 } == ["commit", "answer", "commit", "answer", "commit", "answer"])
    await store.close()
  }

  @Test("has at the moment of each answer all of it in the files that a power cut leaves")
  func powerCut() async throws {
    let folder = try TestFolder()
    let store = try await open(folder)
    try await store.put(try policy("a.example"))
    _ = try await store.add(try override("b.example"))
    let copy = try TestFolder()
    // Without the shared memory, which a power cut takes away.
    for name in ["policy.sqlite", "policy.sqlite-wal"] {
      try FileManager.default.copyItem(atPath: folder.path + "/" + name, toPath: copy.path + "/" + name)
    }
    let revived = try await open(copy)
    #expect(try await revived.policies().map(\.domain.folded) == ["a.example"])
    #expect(try await revived.overrides().map(\.override.domain.folded) == ["b.example"])
    await revived.close()
    await store.close()
  }

  @Test(
    "stops for good after a failed commit, says so, and has all or nothing of it after the next start",
    arguments: [(WatchedCommits.Failure.before, 0), (.behind, 1)])
  func failedCommit(_ failure: WatchedCommits.Failure, _ survivors: Int) async throws {
    let folder = try TestFolder()
    let commits = WatchedCommits()
    let log = EventLog()
    let store = try await open(folder, StillClock(), log, commits)
    commits.fail(failure)
    await #expect(throws: StoreFault.self) { _ = try await store.add(try override("a.example")) }
    commits.fail(.none)
    let fault = await #expect(throws: StoreFault.self) { try await store.put(try policy("b.example")) }
    guard case .stopped? = fault else {
      Issue.record("\(String(describing: fault))")
      return
    }
    #expect(log.reasons("policy-store-stopped").count == 1)
    await store.close()
    let next = try await open(folder)
    #expect(try await next.overrides().count == survivors)
    // The audit says what the overrides say.
    #expect(try await next.auditRecords(limit: 9).count == survivors)
    #expect(try await next.policies().isEmpty)
    await next.close()
  }

  @Test("refuses a file that a later version has written")
  func newer() async throws {
    let folder = try TestFolder()
    let store = try await open(folder)
    await store.close()
    try await operate(folder, "PRAGMA user_version = 99")
    let fault = await #expect(throws: StoreOpenError.self) { _ = try await open(folder) }
    #expect(fault?.description.hasPrefix("policy.sqlite has schema 99") == true)
  }

  @Test(
    "lets nobody change or shorten the audit",
    arguments: ["DELETE FROM policy_audit", "UPDATE policy_audit SET author = 'eve'"])
  func appendOnly(_ sql: String) async throws {
    let folder = try TestFolder()
    let store = try await open(folder)
    _ = try await store.add(try override("a.example"))
    await store.close()
    await #expect(throws: DatabaseError.self) { try await operate(folder, sql) }
  }

  @Test("has the drop that stands for a domain behind a restart, and none where none stood")
  func drops() async throws {
    let folder = try TestFolder()
    var store = try await open(folder)
    var dropped = try steady("a.example")
    dropped.drop = SteadyRecord.Drop(firstAt: StillClock.start + .seconds(1), lastAt: StillClock.start + .seconds(9))
    try await store.put([dropped, try steady("b.example")])
    await store.close()
    store = try await open(folder)
    #expect(try await store.steadyRecords() == [dropped, try steady("b.example")])
    await store.close()
  }

  @Test("lets a hundredth more go from a full table than it must, whole domains, in one statement")
  func roomAtOnce() async throws {
    let folder = try TestFolder()
    var bounds = PolicyStoreBounds()
    bounds.steadyRecords = 1_000
    let store = try await SQLitePolicyStore.open(
      folder: folder.path, bounds: bounds, clock: StillClock(), events: EventLog())
    try await store.put(
      try (0..<500).flatMap { number in
        try ["192.0.2.1", "192.0.2.2"].map { address in
          try steady("n\(number).example", "mx.example", address, at: StillClock.start + .seconds(Int64(number)))
        }
      })
    #expect(try await store.steadyRecords().count == 1_000)
    try await store.put([try steady("new.example", at: StillClock.start + .seconds(999))])
    let left = Set(try await store.steadyRecords().map(\.key.domain.folded))
    // 11 rows had to go, the oldest domains first.
    #expect(left.count == 500 - 6 + 1 && !left.contains("n5.example") && left.contains("n6.example"))
    #expect(left.contains("new.example"))
    await store.close()
  }

  @Test("sweeps out what was seen no more for 30 days, hourly, an hour behind a start, and no policy")
  func sweep() async throws {
    let folder = try TestFolder()
    let clock = StillClock()
    var store = try await open(folder, clock)
    try await store.put(try policy("lapsed.example", maxAge: .seconds(60)))
    try await store.put([try steady("old.example"), try steady("new.example", at: StillClock.start + .seconds(60))])
    clock.advance(.seconds(30 * 86_400 + 60))
    try await store.put([])
    #expect(try await store.steadyRecords().map(\.key.domain.folded) == ["new.example"])
    clock.advance(.seconds(1))
    try await store.put([])
    #expect(try await store.steadyRecords().map(\.key.domain.folded) == ["new.example"], "not before the hour is over")
    await store.close()
    store = try await open(folder, clock)
    // The clock may be wrong at a start.
    try await store.put([])
    #expect(try await store.steadyRecords().map(\.key.domain.folded) == ["new.example"])
    clock.advance(.seconds(3_600))
    try await store.put([])
    #expect(try await store.steadyRecords().isEmpty)
    // Whoever looks after policies takes those that lapsed away.
    #expect(try await store.policies().count == 1)
    await store.close()
  }

  // MARK: Rows that don't read

  @Test(
    "STS-018: a damaged enforce policy becomes one that lists no host, so that its mail waits, and is named",
    arguments: [
      "mode = 'enfxrce'", "mode = x'00'", "max_age = -1", "patterns = 'mx a'", "record_id = x'ff'",
      "fetched_at = NULL", "used_at = 'x'",
    ])
  func damagedEnforce(_ damage: String) async throws {
    let folder = try TestFolder()
    var store = try await open(folder)
    try await store.put(try policy("a.example"))
    try await store.put(try policy("b.example"))
    await store.close()
    try await loosen(folder)
    try await operate(folder, "UPDATE sts_policies SET \(damage) WHERE domain = 'a.example'")

    let log = EventLog()
    store = try await open(folder, StillClock(), log)
    let policies = try await store.policies()
    #expect(policies.map(\.domain.folded) == ["a.example", "b.example"])
    let standIn = try #require(policies.first)
    #expect(standIn.isUnreadable && standIn.known.policy.mode == .enforce)
    #expect(standIn.known.expiresAt > StillClock.start)
    var evidence = TLSEvidence(host: try DomainName("mx.a.example"), floor: OperatorFloor(.opportunistic, origin: "x"))
    evidence.sts = .inForce(standIn.known)
    guard case .tryLater = decide(evidence).verdict else {
      Issue.record("the mail would go: \(decide(evidence).verdict)")
      return
    }
    let other = try policy("b.example")
    #expect(policies.last == other)
    #expect(log.reasons("policy-unreadable").count == 1)
    #expect(log.reasons("policy-unreadable").first?.contains("of a.example holds") == true)

    // Fetched anew, all is well.
    try await store.put(try policy("a.example"))
    #expect(try await store.policies().first == (try policy("a.example")))
    #expect(log.events.last?["clears"] == .text("policy-unreadable"))
    await store.close()
  }

  @Test("a damaged policy of mode testing or none asked for nothing: it is left out, and named")
  func damagedTesting() async throws {
    let folder = try TestFolder()
    var store = try await open(folder)
    try await store.put(try policy("a.example", .testing))
    await store.close()
    try await loosen(folder)
    try await operate(folder, "UPDATE sts_policies SET fetched_at = 'x'")
    let log = EventLog()
    store = try await open(folder, StillClock(), log)
    #expect(try await store.policies().isEmpty)
    #expect(log.reasons("policy-unreadable").count == 1)
    await store.close()
  }

  @Test("a policy whose mode doesn't read isn't dropped for room")
  func damagedRoom() async throws {
    let folder = try TestFolder()
    var bounds = PolicyStoreBounds()
    bounds.policies = 1
    var store = try await open(folder)
    try await store.put(try policy("a.example", used: StillClock.start))
    await store.close()
    try await loosen(folder)
    try await operate(folder, "UPDATE sts_policies SET mode = NULL")
    store = try await SQLitePolicyStore.open(
      folder: folder.path, bounds: bounds, clock: StillClock(), events: EventLog())
    try await store.put(try policy("t.example", .testing, used: StillClock.start + .seconds(9)))
    #expect(try await store.policies().map(\.domain.folded) == ["a.example"])
    await store.close()
  }

  @Test(
    "a damaged override asks for the most it may have asked for, and is named",
    arguments: ["floor = 'encrxpt'", "subdomains = 7", "ends_at = 'x'", "begins_at = NULL"])
  func damagedOverride(_ damage: String) async throws {
    let folder = try TestFolder()
    var store = try await open(folder)
    _ = try await store.add(try override("a.example", .opportunistic))
    await store.close()
    try await loosen(folder)
    try await operate(folder, "UPDATE floor_overrides SET \(damage)")
    let log = EventLog()
    store = try await open(folder, StillClock(), log)
    let found = try #require(try await store.overrides().first)
    #expect(found.override.floor == .dane && found.override.isInForce(at: StillClock.start))
    #expect(log.reasons("policy-unreadable").first?.contains("of number 1 for a.example holds") == true)
    try await store.end(found.number, at: StillClock.start, author: "anna", reason: "damaged")
    #expect(try await store.overrides().isEmpty)
    await store.close()
  }

  @Test("a damaged steady record is left out, and named")
  func damagedSteady() async throws {
    let folder = try TestFolder()
    var store = try await open(folder)
    try await store.put([try steady("a.example"), try steady("b.example")])
    await store.close()
    try await operate(folder, "UPDATE steady_tls SET address = '192.0.2.999' WHERE domain = 'a.example'")
    let log = EventLog()
    store = try await open(folder, StillClock(), log)
    #expect(try await store.steadyRecords().map(\.key.domain.folded) == ["b.example"])
    #expect(log.reasons("policy-unreadable").count == 1)
    await store.close()
  }

  /// A flipped bit asks neither STRICT nor NOT NULL: the tables without both, with the same rows.
  private func loosen(_ folder: TestFolder) async throws {
    let database = try DatabaseQueue(path: folder.path + "/policy.sqlite")
    try await database.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA writable_schema = ON")
      try db.execute(
        sql: """
          UPDATE sqlite_master SET sql = replace(replace(sql, ' NOT NULL', ''), ') STRICT', ')')
          WHERE type = 'table' AND name IN ('sts_policies', 'floor_overrides')
          """)
      try db.execute(sql: "PRAGMA writable_schema = RESET")
    }
    try database.close()
  }

  // MARK: The model's crashes

  @Test("the model forgets what wasn't answered and nothing else", arguments: 0..<40)
  func modelCrash(_ seed: Int) async throws {
    let store = ModelPolicyStore(clock: StillClock())
    try await store.put(try policy("a.example"))
    let answered = Answered()
    let writers = (0..<6).map { number in
      Task {
        let name = "n\(number).example"
        try await store.put(policy(name))
        answered.insert(name)
      }
    }
    for _ in 0..<(seed % 7) { await Task.yield() }
    var generator = SplitMix(state: UInt64(seed))
    let next = store.crash(using: &generator)
    for writer in writers { _ = await writer.result }
    let found = Set(try await next.policies().map(\.domain.folded))
    #expect(answered.names.isSubset(of: found))
    await #expect(throws: StoreFault.stopped(reason: "the power was cut")) { _ = try await store.policies() }
  }
}

private final class Answered: Sendable {
  private let content = Mutex<Set<String>>(["a.example"])
  func insert(_ name: String) { content.withLock { _ = $0.insert(name) } }
  var names: Set<String> { content.withLock { $0 } }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
