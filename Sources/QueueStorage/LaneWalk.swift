import GRDB
import MailQueue
import MailSyntax

/// Goes through the index of what is queued, lane by lane, and notes when the earliest of each is due.
///
/// Where a lane has more rows of one priority than `LaneQueries.patience`, the rest of them is passed over by a seek; the
/// first of each priority is the earliest.
struct LaneWalk {
  private enum Place {
    case behindRoute(String)
    case behindAccount(Lane)
    case behindPriority(Lane, Int)
  }

  private let limit: Int
  private(set) var lanes: [LaneSummary] = []
  /// The lane whose rows are being read, and what they said.
  private var lane: Lane?
  private var earliest = Int64.max
  private var priority = 0
  private var rowsOfPriority = 0

  init(limit: Int) { self.limit = max(0, limit) }

  /// From the beginning, or from behind a lane, until the limit or the end.
  mutating func run(_ db: Database, after: Lane?) throws {
    var place: Place? = after.map { .behindAccount($0) } ?? .behindRoute("")
    while let here = place, lanes.count < limit { place = try go(on: db, from: here) }
    if lanes.count < limit { note() }
  }

  /// Reads on from a place and gives the next.
  private mutating func go(on db: Database, from place: Place) throws -> Place? {
    let sql: String
    let arguments: StatementArguments
    let next: Place?
    switch place {
    case .behindRoute(let route): (sql, arguments, next) = (LaneQueries.behindRoute, [route], nil)
    case .behindAccount(let lane):
      (sql, arguments) = (LaneQueries.behindAccount, [lane.route.rawValue, lane.account])
      next = .behindRoute(lane.route.rawValue)
    case .behindPriority(let lane, let priority):
      (sql, arguments) = (LaneQueries.behindPriority, [lane.route.rawValue, lane.account, priority])
      next = .behindAccount(lane)
    }
    let rows = try Row.fetchCursor(db.cachedStatement(sql: sql), arguments: arguments)
    while let row = try rows.next() {
      try read(row)
      if lanes.count >= limit { return nil }
      if rowsOfPriority >= LaneQueries.patience, let lane { return .behindPriority(lane, priority) }
    }
    return next
  }

  private mutating func read(_ row: Row) throws {
    guard let route = row.text(0).flatMap(RowCoding.text), let account = row.text(1).flatMap(RowCoding.text),
      let priority = row.integer(2).flatMap(RowCoding.priority), let due = row.integer(3)
    else { throw LaneQueries.Unnamed(message: row.integer(4)) }
    if lane?.route.rawValue != route || lane?.account != account {
      note()
      lane = Lane(route: RouteKey(rawValue: route), account: account)
      rowsOfPriority = 0
    } else if self.priority != priority.rawValue {
      rowsOfPriority = 0
    }
    self.priority = priority.rawValue
    rowsOfPriority += 1
    earliest = min(earliest, due)
  }

  private mutating func note() {
    guard let lane else { return }
    lanes.append(LaneSummary(lane: lane, earliestDue: UTCInstant(nanoseconds: earliest)))
    self.lane = nil
    earliest = .max
  }
}
