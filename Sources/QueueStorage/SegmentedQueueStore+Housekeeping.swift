import GRDB
public import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Synchronization

extension SegmentedQueueStore {
  /// Events removed in one step, and steps in one round.
  static let longestPrune = 1_000
  static let pruneSteps = 50
  /// Bytes of bodies one round of compaction moves.
  static let longestCompaction = 4 << 20
  /// Free pages of the database that are left alone, and given back in one round.
  static let sparePages = 2_048
  static let vacuumPages = 512

  /// Housekeeping about once a second until cancelled, or the store stops: old events, compaction, spare segments,
  /// the reserve, checkpoints, and whether a full disk has room again.
  public func run() async {
    while !Task.isCancelled {
      await clock.sleep(until: clock.uptime + .seconds(1))
      guard !Task.isCancelled else { return }
      do throws(StoreFault) {
        try await housekeep()
      } catch {
        if standing.isStopped { return }
      }
    }
  }

  /// One round of it.
  public func housekeep() async throws(StoreFault) {
    standing.lookAtSpace(atLeastEvery: .seconds(1))
    try await prune()
    try await compact()
    try await keepFiles()
    checkpointer.tick()
  }

  private func prune() async throws(StoreFault) {
    let oldest = clock.now + (.zero - options.history)
    for _ in 0..<SegmentedQueueStore.pruneSteps {
      let keeping = options.longestHistory
      let isNeeded = try await reading { db in
        let row = try Row.fetchOne(
          db, sql: "SELECT sequence, instant, (SELECT max(sequence) FROM outbox) FROM outbox ORDER BY sequence LIMIT 1")
        guard let row else { return false }
        // One whose moment is lost is forgotten as well.
        guard let first = row.integer(0), let instant = row.integer(1), let last = row.integer(2) else { return true }
        return instant < oldest.nanoseconds || last - first >= Int64(keeping)
      }
      guard isNeeded else { break }
      try await writer.run(.prune(before: oldest, keeping: keeping, upTo: SegmentedQueueStore.longestPrune))
    }
    let freePages = try await reading { db in try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0 }
    if freePages > SegmentedQueueStore.sparePages {
      try await writer.run(.vacuum(pages: SegmentedQueueStore.vacuumPages))
    }
  }

  /// Copies live bodies out of the oldest segment that is less than a quarter live. The copy is durable before the row
  /// names it; the old bytes are garbage only after that commit.
  private func compact() async throws(StoreFault) {
    let quarter = options.segmentSize.bytes / 4
    let skipped = skippedByCompaction.withLock { $0 }
    guard let segment = files.withLedger({ $0.sparsest(below: quarter, except: skipped) }) else { return }
    let rows = try await reading { db in
      try Row.fetchAll(
        db,
        sql: "SELECT number, id, offset, length FROM messages WHERE segment = ? ORDER BY offset LIMIT 1000",
        arguments: [segment]
      ).map { row in
        (
          number: row.integer(0) ?? 0, id: row.text(1).flatMap { QueueID($0) },
          place: BodyPlace(
            segment: segment, offset: Int(row.integer(2) ?? -1), length: Int(row.integer(3) ?? -1))
        )
      }
    }
    var moved = 0
    for row in rows where moved < SegmentedQueueStore.longestCompaction {
      guard let id = row.id, row.place.isPossible else {
        // It can't be moved, so its segment stays; chosen again, it would keep every other from being emptied.
        skippedByCompaction.withLock { _ = $0.insert(segment) }
        continue
      }
      moved += row.place.length
      do throws(StoreFault) {
        let body = try await readWhole(id)
        try await writer.run(.move(number: row.number, from: row.place), [StoreJob.Entry(nil, body, nil)])
      } catch {
        switch error {
        // It left meanwhile.
        case .notFound: continue
        // It was held and named; its segment stays as it is for whoever looks into it.
        case .corrupt: skippedByCompaction.withLock { _ = $0.insert(segment) }
        case .spaceLow, .stopped, .unavailable, .tooLarge, .duplicate: throw error
        }
      }
    }
  }

  private func readWhole(_ id: QueueID) async throws(StoreFault) -> StoredBodyWriter.Sealed {
    let reader = try await openBody(of: id)
    var slices: [ByteBuffer] = []
    var checksum = CRC32C()
    while let piece = try await reader.next() {
      piece.withUnsafeReadableBytes { checksum.update($0) }
      slices.append(piece)
    }
    return StoredBodyWriter.Sealed(
      content: .memory(slices), length: slices.reduce(0) { $0 + $1.readableBytes }, checksum: checksum.value)
  }

  private func keepFiles() async throws(StoreFault) {
    try await onThread(of: housekeeper) { () -> Result<Void, StoreFault> in
      do throws(SystemFault) {
        try self.standing.keepReserve()
        if self.standing.condition == .accepting {
          try self.files.keepSpares(currentIsHalfFull: self.writer.currentSegmentIsHalfFull)
        }
        return .success(())
      } catch {
        return .failure(error.isSync ? self.standing.stop(error.description) : self.standing.judge(error))
      }
    }.get()
  }
}
