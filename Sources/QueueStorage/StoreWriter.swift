import GRDB
import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Synchronization

/// Group commit. Everything that changes the store passes through one thread, which takes all that waits at once:
/// bodies appended, one sync, one transaction, then the answers. So one pair of syncs serves many sessions.
final class StoreWriter: Sendable {
  private struct Queue {
    var waiting: [StoreJob] = []
    var isDraining = false
  }

  let database: DatabasePool
  private let files: SegmentFiles
  private let standing: StoreStanding
  private let counts: Mutex<QueueCounts>
  private let clock: any MailClock
  private let events: any EventSink
  private let thread = NIOThreadPool(numberOfThreads: 1)
  private let queue = Mutex(Queue())
  /// Touched by the one thread of `thread` alone, and before it starts.
  nonisolated(unsafe) private var appender: SegmentAppender
  let checkpointer: Checkpointer

  init(
    database: DatabasePool, files: SegmentFiles, standing: StoreStanding, counts: QueueCounts,
    appender: consuming SegmentAppender, checkpointer: Checkpointer, clock: any MailClock, events: any EventSink
  ) {
    self.database = database
    self.files = files
    self.standing = standing
    self.counts = Mutex(counts)
    self.appender = appender
    self.checkpointer = checkpointer
    self.clock = clock
    self.events = events
    thread.start()
  }

  var currentCounts: QueueCounts { counts.withLock { $0 } }

  /// Waits for the job's place in a batch and for the batch to be durable.
  func run(_ work: StoreJob.Work, _ entries: [StoreJob.Entry] = []) async throws(StoreFault) {
    let result: Result<Void, StoreFault> = await withCheckedContinuation { continuation in
      let mustStart = queue.withLock { queue in
        queue.waiting.append(StoreJob(work: work, entries: entries, answer: continuation))
        defer { queue.isDraining = true }
        return !queue.isDraining
      }
      // A pool that was shut down runs the work at once, as cancelled: the batch then meets a stopped store.
      if mustStart { thread.submit { _ in self.drain() } }
    }
    try result.get()
  }

  /// After this returns no job is under way.
  func close() async {
    try? await thread.shutdownGracefully()
  }

  /// Called on the writer's thread between batches, and by maintenance through `run`.
  var currentSegmentIsHalfFull: Bool { halfFull.load(ordering: .relaxed) }
  private let halfFull = Atomic<Bool>(false)

  private func drain() {
    while let batch = takeBatch() {
      process(batch)
      halfFull.store(appender.isHalfFull, ordering: .relaxed)
    }
  }

  private func takeBatch() -> [StoreJob]? {
    queue.withLock { queue in
      guard !queue.waiting.isEmpty else {
        queue.isDraining = false
        return nil
      }
      var bytes = 0
      var count = 0
      while count < queue.waiting.count, count == 0 || bytes + queue.waiting[count].bytes <= maximumBytes {
        bytes += queue.waiting[count].bytes
        count += 1
      }
      let batch = Array(queue.waiting[..<count])
      queue.waiting.removeFirst(count)
      return batch
    }
  }

  private var maximumBytes: Int { files.options.longestBatch.bytes }

  private func process(_ batch: [StoreJob]) {
    standing.lookAtSpace(atLeastEvery: .seconds(1))
    var batch = batch
    if standing.isSpaceLow { refuseNewMail(&batch, .spaceLow) }
    guard !batch.isEmpty else { return }
    var outcome = attempt(&batch)
    if case .failure(let fault) = outcome, fault.leavesRoomForOutcomes {
      // Outcomes go on without the new mail, at need on the reserve.
      refuseNewMail(&batch, fault)
      guard !batch.isEmpty else { return }
      outcome = attempt(&batch)
      if case .failure(.spaceLow) = outcome, standing.releaseReserve() { outcome = attempt(&batch) }
    }
    switch outcome {
    case .failure(let fault): for job in batch { job.answer.resume(returning: .failure(fault)) }
    case .success(let effects):
      settle(effects)
      for (job, result) in zip(batch, effects.results) { job.answer.resume(returning: result) }
    }
    checkpointer.committed(batch.count, on: database)
  }

  private func refuseNewMail(_ batch: inout [StoreJob], _ fault: StoreFault) {
    for job in batch where job.isNewMail { job.answer.resume(returning: .failure(fault)) }
    batch.removeAll(where: \.isNewMail)
  }

  /// Bodies, one sync, one transaction. Failure leaves nothing of the batch, or a stopped store.
  private func attempt(
    _ batch: inout [StoreJob], mayMend: Bool = true
  ) -> Result<BatchEffects, StoreFault> {
    var placed: [BodyPlace] = []
    do {
      try standing.checkRunning()
      for job in batch.indices {
        for entry in batch[job].entries.indices {
          guard case .memory(let slices) = batch[job].entries[entry].body.content else { continue }
          let place = try appender.append(slices, length: batch[job].entries[entry].body.length)
          placed.append(place)
          batch[job].entries[entry].place = place
        }
      }
      if !placed.isEmpty {
        do throws(SystemFault) { try appender.sync() } catch {
          // A sync is never tried again, whatever it failed with (Law 1).
          throw error.isSync ? standing.stop(error.description) : standing.judge(error)
        }
      }
      return .success(try commit(batch))
    } catch {
      appender.abandonBatch()
      for place in placed { files.withLedger { $0.drop(place) } }
      switch error {
      case let fault as StoreFault: return .failure(fault)
      case let fault as SystemFault:
        return .failure(fault.isSync ? standing.stop(fault.description) : standing.judge(fault))
      case let fault as DatabaseError where fault.resultCode == .SQLITE_FULL:
        standing.lower("queue.sqlite3: \(fault.message ?? "the disk is full")")
        return .failure(.spaceLow)
      case let fault as DatabaseError where fault.isOfIndexAlone && mayMend && mendIndexes(after: fault):
        return attempt(&batch, mayMend: false)
      default: return .failure(standing.stop("queue.sqlite3: \(error)"))
      }
    }
  }

  /// The rows are the truth, and an index can be made from them again; mail waits while it is.
  private func mendIndexes(after fault: DatabaseError) -> Bool {
    do {
      try database.writeWithoutTransaction { db in
        try db.inTransaction(.immediate) {
          try db.execute(sql: "REINDEX")
          return .commit
        }
      }
    } catch {
      return false
    }
    standing.alarm("queue-index-rebuilt", "an index of queue.sqlite3 didn't have what its rows say: \(fault)")
    return true
  }

  private func commit(_ batch: [StoreJob]) throws -> BatchEffects {
    let now = clock.now
    return try database.writeWithoutTransaction { db in
      var transaction = BatchTransaction(db, now: now)
      try db.beginTransaction(.immediate)
      do {
        for job in batch { try transaction.apply(job) }
        try files.fileSystem.commit { try db.commit() }
      } catch {
        if db.isInsideTransaction { try? db.rollback() }
        throw error
      }
      return transaction.effects
    }
  }

  /// What follows from a commit that is durable: only now may old bytes be written over.
  private func settle(_ effects: BatchEffects) {
    for place in effects.dropped {
      if place.segment == BodyPlace.ownFile {
        files.removeBody(place.offset)
      } else {
        files.withLedger { $0.drop(place) }
      }
    }
    counts.withLock { counts in
      counts.messages += effects.messages
      counts.recipientsQueued += effects.queued
      counts.recipientsHeld += effects.held
    }
    for event in effects.events { events.record(event) }
  }
}

extension DatabaseError {
  /// SQLITE_CORRUPT_INDEX: a row's entry is not where the row says.
  fileprivate var isOfIndexAlone: Bool { extendedResultCode.rawValue == 779 }
}

extension StoreFault {
  /// New mail needs a place for its body; an outcome without a report needs none.
  fileprivate var leavesRoomForOutcomes: Bool {
    switch self {
    case .spaceLow, .unavailable: true
    case .stopped, .notFound, .corrupt, .tooLarge, .duplicate: false
    }
  }
}

/// One caller's wish in a batch.
struct StoreJob: Sendable {
  enum Work: Sendable {
    case commit
    case record(id: QueueID, changes: [RecipientChange], events: [MailEvent])
    /// Bodies that moved: their new places are the entries'.
    case move(number: Int64, from: BodyPlace)
    case prune(before: UTCInstant, keeping: Int, upTo: Int)
    case vacuum(pages: Int)
    /// The indexes are made anew from their rows.
    case reindex
    /// A message whose row doesn't read, under the id it shall have.
    case hold(number: Int64, id: QueueID?, reason: String)
  }

  /// A new message, or for `move` its body alone.
  struct Entry: Sendable {
    let message: QueuedMessage?
    let body: StoredBodyWriter.Sealed
    var place: BodyPlace?
    let event: MailEvent?

    init(_ message: QueuedMessage?, _ body: StoredBodyWriter.Sealed, _ event: MailEvent?) {
      self.message = message
      self.body = body
      self.event = event
      if case .file(let number) = body.content {
        place = BodyPlace(segment: BodyPlace.ownFile, offset: number, length: body.length)
      }
    }
  }

  let work: Work
  var entries: [Entry]
  let answer: CheckedContinuation<Result<Void, StoreFault>, Never>

  var bytes: Int { entries.reduce(512) { $0 + $1.body.length } }
  /// What a full disk turns away; the rest goes on. A move is refused too: compaction asks again later.
  var isNewMail: Bool {
    switch work {
    case .commit, .move: true
    case .record, .prune, .vacuum, .reindex, .hold: false
    }
  }
}
