import GRDB
public import MailQueue
public import MailSyntax
import NIOCore
import NIOPosix

extension SegmentedQueueStore {
  public func lanes() async throws(StoreFault) -> [LaneSummary] {
    while true {
      let (lanes, unnamed) = try await reading { db in try LaneQueries.lanes(db) }
      guard let unnamed else { return lanes }
      // Held, it is in no lane any more: each round has one message less.
      try await holdUnreadable(unnamed)
    }
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
      ).map { row in
        RecipientAttempt(
          number: row[0],
          attempt: AttemptRecord(
            startedAt: UTCInstant(nanoseconds: row[1]), endedAt: UTCInstant(nanoseconds: row[2]), host: row[3],
            result: row[4], tls: row[5]))
      }
    }
  }

  public func events(of id: QueueID) async throws(StoreFault) -> [StampedEvent] {
    try await reading { db in
      try Row.fetchAll(
        db, sql: "SELECT sequence, instant, event FROM outbox WHERE message = ? ORDER BY sequence",
        arguments: [id.description]
      ).compactMap { row in
        // A kind of a later version is skipped: the history is for reading.
        MailEvent(json: row[2]).map {
          StampedEvent(sequence: row[0], instant: UTCInstant(nanoseconds: row[1]), event: $0)
        }
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
          (BodyPlace(segment: row[0], offset: row[1], length: row[2]), row[3] as Int64)
        }
      }
      guard let (place, storedChecksum) = row else { throw .notFound }
      guard place.isPossible, let checksum = UInt32(exactly: storedChecksum) else { throw .corrupt(id) }
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
