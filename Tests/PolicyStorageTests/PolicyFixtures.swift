import Foundation
import MailQueue
import MailSyntax
import PolicyStorage
import QueueModel
import QueueStorage
import Relay
import Synchronization
import Testing
import TransportSecurity

/// A clock that stands still until it is told.
final class StillClock: MailClock {
  private let moment = Mutex<Int64>(0)
  static let start = UTCInstant(seconds: 1_795_347_900)
  var now: UTCInstant { StillClock.start + .nanoseconds(moment.withLock { $0 }) }
  var uptime: Uptime { Uptime(nanoseconds: moment.withLock { $0 }) }
  func advance(_ duration: Duration) { moment.withLock { $0 += duration.nanoseconds } }
  func sleep(until deadline: Uptime) async { await Task.yield() }
}

final class EventLog: EventSink {
  private let log = Mutex<[MailEvent]>([])
  func record(_ event: MailEvent) { log.withLock { $0.append(event) } }
  var events: [MailEvent] { log.withLock { $0 } }
  func reasons(_ what: String) -> [String] {
    events.filter { $0["what"] == .text(what) }.compactMap { event in
      if case .text(let reason)? = event["reason"] { reason } else { nil }
    }
  }
}

/// The machine's file system, with the commit watched or made to fail.
final class WatchedCommits: FileSystem {
  enum Failure { case none, before, behind }
  struct CommitFault: Error {}
  private let real = POSIXFileSystem()
  private let failure = Mutex(Failure.none)
  private let behind = Mutex<(@Sendable () -> Void)?>(nil)

  func fail(_ failure: Failure) { self.failure.withLock { $0 = failure } }
  /// Called when a commit has returned.
  func watch(_ body: (@Sendable () -> Void)?) { behind.withLock { $0 = body } }

  func commit(_ transaction: () throws -> Void) throws {
    let failure = failure.withLock { $0 }
    if failure == .before { throw CommitFault() }
    try transaction()
    behind.withLock { $0 }?()
    if failure == .behind { throw CommitFault() }
  }

  func open(_ path: String, _ mode: OpenMode) throws(SystemFault) -> Int32 { try real.open(path, mode) }
  func close(_ file: Int32) { real.close(file) }
  func write(_ bytes: UnsafeRawBufferPointer, to file: Int32, at offset: Int) throws(SystemFault) {
    try real.write(bytes, to: file, at: offset)
  }
  func read(into bytes: UnsafeMutableRawBufferPointer, from file: Int32, at offset: Int) throws(SystemFault) -> Int {
    try real.read(into: bytes, from: file, at: offset)
  }
  func syncData(_ file: Int32) throws(SystemFault) { try real.syncData(file) }
  func syncFolder(_ path: String) throws(SystemFault) { try real.syncFolder(path) }
  func rename(_ path: String, to newPath: String) throws(SystemFault) { try real.rename(path, to: newPath) }
  func remove(_ path: String) throws(SystemFault) { try real.remove(path) }
  func createFolder(_ path: String) throws(SystemFault) { try real.createFolder(path) }
  func list(_ folder: String) throws(SystemFault) -> [String] { try real.list(folder) }
  func size(_ file: Int32) throws(SystemFault) -> Int { try real.size(file) }
  func freeSpace(_ path: String) throws(SystemFault) -> Int { try real.freeSpace(path) }
  func allocate(_ bytes: Int, for file: Int32) throws(SystemFault) { try real.allocate(bytes, for: file) }
}

/// A folder of its own, removed with the test.
final class TestFolder {
  let path: String
  init() throws {
    path = NSTemporaryDirectory() + "/martlet-policy-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The two stores of the contract.
enum StoreKind: String, CaseIterable, CustomTestStringConvertible {
  case model, sqlite
  var testDescription: String { rawValue }

  typealias Store = PolicyStore & PolicyAudit

  func withStore(
    _ bounds: PolicyStoreBounds = PolicyStoreBounds(),
    _ body: (_ store: any Store, _ clock: StillClock) async throws -> Void
  ) async throws {
    let clock = StillClock()
    switch self {
    case .model: try await body(ModelPolicyStore(clock: clock, bounds: bounds), clock)
    case .sqlite:
      let folder = try TestFolder()
      let store = try await SQLitePolicyStore.open(
        folder: folder.path, bounds: bounds, clock: clock, events: EventLog())
      do { try await body(store, clock) } catch {
        await store.close()
        throw error
      }
      await store.close()
    }
  }

  /// The same store behind a restart: what was answered is there again.
  func withRestart(
    _ first: (_ store: any Store, _ clock: StillClock) async throws -> Void,
    then second: (_ store: any Store, _ clock: StillClock) async throws -> Void
  ) async throws {
    let clock = StillClock()
    switch self {
    case .model:
      let store = ModelPolicyStore(clock: clock)
      try await first(store, clock)
      var generator = SystemRandomNumberGenerator()
      try await second(store.crash(using: &generator), clock)
    case .sqlite:
      let folder = try TestFolder()
      try await SQLitePolicyStore.serving(folder, clock, first)
      try await SQLitePolicyStore.serving(folder, clock, second)
    }
  }
}

extension SQLitePolicyStore {
  static func serving(
    _ folder: TestFolder, _ clock: StillClock,
    _ body: (_ store: any StoreKind.Store, _ clock: StillClock) async throws -> Void
  ) async throws {
    let store = try await open(folder: folder.path, clock: clock, events: EventLog())
    do { try await body(store, clock) } catch {
      await store.close()
      throw error
    }
    await store.close()
  }
}

func policy(
  _ domain: String, _ mode: STSPolicy.Mode = .enforce, maxAge: Duration = .seconds(86_400 * 7),
  fetched: UTCInstant = StillClock.start, used: UTCInstant = StillClock.start
) throws -> StoredSTSPolicy {
  let patterns = mode == .none ? [] : [STSPattern("mx.\(domain)"), STSPattern("*.mail.\(domain)")]
  return StoredSTSPolicy(
    domain: try DomainName(domain),
    known: KnownSTSPolicy(
      policy: STSPolicy(mode: mode, maxAge: maxAge, patterns: patterns), recordID: "20261122T1", fetchedAt: fetched),
    usedAt: used)
}

func override(
  _ domain: String, _ floor: TLSFloor = .encrypt, below: Bool = false, from: UTCInstant = StillClock.start,
  for time: Duration = .seconds(3_600)
) throws -> FloorOverride {
  FloorOverride(
    domain: try DomainName(domain), includesSubdomains: below, floor: floor, from: from, until: from + time,
    reason: "their certificate ran out, ticket 7", author: "anna")
}

func steady(
  _ domain: String, _ host: String = "mx.example.net", _ address: String = "192.0.2.1", successes: Int = 5,
  at last: UTCInstant = StillClock.start
) throws -> SteadyRecord {
  SteadyRecord(
    key: SteadyRecord.Key(
      domain: try DomainName(domain), host: try DomainName(host), address: IPAddress(address) ?? .v4(0)),
    level: .verified, successes: successes, firstAt: StillClock.start, lastAt: last)
}

protocol ClosablePolicyStore { func close() async }
extension SQLitePolicyStore: ClosablePolicyStore {}
