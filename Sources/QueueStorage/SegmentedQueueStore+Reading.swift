import GRDB
public import MailQueue
public import MailSyntax
import NIOCore
import NIOPosix

extension SegmentedQueueStore {
  public func lanes(after: Lane?, limit: Int) async throws(StoreFault) -> [LaneSummary] {
    var held: Set<Int64> = []
    var isRebuilt = false
    while true {
      let (lanes, unnamed) = try await reading { db in try LaneQueries.lanes(db, after: after, limit: limit) }
      guard let unnamed else { return lanes }
      guard let number = unnamed.message, held.insert(number).inserted else {
        try await rebuildIndexes(since: unnamed.message, isLastWord: isRebuilt)
        isRebuilt = true
        continue
      }
      // Held, it is in no lane any more: each round has one message less.
      try await holdUnreadable(number)
    }
  }

  /// The index names a recipient whose row doesn't say so, or no message at all: holding it changed nothing. What the
  /// rows say is the truth, so the index is made from them again.
  private func rebuildIndexes(since message: Int64?, isLastWord: Bool) async throws(StoreFault) {
    let name = message.map { "message number \($0)" } ?? "a message without a number"
    guard !isLastWord else {
      standing.alarm("queue-index-corrupt", "queue.sqlite3 has \(name) as queued, and its row can't be held")
      throw .corrupt(QueueID(acceptedAt: UTCInstant(nanoseconds: 0), random: UInt64(bitPattern: message ?? 0)))
    }
    try await writer.run(.reindex)
    standing.alarm(
      "queue-index-rebuilt", "an index of queue.sqlite3 had \(name) as queued, and the recipients' rows don't")
  }

  public func due(in lane: Lane, at moment: UTCInstant, limit: Int) async throws(StoreFault) -> DueMail {
    let (mail, unnamed) = try await reading { db in try LaneQueries.due(db, in: lane, at: moment, limit: limit) }
    for number in unnamed { try await holdUnreadable(number) }
    return mail
  }

  public func message(_ id: QueueID) async throws(StoreFault) -> QueuedMessage? {
    let found = try await reading { db in
      let statement = try db.cachedStatement(
        sql: "SELECT \(RowCoding.messageColumns) FROM messages m WHERE m.id = ?")
      return try Row.fetchOne(statement, arguments: [id.description]).map { try RowCoding.message($0, db) }
    }
    guard let found else { return nil }
    return await holding(found)
  }

  public func list(_ filter: QueueFilter, after: QueueID?, limit: Int) async throws(StoreFault) -> [QueuedMessage] {
    let found = try await reading { db in
      let (condition, arguments) = FilterQuery(filter, after: after).parts
      let rows = try Row.fetchAll(
        db, sql: "SELECT \(RowCoding.messageColumns) FROM messages m WHERE \(condition) ORDER BY m.id LIMIT ?",
        arguments: arguments + [max(0, limit)])
      return try rows.map { try RowCoding.message($0, db) }
    }
    var messages: [QueuedMessage] = []
    for read in found { messages.append(await holding(read)) }
    return messages
  }

  public func attempts(of id: QueueID) async throws(StoreFault) -> [RecipientAttempt] {
    try await reading { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT a.number, a.started_at, a.ended_at, a.host, a.result, a.tls
          FROM attempts a JOIN messages m ON m.number = a.message WHERE m.id = ? ORDER BY a.sequence
          """, arguments: [id.description]
      ).compactMap { row in
        // One that doesn't read is left out, as an event is: the history is for reading.
        guard let number = row.integer(0).map({ Int($0) }), let start = row.integer(1).flatMap(RowCoding.instant),
          let end = row.integer(2).flatMap(RowCoding.instant), let host = row.text(3), let result = row.text(4),
          let tls = row.text(5)
        else { return nil }
        let attempt = AttemptRecord(startedAt: start, endedAt: end, host: host, result: result, tls: tls)
        return RecipientAttempt(number: number, attempt: attempt)
      }
    }
  }

  public func events(of id: QueueID) async throws(StoreFault) -> [StampedEvent] {
    try await reading { db in
      try Row.fetchAll(
        db, sql: "SELECT sequence, instant, event FROM outbox WHERE message = ? ORDER BY sequence",
        arguments: [id.description]
      ).compactMap { row in
        // A kind of a later version is skipped, and what doesn't read: the history is for reading.
        guard let sequence = row.integer(0), let instant = row.integer(1).flatMap(RowCoding.instant),
          let event = row.text(2).flatMap({ MailEvent(json: $0) })
        else { return nil }
        return StampedEvent(sequence: sequence, instant: instant, event: event)
      }
    }
  }

  /// From memory: the writer counts with every commit.
  public func counts() async throws(StoreFault) -> QueueCounts {
    try standing.checkRunning()
    return writer.currentCounts
  }

  /// A short body is read and checked here already, so that its `next` needs no other thread.
  public func openBody(of id: QueueID) async throws(StoreFault) -> any BodyReader {
    let result = await onThread(of: readers) { () -> Result<StoredBodyReader, StoreFault> in
      do throws(StoreFault) { return .success(try self.openReader(id)) } catch { return .failure(error) }
    }
    if case .failure(.corrupt) = result { await holdCorrupt(id) }
    return try result.get()
  }

  /// Between the row and the file the message may leave or move, and its segment be written over under a new number:
  /// then the pin fails or no such file is found, and the row is read again. A file that is there and can't be opened
  /// says nothing of the body in it.
  private func openReader(_ id: QueueID) throws(StoreFault) -> StoredBodyReader {
    for _ in 0..<4 {
      let row = try query { db in
        let statement = try db.cachedStatement(
          sql: "SELECT segment, offset, length, checksum FROM messages WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id.description]).map { row in
          (row.place(0, 1, 2), row.integer(3).flatMap { UInt32(exactly: $0) })
        }
      }
      guard let (place, storedChecksum) = row else { throw .notFound }
      guard place.isPossible, let checksum = storedChecksum else { throw .corrupt(id) }
      guard place.segment == BodyPlace.ownFile || files.withLedger({ $0.pin(place.segment) }) else { continue }
      let reader: StoredBodyReader
      do throws(SystemFault) {
        reader = try StoredBodyReader(
          id, at: place, checksum: checksum, files: files, standing: standing, threads: readers,
          foundCorrupt: { await self.holdCorrupt(id) })
      } catch {
        if place.segment != BodyPlace.ownFile { files.withLedger { $0.unpin(place.segment) } }
        guard error.isAbsence else { throw .unavailable(reason: error.description) }
        continue
      }
      if place.length > 0, place.length <= StoredBodyReader.longestPiece { try reader.readAhead() }
      return reader
    }
    throw .corrupt(id)
  }

  /// A body that fails its checksum waits for an operator, with its name in the history and the log.
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

  func reading<Answer: Sendable>(
    _ body: @escaping @Sendable (Database) throws -> Answer
  ) async throws(StoreFault) -> Answer {
    try await onThread(of: readers) { () -> Result<Answer, StoreFault> in
      do throws(StoreFault) { return .success(try self.query(body)) } catch { return .failure(error) }
    }.get()
  }

  private func query<Answer>(_ body: (Database) throws -> Answer) throws(StoreFault) -> Answer {
    try standing.checkRunning()
    do {
      return try writer.database.read(body)
    } catch let error as DatabaseError where error.isPassing {
      throw .unavailable(reason: "queue.sqlite3: \(error.message ?? "\(error.resultCode)")")
    } catch {
      throw standing.stop("queue.sqlite3: \(error)")
    }
  }
}

extension DatabaseError {
  /// A reader's connection could not be opened, for want of a descriptor or memory.
  fileprivate var isPassing: Bool { resultCode == .SQLITE_CANTOPEN || resultCode == .SQLITE_NOMEM }
}
