import GRDB
import MailQueue
import MailSyntax

/// One row that doesn't read concerns one message: it is held for an operator, with a reason that names the column, and
/// the store goes on.
extension SegmentedQueueStore {
  /// What the rows say, after what doesn't read of it is held in the database as it is in the answer.
  func holding(_ read: ReadMessage) async -> QueuedMessage {
    if read.mustBeHeld, let reason = read.damage {
      // Where this fails the message is held in the answer all the same, and the next to read it tries again.
      try? await writer.run(.hold(number: read.number, id: read.message.id, reason: reason))
    }
    return read.message
  }

  /// Holds a message that was met by its number: one without an id that reads, or in a lane that can't be named.
  func holdUnreadable(_ number: Int64) async throws(StoreFault) {
    let read = try await reading { db in
      let statement = try db.cachedStatement(
        sql: "SELECT \(RowCoding.messageColumns) FROM messages m WHERE m.number = ?")
      return try Row.fetchOne(statement, arguments: [number]).map { try RowCoding.message($0, db) }
    }
    let reason = read?.damage ?? "the stored row can't be read: messages has no sound row of number \(number)"
    try await writer.run(.hold(number: number, id: read?.message.id, reason: reason))
  }
}

extension BodyPlace {
  /// Far above what a store writes, and far below where sums overflow.
  static let highest = 1 << 40

  /// False for a place that no store of ours has written.
  var isPossible: Bool {
    let least = segment == BodyPlace.ownFile ? 1 : 0
    return (0...BodyPlace.highest).contains(segment) && (least...BodyPlace.highest).contains(offset)
      && (0...BodyPlace.highest).contains(length)
  }

  /// The same in SQL, about a row of `messages`.
  static let isPossible = """
    typeof(segment) = 'integer' AND typeof(offset) = 'integer' AND typeof(length) = 'integer'
    AND segment BETWEEN 0 AND \(highest) AND offset BETWEEN (segment = 0) AND \(highest) AND length BETWEEN 0 AND \(highest)
    """
}
