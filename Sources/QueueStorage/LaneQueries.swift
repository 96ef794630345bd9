import GRDB
import MailQueue
import MailSyntax

/// What the runner asks of the queue, again and again: answered by the index `recipients_queued` alone.
enum LaneQueries {
  static let firstLane = """
    SELECT route, account, message FROM recipients WHERE state = 0 ORDER BY route, account LIMIT 1
    """
  // Two steps, since SQLite seeks a row value, (route, account) > (?, ?), by its first column alone.
  static let nextAccount = """
    SELECT route, account, message FROM recipients WHERE state = 0 AND route = ? AND account > ?
    ORDER BY account LIMIT 1
    """
  static let nextRoute = """
    SELECT route, account, message FROM recipients WHERE state = 0 AND route > ? ORDER BY route, account LIMIT 1
    """
  static let earliestDue = """
    SELECT min(due) FROM recipients WHERE state = 0 AND route = ? AND account = ? AND priority = ?
    """
  static let due = """
    SELECT message FROM recipients
    WHERE state = 0 AND route = ? AND account = ? AND priority = ? AND due <= ? ORDER BY due, message, number
    """
  static let nextDue = """
    SELECT min(due) FROM recipients WHERE state = 0 AND route = ? AND account = ? AND priority = ? AND due > ?
    """
  static let name = "SELECT id FROM messages WHERE number = ?"
  static let all = [firstLane, nextAccount, nextRoute, earliestDue, due, nextDue, name]

  /// A recipient whose lane can't be asked for.
  struct Unnamed: Sendable {
    /// Nil where the index doesn't say it either.
    let message: Int64?
  }

  /// Steps from lane to lane by the index (route, account, priority, due): a look-up or two a lane, however many
  /// recipients wait in it. Ends at a recipient whose lane can't be asked for, with its message.
  static func lanes(_ db: Database) throws -> (lanes: [LaneSummary], unnamed: Unnamed?) {
    let nextAccount = try db.cachedStatement(sql: nextAccount)
    let nextRoute = try db.cachedStatement(sql: nextRoute)
    let earliestDue = try db.cachedStatement(sql: earliestDue)
    var lanes: [LaneSummary] = []
    var row = try Row.fetchOne(db.cachedStatement(sql: firstLane))
    while let found = row {
      guard let route = found.text(0), let account = found.text(1) else {
        return (lanes, Unnamed(message: found.integer(2)))
      }
      var due: Int64?
      for priority in PriorityClass.allCases {
        guard let earliest = try Int64.fetchOne(earliestDue, arguments: [route, account, priority.rawValue]) else {
          continue
        }
        due = min(due ?? earliest, earliest)
      }
      let lane = Lane(route: RouteKey(rawValue: route), account: account)
      // A priority that isn't ours, or a text that isn't UTF-8 and so doesn't find itself again.
      guard let due, lanes.last?.lane != lane else { return (lanes, Unnamed(message: found.integer(2))) }
      lanes.append(LaneSummary(lane: lane, earliestDue: UTCInstant(nanoseconds: due)))
      row = try Row.fetchOne(nextAccount, arguments: [route, account])
      if row == nil { row = try Row.fetchOne(nextRoute, arguments: [route]) }
    }
    return (lanes, nil)
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
    let later = try PriorityClass.allCases.compactMap { priority in
      try Int64.fetchOne(
        nextDue, arguments: [lane.route.rawValue, lane.account, priority.rawValue, moment.nanoseconds])
    }
    return (DueMail(ids: ids, nextDue: later.min().map(UTCInstant.init(nanoseconds:))), unnamed)
  }
}
