import GRDB
import GRDBSQLite
import MailQueue
import MailSyntax
import Testing

@testable import QueueStorage

/// What is asked at every claim costs by what it answers, not by what waits.
@Suite("the queries of the lanes")
struct LaneQueryTests {
  static let routes = 12
  static let accounts = 5
  static let later = StillClock.start + .seconds(3_600)

  /// Recipients of every route and account: `undue` in each lane an hour later, one message in ten due now.
  private func fill(_ store: SegmentedQueueStore, undue: Int) async throws {
    try await store.writer.database.write { db in
      let message = try db.makeStatement(
        sql: """
          INSERT INTO messages (id, priority, body_type, smtputf8, received_at, expires_at, segment, offset, length,
            checksum, prefix) VALUES (?, 1, '7BIT', 0, 0, 0, 1, 0, 0, 0, x'')
          """)
      let recipient = try db.makeStatement(
        sql: """
          INSERT INTO recipients (message, number, address, route, account, priority, state, attempts, due,
            delay_reported) VALUES (?, 0, 'a@x.example', ?, ?, ?, ?, 0, ?, 0)
          """)
      var number = 0
      for route in 0..<LaneQueryTests.routes {
        for account in 0..<LaneQueryTests.accounts {
          for place in 0..<(undue + 10) {
            try message.execute(arguments: [id(number).description])
            let due = place < 10 ? StillClock.start : LaneQueryTests.later
            // Held ones beside them are in no lane.
            let state = place >= 10 && place % 7 == 0 ? 1 : 0
            try recipient.execute(
              arguments: [
                db.lastInsertedRowID, "route-\(route)", "account-\(account)", place % 3, state, due.nanoseconds,
              ])
            number += 1
          }
        }
      }
    }
  }

  /// The steps of SQLite's machine that `body` takes in the queries of the lanes, and how many rows it scanned without
  /// an index or sorted.
  private func cost(_ store: SegmentedQueueStore, _ body: @Sendable (Database) throws -> Void) throws -> (
    steps: Int, scanned: Int
  ) {
    try store.writer.database.read { db in
      func count(_ counter: Int32) throws -> Int {
        try LaneQueries.all.reduce(0) { sum, sql in
          sum + Int(sqlite3_stmt_status(try db.cachedStatement(sql: sql).sqliteStatement, counter, 1))
        }
      }
      let counters = [SQLITE_STMTSTATUS_VM_STEP, SQLITE_STMTSTATUS_FULLSCAN_STEP, SQLITE_STMTSTATUS_SORT]
      for counter in counters { _ = try count(counter) }
      try body(db)
      return (
        try count(SQLITE_STMTSTATUS_VM_STEP),
        try count(SQLITE_STMTSTATUS_FULLSCAN_STEP) + count(SQLITE_STMTSTATUS_SORT)
      )
    }
  }

  @Test("go by their index over a filled table, without a scan or a sort")
  func plans() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await fill(store, undue: 40)
    try await store.writer.database.read { db in
      for sql in LaneQueries.all where sql != LaneQueries.name {
        let arguments = StatementArguments(Array(repeating: "1", count: sql.count { $0 == "?" }))
        let plan = try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments)
          .map { $0["detail"] as String }
        #expect(plan.count == 1 && plan[0].contains("USING INDEX recipients_queued"), "\(sql)\n\(plan)")
        // The first route is the index's first entry; all others seek.
        #expect(plan[0].hasPrefix(sql == LaneQueries.firstRoute ? "SCAN" : "SEARCH"), "\(sql)\n\(plan)")
      }
      let due = try Row.fetchAll(
        db, sql: "EXPLAIN QUERY PLAN " + LaneQueries.due, arguments: ["route-1", "account-1", 1, 0])
      #expect((due[0]["detail"] as String).contains("(route=? AND account=? AND priority=? AND due<?)"))
    }
    await store.close()
  }

  @Test("cost the same however much of the queue isn't due")
  func claimCost() async throws {
    var claims: [Int] = []
    var surveys: [Int] = []
    for undue in [40, 400] {
      let house = try StoreHouse()
      let store = try await house.open()
      try await fill(store, undue: undue)
      let lane = Lane(route: RouteKey(rawValue: "route-6"), account: "account-2")
      let claim = try cost(store) { db in
        let found = try LaneQueries.due(db, in: lane, at: StillClock.start, limit: 1_000)
        #expect(found.mail.ids.count == 10 && found.mail.nextDue == LaneQueryTests.later)
      }
      let survey = try cost(store) { db in
        let found = try LaneQueries.lanes(db, after: nil, limit: 1_000)
        #expect(found.lanes.count == LaneQueryTests.routes * LaneQueryTests.accounts)
      }
      #expect(claim.scanned == 0 && survey.scanned == 0)
      claims.append(claim.steps)
      surveys.append(survey.steps)
      // Ten rows and their names, and four rows and a look-up for each priority of a lane: tens of steps each, where a
      // scan of the lane takes thousands.
      #expect(claim.steps < 400 && survey.steps < 15_000, "\(claim), \(survey)")
      await store.close()
    }
    #expect(claims[0] == claims[1] && surveys[0] == surveys[1], "\(claims), \(surveys)")
  }
}
