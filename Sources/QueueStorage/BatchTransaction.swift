import Foundation
import GRDB
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar

/// What a batch's transaction will have changed once it is committed.
struct BatchEffects: Sendable {
  /// One for each job, in order.
  var results: [Result<Void, StoreFault>] = []
  /// Bodies that no row names any more.
  var dropped: [BodyPlace] = []
  var messages = 0
  var queued = 0
  var held = 0
  var events: [MailEvent] = []

  mutating func count(_ state: RecipientState, _ change: Int) {
    switch state {
    case .queued: queued += change
    case .held: held += change
    case .delivered, .failed, .removed: break
    }
  }
}

/// Applies jobs inside the writer's transaction. A job that can't be done leaves nothing and fails alone; an error of
/// the database fails the whole batch.
struct BatchTransaction {
  private let db: Database
  private let now: UTCInstant
  private(set) var effects = BatchEffects()

  init(_ db: Database, now: UTCInstant) {
    self.db = db
    self.now = now
  }

  mutating func apply(_ job: StoreJob) throws {
    let before = effects
    do {
      switch job.work {
      case .commit: for entry in job.entries { try insert(entry) }
      case .record(let id, let changes, let events): try record(id, changes, events, job.entries)
      case .move(let number, let old): try move(number, from: old, job.entries)
      case .prune(let moment, let keeping, let limit): try prune(before: moment, keeping: keeping, upTo: limit)
      case .hold(let number, let id, let reason): try hold(number, id, reason)
      case .reindex: try run("REINDEX", [])
      case .vacuum(let pages): try run("PRAGMA incremental_vacuum(\(pages))", [])
      }
      effects.results.append(.success(()))
    } catch let fault as StoreFault {
      effects = before
      effects.dropped += job.entries.compactMap(\.place).filter { $0.segment != BodyPlace.ownFile }
      effects.results.append(.failure(fault))
    }
  }

  private mutating func insert(_ entry: StoreJob.Entry) throws {
    guard let queued = entry.message, let place = entry.place else { return }
    let message = queued.message
    let prefix = message.prefix.withUnsafeReadableBytes { bytes in
      bytes.baseAddress.map { Data(bytes: $0, count: bytes.count) } ?? Data()
    }
    do {
      try run(
        """
        INSERT INTO messages (id, tenant, account, priority, reverse_path, envelope_id, report_content,
          body_type, smtputf8, received_at, expires_at, segment, offset, length, checksum, prefix, tls_wish)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
          queued.id.description, message.tenant, message.account, message.priority.rawValue,
          message.reversePath.mailbox?.description, message.envelopeID, message.reportContent?.rawValue,
          message.body.rawValue, message.usesSMTPUTF8, message.receivedAt.nanoseconds, message.expiresAt.nanoseconds,
          place.segment, place.offset, place.length, Int64(entry.body.checksum), prefix,
          message.tlsWish.rawValue,
        ])
    } catch let error as DatabaseError where error.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE {
      // SQLite undoes the failed statement alone; it was the job's first, or stands in the job's savepoint.
      throw StoreFault.duplicate(queued.id)
    }
    let number = db.lastInsertedRowID
    for recipient in queued.recipients {
      try run(
        """
        INSERT INTO recipients (message, number, address, route, account, priority, notify, original_type,
          original_address, forwarded_from, state, attempts, due, last_result, delay_reported)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, NULL, 0)
        """,
        [
          number, recipient.number, recipient.recipient.address.description, recipient.recipient.route.rawValue,
          message.account ?? "", message.priority.rawValue, recipient.recipient.notify.map { Int($0.rawValue) },
          recipient.recipient.originalRecipient?.addressType, recipient.recipient.originalRecipient?.address,
          recipient.recipient.forwardedFrom?.description, recipient.due.nanoseconds,
        ])
    }
    effects.messages += 1
    effects.queued += queued.recipients.count
    if let event = entry.event { try add(event, of: queued.id) }
  }

  private mutating func record(
    _ id: QueueID, _ changes: [RecipientChange], _ events: [MailEvent], _ reports: [StoreJob.Entry]
  ) throws {
    if changes.isEmpty, reports.isEmpty {
      // Events alone may tell of a message that has left.
      for event in events { try add(event, of: id) }
      return
    }
    let found = try statement("SELECT number, segment, offset, length FROM messages WHERE id = ?")
    guard let row = try Row.fetchOne(found, arguments: [id.description]) else { throw StoreFault.notFound }
    let message = row.integer(0) ?? 0
    let stored = row.place(1, 2, 3)
    // The ledger counts an impossible place as the survey does: a body without bytes.
    let place = stored.isPossible ? stored : BodyPlace(segment: stored.segment, offset: 0, length: 0)
    let changed = try standings(of: message, after: changes)

    guard !reports.isEmpty else {
      try conclude(id, message, place, changed, events)
      return
    }
    try db.execute(sql: "SAVEPOINT record")
    do {
      for report in reports { try insert(report) }
      try conclude(id, message, place, changed, events)
      try db.execute(sql: "RELEASE record")
    } catch let fault as StoreFault {
      try db.execute(sql: "ROLLBACK TO record; RELEASE record")
      throw fault
    }
  }

  /// Every change beside the standing before and after it. Two changes of one recipient apply in order.
  private func standings(of message: Int64, after changes: [RecipientChange]) throws -> [Changed] {
    let select = try statement(
      """
      SELECT state, attempts, due, last_result, delay_reported FROM recipients WHERE message = ? AND number = ?
      """)
    var changed: [Changed] = []
    for change in changes {
      if let earlier = changed.lastIndex(where: { $0.change.number == change.number }) {
        let before = changed[earlier].after
        changed.append(Changed(change: change, before: before, after: before.applying(change)))
        continue
      }
      guard let row = try Row.fetchOne(select, arguments: [message, change.number]) else { throw StoreFault.notFound }
      let before = RowCoding.standing(row, at: 0)
      changed.append(Changed(change: change, before: before, after: before.applying(change)))
    }
    return changed
  }

  private struct Changed {
    let change: RecipientChange
    let before: RecipientStanding
    let after: RecipientStanding
  }

  private mutating func conclude(
    _ id: QueueID, _ message: Int64, _ place: BodyPlace, _ changed: [Changed], _ events: [MailEvent]
  ) throws {
    var finished = 0
    for change in changed {
      effects.count(change.before.state, -1)
      effects.count(change.after.state, 1)
      if !change.before.state.isFinal && change.after.state.isFinal { finished += 1 }
    }
    let unfinished = try statement("SELECT count(*) FROM recipients WHERE message = ? AND \(RowCoding.isUnfinished)")
    if try Int.fetchOne(unfinished, arguments: [message]) == finished {
      try run("DELETE FROM recipients WHERE message = ?", [message])
      try run("DELETE FROM attempts WHERE message = ?", [message])
      try run("DELETE FROM messages WHERE number = ?", [message])
      effects.messages -= 1
      effects.dropped.append(place)
    } else {
      for change in changed { try update(message, change) }
    }
    for event in events { try add(event, of: id) }
  }

  private func update(_ message: Int64, _ changed: Changed) throws {
    if let attempt = changed.change.attempt {
      try run(
        """
        INSERT INTO attempts (message, number, started_at, ended_at, host, result, tls) VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        [
          message, changed.change.number, attempt.startedAt.nanoseconds, attempt.endedAt.nanoseconds, attempt.host,
          attempt.result, attempt.tls,
        ])
    }
    let after = changed.after
    try run(
      """
      UPDATE recipients SET state = ?, attempts = ?, due = ?, last_result = ?, delay_reported = ?
      WHERE message = ? AND number = ?
      """,
      [
        RowCoding.number(of: after.state), after.attempts, after.due.nanoseconds, after.lastResult,
        after.delayReported, message, changed.change.number,
      ])
  }

  /// Every unfinished recipient of a message that doesn't read waits for an operator; one without an id gets `id`, and
  /// its history with it.
  private mutating func hold(_ message: Int64, _ id: QueueID?, _ reason: String) throws {
    let row = try Row.fetchOne(statement("SELECT id FROM messages WHERE number = ?"), arguments: [message])
    if let id, let row, row.text(0) != id.description {
      try run("UPDATE OR IGNORE messages SET id = ? WHERE number = ?", [id.description, message])
      try run("UPDATE outbox SET message = ? WHERE message = ?", [id.description, row.text(0)])
    }
    try renumber(message)
    let queued = try Int.fetchOne(
      statement("SELECT count(*) FROM recipients WHERE message = ? AND state = 0"), arguments: [message])
    // Queued first, where the state is none of ours: the index may still have what it had before, and only so loses it.
    try run(
      """
      UPDATE recipients SET state = 0, last_result = ?, \(RowCoding.typedColumns)
      WHERE message = ? AND \(RowCoding.isHeld)
      """, [reason, message])
    try run(
      """
      UPDATE recipients SET state = 1, last_result = ?, \(RowCoding.typedColumns)
      WHERE message = ? AND \(RowCoding.isUnfinished)
      """, [reason, message])
    effects.queued -= queued ?? 0
    effects.held += queued ?? 0
    if let id { try add(.unreadable(id, reason: reason), of: id) }
  }

  /// Recipients count from 0: a number that is lost is given again, so that the recipient can be named.
  private func renumber(_ message: Int64) throws {
    let numbers = try DatabaseValue.fetchAll(
      statement("SELECT number FROM recipients WHERE message = ? ORDER BY number"), arguments: [message])
    for (number, stored) in numbers.enumerated() where stored.storage != .int64(Int64(number)) {
      try run(
        """
        UPDATE OR IGNORE recipients SET number = ?, \(RowCoding.typedColumns) WHERE message = ? AND number IS ?
        """, [number, message, stored])
    }
  }

  /// A message that left or moved meanwhile keeps its row as it is; the copy is dropped.
  private mutating func move(_ number: Int64, from old: BodyPlace, _ entries: [StoreJob.Entry]) throws {
    guard let place = entries.first?.place else { return }
    do {
      try run(
        "UPDATE messages SET segment = ?, offset = ? WHERE number = ? AND segment = ? AND offset = ?",
        [place.segment, place.offset, number, old.segment, old.offset])
    } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
      // Another column of the row has a type that isn't its own: it is held by whoever reads it.
      throw StoreFault.corrupt(QueueID(acceptedAt: now, random: UInt64(bitPattern: number)))
    }
    guard db.changesCount == 1 else { throw StoreFault.notFound }
    effects.dropped.append(old)
  }

  /// The oldest events: those before `moment`, and those past `keeping` in number.
  private func prune(before moment: UTCInstant, keeping: Int, upTo limit: Int) throws {
    try run(
      """
      DELETE FROM outbox WHERE sequence IN (
        SELECT sequence FROM (SELECT sequence, instant FROM outbox ORDER BY sequence LIMIT ?)
        WHERE typeof(instant) <> 'integer' OR instant < ? OR sequence <= (SELECT max(sequence) FROM outbox) - ?)
      """, [limit, moment.nanoseconds, keeping])
  }

  private mutating func add(_ event: MailEvent, of id: QueueID) throws {
    try run(
      "INSERT INTO outbox (instant, message, event) VALUES (?, ?, ?)",
      [now.nanoseconds, id.description, event.json])
    effects.events.append(event)
  }

  private func statement(_ sql: String) throws -> Statement { try db.cachedStatement(sql: sql) }

  private func run(_ sql: String, _ arguments: [(any DatabaseValueConvertible)?]) throws {
    let statement = try statement(sql)
    statement.setUncheckedArguments(StatementArguments(arguments))
    try statement.execute()
  }
}
