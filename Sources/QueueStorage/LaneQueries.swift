import GRDB
import MailQueue
import MailSyntax

/// What the runner asks of the queue, again and again: answered by the index `recipients_queued` alone.
enum LaneQueries {
  static let firstRoute = "SELECT route, message FROM recipients WHERE state = 0 ORDER BY route, account LIMIT 1"
  private static let columns = "route, account, priority, due, message"
  // Three ways on, since SQLite seeks a row value, (route, account) > (?, ?), by its first column alone.
  static let behindPriority = """
    SELECT \(columns) FROM recipients WHERE state = 0 AND route = ? AND account = ? AND priority > ?
    ORDER BY priority, due
    """
  static let behindAccount = """
    SELECT \(columns) FROM recipients WHERE state = 0 AND route = ? AND account > ? ORDER BY account, priority, due
    """
  static let behindRoute = """
    SELECT \(columns) FROM recipients WHERE state = 0 AND route > ? ORDER BY route, account, priority, due
    """
  static let due = """
    SELECT message FROM recipients
    WHERE state = 0 AND route = ? AND account = ? AND priority = ? AND due <= ? ORDER BY due, message, number
    """
  static let nextDue = """
    SELECT due, message FROM recipients
    WHERE state = 0 AND route = ? AND account = ? AND priority = ? AND due > ? ORDER BY due LIMIT 1
    """
  static let name = "SELECT id FROM messages WHERE number = ?"
  static let all = [firstRoute, behindPriority, behindAccount, behindRoute, due, nextDue, name]

  /// Rows of one lane and priority that are read one by one before the rest is passed over by a seek, which costs as
  /// much as several rows: so lanes of one message are read in a row, and a lane of a million costs no more than these.
  static let patience = 4

  /// A recipient whose lane can't be asked for.
  struct Unnamed: Error {
    /// Nil where the index doesn't say it either.
    let message: Int64?
  }

  /// The next lanes by the index (route, account, priority, due), however many recipients wait in them. Ends at a
  /// recipient whose lane can't be asked for, with its message.
  static func lanes(
    _ db: Database, after: Lane?, limit: Int
  ) throws -> (lanes: [LaneSummary], unnamed: Unnamed?) {
    var walk = LaneWalk(limit: limit)
    do {
      if after == nil, let first = try Row.fetchOne(db.cachedStatement(sql: firstRoute)) {
        // What is no text stands before all texts.
        guard first.text(0) != nil, first.text(0) != "" else { throw Unnamed(message: first.integer(1)) }
      }
      try walk.run(db, after: after)
    } catch let unnamed as Unnamed {
      return (walk.lanes, unnamed)
    }
    return (walk.lanes, nil)
  }

  /// Reads no more rows than it returns, and one a priority for what comes next, besides further recipients of the same
  /// messages. With the messages whose id doesn't read.
  static func due(
    _ db: Database, in lane: Lane, at moment: UTCInstant, limit: Int
  ) throws -> (mail: DueMail, unnamed: [Int64]) {
    let select = try db.cachedStatement(sql: due)
    let name = try db.cachedStatement(sql: name)
    var seen: Set<Int64> = []
    var ids: [QueueID] = []
    var unnamed: [Int64] = []
    for priority in PriorityClass.allCases where ids.count < limit {
      let rows = try Row.fetchCursor(
        select, arguments: [lane.route.rawValue, lane.account, priority.rawValue, moment.nanoseconds])
      while ids.count < limit, let row = try rows.next() {
        // An entry of the index that names no message leads nowhere.
        guard let message = row.integer(0), seen.insert(message).inserted else { continue }
        if let text = try Row.fetchOne(name, arguments: [message])?.text(0), let id = QueueID(text),
          id.description == text
        {
          ids.append(id)
        } else {
          unnamed.append(message)
        }
      }
    }
    let nextDue = try db.cachedStatement(sql: nextDue)
    var later: Int64?
    for priority in PriorityClass.allCases {
      let arguments: StatementArguments = [
        lane.route.rawValue, lane.account, priority.rawValue, moment.nanoseconds,
      ]
      guard let row = try Row.fetchOne(nextDue, arguments: arguments) else { continue }
      // What is no number stands behind all numbers, and would never be due.
      guard let due = row.integer(0) else {
        if let message = row.integer(1) { unnamed.append(message) }
        continue
      }
      later = min(later ?? due, due)
    }
    return (DueMail(ids: ids, nextDue: later.map(UTCInstant.init(nanoseconds:))), unnamed)
  }
}
