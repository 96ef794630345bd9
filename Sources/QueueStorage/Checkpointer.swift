import GRDB
import NIOPosix
import Synchronization

/// Moves pages from the write-ahead log into the database on a thread of its own: passive, so that it never holds up
/// the writer. Under load without a pause a passive checkpoint never reaches the log's end; past `longestLogFrames`
/// the writer finishes the small rest between two batches, and the log starts again from its beginning.
final class Checkpointer: Sendable {
  /// Jobs between two checkpoints.
  static let interval = 2_000

  private let thread: NIOThreadPool
  private let connection: DatabaseQueue
  private let standing: StoreStanding
  private let longestLogFrames: Int
  private let jobsSince = Atomic<Int>(0)
  private let isUnderWay = Atomic<Bool>(false)
  private let mustFinish = Atomic<Bool>(false)

  init(thread: NIOThreadPool, connection: DatabaseQueue, standing: StoreStanding, longestLogFrames: Int) {
    self.thread = thread
    self.connection = connection
    self.standing = standing
    self.longestLogFrames = longestLogFrames
  }

  /// Called by the writer after each batch.
  func committed(_ jobs: Int, on database: DatabasePool) {
    if mustFinish.exchange(false, ordering: .relaxed) {
      _ = checkpoint { body in try database.writeWithoutTransaction(body) }
    }
    let count = jobsSince.add(jobs, ordering: .relaxed).newValue
    guard count >= Checkpointer.interval else { return }
    start()
  }

  /// Called by maintenance, so that a quiet store's log is moved too.
  func tick() {
    if jobsSince.load(ordering: .relaxed) > 0 { start() }
  }

  func close() { try? connection.close() }

  private func start() {
    guard !isUnderWay.exchange(true, ordering: .acquiring) else { return }
    jobsSince.store(0, ordering: .relaxed)
    thread.submit { _ in
      let frames = self.checkpoint { body in try self.connection.writeWithoutTransaction(body) }
      if frames > self.longestLogFrames { self.mustFinish.store(true, ordering: .relaxed) }
      self.isUnderWay.store(false, ordering: .releasing)
    }
  }

  /// The frames in the log.
  private func checkpoint(_ run: ((Database) throws -> Int) throws -> Int) -> Int {
    do {
      try standing.checkRunning()
      return try run { db in try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(PASSIVE)")?[1] ?? 0 }
    } catch is DatabaseError where standing.isStopped {
      return 0
    } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
      return 0
    } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
      // Everything is in the log still; the database grows when there is room again.
      standing.lower("the checkpoint of queue.sqlite3 found the disk full")
      return 0
    } catch let error as DatabaseError {
      standing.stop("the checkpoint of queue.sqlite3 failed: \(error)")
      return 0
    } catch {
      return 0
    }
  }
}
