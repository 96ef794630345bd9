import GRDB
import MailQueue

/// What the rows say when a store is opened, by three looks through indexes and short rows: a million messages take about
/// a second. The rows of `messages`, long by their prefixes, are read only where one of the looks found a damaged one.
struct OpeningSurvey: Sendable {
  struct Segment: Sendable {
    let number: Int
    let bodies: Int
    let bytes: Int
    /// Behind its last body.
    let end: Int
  }

  /// Segments with a live body, in the order of their numbers.
  private(set) var live: [Segment] = []
  /// The numbers of the bodies that have a file of their own.
  let bodies: Set<Int>
  let counts: QueueCounts
  /// Messages that no lane and no listing would lead to. One whose id has the length of an id and isn't one is met in its
  /// lane.
  let unreachable: [Int64]

  init(_ db: Database, segmentSize: Int) throws {
    var (messages, misplaced) = (0, 0)
    // A row with an impossible place counts as a body without bytes, and its segment as full: nothing is written where
    // its body may lie. The limit keeps SQLite from working the condition out once for each time it is named.
    let rows = try Row.fetchCursor(
      db,
      sql: """
        SELECT segment, count(*), sum(iif(sound, length, 0)), max(iif(sound, offset + length, \(segmentSize))),
          sum(NOT sound)
        FROM (SELECT segment, offset, length, (\(BodyPlace.isPossible)) AS sound FROM messages LIMIT -1)
        GROUP BY segment ORDER BY segment
        """)
    while let row = try rows.next() {
      let bodies = Int(row.integer(1) ?? 0)
      messages += bodies
      misplaced += Int(row.integer(4) ?? 0)
      guard let number = row.integer(0).map({ Int($0) }), (1...BodyPlace.highest).contains(number) else { continue }
      live.append(
        Segment(
          number: number, bodies: bodies, bytes: Int(row.integer(2) ?? 0), end: Int(row.integer(3) ?? 0)))
    }
    bodies = try Int.fetchSet(db, sql: "SELECT offset FROM messages WHERE segment = 0 AND \(BodyPlace.isPossible)")

    let states = try Row.fetchOne(
      db,
      sql: """
        SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE \(RowCoding.isHeld)),
          count(*) FILTER (WHERE \(OpeningSurvey.hasNoLane))
        FROM recipients
        """)
    counts = QueueCounts(
      messages: messages, recipientsQueued: Int(states?.integer(0) ?? 0), recipientsHeld: Int(states?.integer(1) ?? 0))

    var unreachable = try Int64.fetchSet(
      db, sql: "SELECT number FROM messages WHERE typeof(id) <> 'text' OR length(id) <> ?",
      arguments: [QueueID.characters])
    if misplaced > 0 {
      unreachable.formUnion(
        try Int64.fetchSet(db, sql: "SELECT number FROM messages WHERE NOT (\(BodyPlace.isPossible))"))
    }
    if let laneless = states?.integer(2), laneless > 0 {
      unreachable.formUnion(
        try Int64.fetchSet(
          db,
          sql: "SELECT message FROM recipients WHERE typeof(message) = 'integer' AND (\(OpeningSurvey.hasNoLane))"))
    }
    self.unreachable = unreachable.sorted()
  }

  /// A state that isn't ours, or a priority that isn't while it is queued.
  private static let hasNoLane = """
    coalesce(state, -1) NOT IN (0, 1, 2, 3, 4) OR (state = 0 AND coalesce(priority, -1) NOT IN (0, 1, 2))
    """
}
