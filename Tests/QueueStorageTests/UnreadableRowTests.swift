import Foundation
import GRDB
import MailQueue
import MailSyntax
import NIOCore
import Testing

@testable import QueueStorage

/// A row written by a foreign hand or a failing disk concerns one message.
@Suite("a row that doesn't read")
struct UnreadableRowTests {
  struct Damage: Sendable, CustomTestStringConvertible {
    let column: String
    let value: String
    /// Whether the schema would refuse it, as it would what a flipped bit makes of a stored type.
    let isUnlawful: Bool
    init(_ column: String, _ value: String, isUnlawful: Bool = false) {
      self.column = column
      self.value = value
      self.isUnlawful = isUnlawful
    }
    var testDescription: String { "\(column) = \(value)" }

    func strike(_ path: String, message: Int) throws {
      if isUnlawful {
        try withoutTypes(path) { try update(path, message) }
      } else {
        try update(path, message)
      }
    }

    private func update(_ path: String, _ message: Int) throws {
      let (table, name) = (column.prefix { $0 != "." }, column.drop { $0 != "." }.dropFirst())
      let database = try DatabaseQueue(path: path + "/queue.sqlite3")
      try database.write { db in
        let number = try Int64.fetchOne(
          db, sql: "SELECT number FROM messages WHERE id = ?", arguments: [id(message).description])
        try db.execute(
          sql: "UPDATE \(table) SET \(name) = \(value) WHERE \(table == "messages" ? "number" : "message") = ?",
          arguments: [number])
        #expect(db.changesCount == 1)
      }
      try database.close()
    }
  }

  static let least = "-9223372036854775808"
  static let most = "9223372036854775807"
  static let damages: [Damage] = [
    Damage("messages.id", "'no id at all'"), Damage("messages.id", "'0HM9X4R3K7A2B8C1'"),
    Damage("messages.priority", "9"), Damage("messages.reverse_path", "'nobody'"),
    Damage("messages.tls_wish", "'maybe'"), Damage("messages.report_content", "'SOME'"),
    Damage("messages.body_type", "'9BITMIME'"),
    Damage("messages.received_at", least), Damage("messages.expires_at", most), Damage("messages.segment", "-3"),
    Damage("messages.segment", most), Damage("messages.offset", most), Damage("messages.length", "-1"),
    Damage("messages.length", most), Damage("messages.checksum", "-1"), Damage("messages.checksum", most),
    Damage("messages.prefix", "x'410a'"), Damage("messages.prefix", "x'41'"), Damage("recipients.address", "'nobody'"),
    Damage("recipients.address", "CAST(x'ff00fe' AS TEXT)"), Damage("recipients.route", "CAST(x'ff41' AS TEXT)"),
    Damage("recipients.account", "CAST(x'80' AS TEXT)"), Damage("recipients.priority", "9"),
    Damage("recipients.notify", "4096"), Damage("recipients.state", "7"), Damage("recipients.state", "-1"),
    Damage("recipients.attempts", most), Damage("recipients.attempts", "-1"), Damage("recipients.due", least),
    Damage("recipients.number", "7"),
  ]

  /// NULL and three types for each column that is a number, NULL and a blob for each that is text.
  static let unlawful: [Damage] =
    [
      "messages.priority", "messages.smtputf8", "messages.received_at", "messages.expires_at", "messages.segment",
      "messages.offset", "messages.length", "messages.checksum", "recipients.priority", "recipients.notify",
      "recipients.state", "recipients.attempts", "recipients.due", "recipients.delay_reported",
    ].flatMap { column in
      ["NULL", "x''", "'x'", "1.5"].filter { column != "recipients.notify" || $0 != "NULL" }
        .map { Damage(column, $0, isUnlawful: true) }
    }
    + [
      "messages.id", "messages.body_type", "messages.tls_wish", "recipients.address", "recipients.route",
      "recipients.account",
    ]
    .flatMap { [Damage($0, "NULL", isUnlawful: true), Damage($0, "x'41'", isUnlawful: true)] }
    + [
      "messages.tenant", "messages.account", "messages.reverse_path", "messages.envelope_id",
      "messages.report_content", "recipients.original_type", "recipients.original_address",
      "recipients.forwarded_from", "recipients.last_result",
    ].map { Damage($0, "x'41'", isUnlawful: true) }
    + [
      Damage("messages.prefix", "NULL", isUnlawful: true), Damage("messages.prefix", "'x'", isUnlawful: true),
      Damage("recipients.number", "'x'", isUnlawful: true), Damage("recipients.number", "x''", isUnlawful: true),
    ]

  /// What the runner does: every lane, what is due in it, and each message.
  private func claim(_ store: SegmentedQueueStore) async throws -> [QueuedMessage] {
    var claimed: [QueuedMessage] = []
    for summary in try await store.lanes() {
      for id in try await store.due(in: summary.lane, at: StillClock.start, limit: 10).ids {
        guard let message = try await store.message(id) else { continue }
        if message.recipients.contains(where: { $0.state == .queued }) { claimed.append(message) }
      }
    }
    return claimed
  }

  @Test(
    "is held with its column named, listed, and removed on demand, while all other mail goes on",
    arguments: damages + unlawful, [false, true])
  func damaged(_ damage: Damage, _ whileOpen: Bool) async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    for number in 1...3 { try await store.accept(newMessage(number), content(number, bytes: 9_000)) }
    if whileOpen {
      try damage.strike(house.path, message: 2)
    } else {
      await store.close()
      try damage.strike(house.path, message: 2)
      store = try await house.open()
    }
    #expect(try await claim(store).map(\.id) == [id(1), id(3)])
    var listed = try await store.list(QueueFilter(), after: nil, limit: 10)
    listed.removeAll { $0.id == id(1) || $0.id == id(3) }
    let found = try #require(listed.first)
    #expect(listed.count == 1)
    #expect(found.recipients.map(\.state) == [.held])
    // What `queue list` shows of it.
    #expect((0...9_100).contains(found.size.bytes))
    let column = damage.column.split(separator: ".")[1]
    let reason = try #require(found.recipients[0].lastResult)
    #expect(reason.contains("\(damage.column.prefix { $0 != "." }).") && reason.contains(column), "\(reason)")
    #expect(try await store.message(found.id) == found)
    #expect(try await store.events(of: found.id).last?.event == .unreadable(found.id, reason: reason))
    #expect(house.log.events.count { $0 == .unreadable(found.id, reason: reason) } == 1)
    // Its lane is no lane any more, and counts and listing agree.
    #expect(try await store.lanes().count == 1)
    // The store counts its own changes: a state written beside it while it runs is counted from the next opening.
    let isCounted = !whileOpen || damage.column != "recipients.state"
    #expect(
      try await store.counts() == QueueCounts(messages: 3, recipientsQueued: 2, recipientsHeld: 1) || !isCounted)
    var filter = QueueFilter()
    filter.state = .held
    #expect(try await store.list(filter, after: nil, limit: 10).map(\.id) == [found.id])

    try await store.record([change(0, .removed, attempts: 0)], of: found.id, reports: [], events: [])
    #expect(try await store.message(found.id) == nil)
    #expect(
      try await store.counts() == QueueCounts(messages: 2, recipientsQueued: 2, recipientsHeld: 0) || !isCounted)
    #expect(store.condition == .accepting)
    await store.close()
    store = try await house.open()
    #expect(try await store.counts() == QueueCounts(messages: 2, recipientsQueued: 2, recipientsHeld: 0))
    for number in [1, 3] { #expect(try await store.readBody(id(number)) == content(number, bytes: 9_000)) }
    await store.close()
  }

  @Test("shows what can be read of it, and is held again when it is released unmended")
  func released() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1, to: ["ann@example.org", "bob@example.org"]), content(1, bytes: 9))
    try await store.record([change(1, .delivered)], of: id(1), reports: [], events: [])
    try Damage("messages.reverse_path", "'not an address'").strike(house.path, message: 1)
    for _ in 0..<2 {
      let found = try #require(try await store.message(id(1)))
      #expect(found.message.reversePath == .null)
      #expect(found.recipients.map(\.recipient.address.description) == ["ann@example.org", "bob@example.org"])
      #expect(found.recipients.map(\.state) == [.held, .delivered])
      #expect(
        found.recipients[0].lastResult
          == "the stored row can't be read: messages.reverse_path holds \"not an address\"")
      #expect(try await store.counts().recipientsHeld == 1)
      try await store.record([change(0, .queued, attempts: 0)], of: id(1), reports: [], events: [])
      #expect(try await store.lanes().count == 1)
    }
    await store.close()
  }

  @Test("keeps the bytes of a body whose place is lost from being written over")
  func lostPlace() async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 5_000))
    try await store.accept(newMessage(2), content(2, bytes: 5_000))
    await store.close()
    try Damage("messages.length", "-1").strike(house.path, message: 2)
    let before = try Data(contentsOf: URL(fileURLWithPath: house.path + "/segments/000001.segment"))
    store = try await house.open()
    try await store.accept(newMessage(3), content(3, bytes: 5_000))
    await store.close()
    #expect(try Data(contentsOf: URL(fileURLWithPath: house.path + "/segments/000001.segment")) == before)
  }

  @Test(
    "stays where it is while the sound bodies around it are moved",
    arguments: [
      Damage("messages.length", most), Damage("messages.id", "'no id at all'"), Damage("messages.checksum", "-1"),
      Damage("messages.length", "NULL", isUnlawful: true), Damage("messages.id", "NULL", isUnlawful: true),
      Damage("messages.smtputf8", "x''", isUnlawful: true),
    ])
  func compaction(_ damage: Damage) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    // Eight to a segment: two stay in the first, one in the second.
    for number in 0..<24 { try await store.accept(newMessage(number), content(number, bytes: 8_000)) }
    for number in 2..<16 where number != 9 { try await store.finish(id(number)) }
    try damage.strike(house.path, message: 1)
    func segments() throws -> [Int?] {
      try store.writer.database.read { db in
        try Optional<Int>.fetchAll(db, sql: "SELECT segment FROM messages WHERE number IN (1, 2, 10) ORDER BY number")
      }
    }
    #expect(try segments() == [1, 1, 2])
    for _ in 0..<4 { try await store.housekeep() }
    let after = try segments()
    #expect(after[0] != 1 && after[1] == 1 && after[2] != 2, "\(after)")
    for number in [0, 9] { #expect(try await store.readBody(id(number)) == content(number, bytes: 8_000)) }
    #expect(store.condition == .accepting)
    await store.close()
  }

  @Test(
    "is held though one flipped bit made NULL of its state, its attempts or its word of delay", arguments: [0, 1, 4])
  func flippedBit(_ column: Int) async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    for number in 1...3 { try await store.accept(newMessage(number), content(number, bytes: 900)) }
    await store.close()
    let database = try DatabaseQueue(path: house.path + "/queue.sqlite3")
    try await database.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)") }
    try database.close()
    // Of a record: the stored types of state, attempts, due, last_result, delay_reported and forwarded_from, the number of
    // the message, the address. 8 is the type of a stored 0.
    let wanted: [UInt8] = [8, 8, 6, 0, 8, 45, 2] + Array("bob@example.org".utf8)
    let file = URL(fileURLWithPath: house.path + "/queue.sqlite3")
    var bytes = try Data(contentsOf: file)
    let place = try #require(bytes.firstRange(of: wanted))
    bytes[place.lowerBound + column] ^= 8
    try bytes.write(to: file)
    store = try await house.open()
    #expect(try await claim(store).map(\.id) == [id(1), id(3)])
    let found = try #require(try await store.message(id(2)))
    #expect(found.recipients.map(\.state) == [.held])
    #expect(found.recipients[0].lastResult?.contains("holds \"NULL\"") == true)
    // The index names it no more.
    let lane = Lane(route: RouteKey(rawValue: "outbound"), account: "alice")
    #expect(try await store.due(in: lane, at: StillClock.start, limit: 10).ids == [id(1), id(3)])
    // The opening counts by the index, which still has the recipient whose state is lost.
    #expect(
      try await store.counts() == QueueCounts(messages: 3, recipientsQueued: 2, recipientsHeld: 1) || column == 0)
    try await store.record([change(0, .removed, attempts: 0)], of: id(2), reports: [], events: [])
    #expect(try await store.message(id(2)) == nil)
    await store.close()
  }

  @Test("of the history is left out, and does not keep the rest of it from being forgotten")
  func history() async throws {
    let house = try StoreHouse()
    var options = StoreOptions.small
    options.history = .seconds(3_600)
    let store = try await house.open(nil, options)
    let record = AttemptRecord(
      startedAt: StillClock.start, endedAt: StillClock.start, host: "mx.example.org", result: "451 later", tls: "")
    for number in 1...3 {
      try await store.accept(newMessage(number), content(number, bytes: 90))
      try await store.record([change(0, .queued, attempt: record)], of: id(number), reports: [], events: [])
    }
    try withoutTypes(house.path) {
      let database = try DatabaseQueue(path: house.path + "/queue.sqlite3")
      try database.write { db in
        try db.execute(
          sql: """
            UPDATE outbox SET instant = NULL WHERE sequence = 1;
            UPDATE outbox SET event = NULL WHERE sequence = 2;
            UPDATE attempts SET started_at = NULL WHERE sequence = 1;
            UPDATE attempts SET host = NULL WHERE sequence = 2;
            """)
      }
      try database.close()
    }
    for (number, isThere) in [(1, false), (2, false), (3, true)] {
      #expect(try await store.events(of: id(number)).isEmpty != isThere)
      #expect(try await store.attempts(of: id(number)).isEmpty != isThere)
    }
    house.clock.advance(.seconds(3_601))
    try await store.housekeep()
    let left = try await store.writer.database.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM outbox") }
    #expect(left == 0)
    await store.close()
  }

  @Test(
    "in the index of what is queued, though its row is held, is held there too, or has the index made anew",
    .timeLimit(.minutes(5)), arguments: [true, false])
  func indexAlone(_ isMended: Bool) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 1...3 {
      try await store.accept(newMessage(number, route: number == 2 ? "other" : "outbound"), content(number, bytes: 900))
    }
    try Damage("recipients.priority", "9").strike(house.path, message: 2)
    try withoutIndex(house.path, "recipients_queued") { db in
      // Under another route holding doesn't find what the index has.
      try db.execute(sql: "UPDATE recipients SET state = 1\(isMended ? "" : ", route = 'elsewhere'") WHERE message = 2")
    }
    #expect(try await store.lanes().map(\.lane.route.rawValue) == ["outbound"])
    #expect(house.log.alarms == (isMended ? [] : ["queue-index-rebuilt"]))
    #expect(store.condition == .accepting)
    #expect(try await claim(store).map(\.id) == [id(1), id(3)])
    await store.close()
  }

  @Test(
    "whose entry in the index is gone has the index made anew, and what was to be written is",
    arguments: ["route = 'flipped'", "account = 'flipped'", "priority = 2", "due = due + 1"])
  func indexBesideRow(_ flip: String) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 1...3 { try await store.accept(newMessage(number), content(number, bytes: 900)) }
    try withoutIndex(house.path, "recipients_queued") { db in
      try db.execute(sql: "UPDATE recipients SET \(flip) WHERE message = 2")
    }
    let report = try NewReport(
      message: newMessage(4, account: nil, from: nil), body: await store.body(content(4, bytes: 30)))
    try await store.record([change(0, .failed)], of: id(2), reports: [report], events: [])
    #expect(house.log.alarms == ["queue-index-rebuilt"])
    #expect(store.condition == .accepting)
    #expect(try await Set(claim(store).map(\.id)) == [id(1), id(3), id(4)])
    #expect(try await store.readBody(id(4)) == content(4, bytes: 30))
    await store.close()
  }

  @Test("does not keep a backup from being made; the message is named in it")
  func backup() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 1...6 { try await store.accept(newMessage(number), content(number, bytes: 9_000)) }
    for (number, damage) in [
      (1, Damage("messages.offset", UnreadableRowTests.most)), (3, Damage("messages.checksum", "-1")),
      (4, Damage("messages.length", "NULL", isUnlawful: true)),
      (5, Damage("messages.checksum", "x''", isUnlawful: true)),
      (6, Damage("recipients.due", "'x'", isUnlawful: true)),
    ] {
      try damage.strike(house.path, message: number)
    }
    let summary = try await store.backup(to: house.path + "/copy")
    #expect(summary.messages == 6 && Set(summary.damaged) == [id(1), id(3), id(4), id(5)])
    await store.close()
    _ = try SegmentedQueueStore.restore(
      from: house.path + "/copy", to: house.path + "/restored", damaged: Set(summary.damaged))
    let restored = try await house.open(house.path + "/restored")
    #expect(try await restored.counts() == QueueCounts(messages: 6, recipientsQueued: 0, recipientsHeld: 6))
    #expect(try await restored.list(QueueFilter(), after: nil, limit: 10).count == 6)
    await restored.close()
  }
}
