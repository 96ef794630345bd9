import GRDB
import MailQueue
import MailSyntax
import QueueStorage
import Testing

@Suite("the steps of the schema")
struct SchemaStepTests {
  @Test("a queue of the first schema is opened with its mail, which no alias has sent on")
  func firstSchema() async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    let queued = try await store.accept(try newMessage(1), content(1, bytes: 300))
    await store.close()
    let database = try DatabaseQueue(path: house.path + "/queue.sqlite3")
    try await database.write { db in
      try db.execute(
        sql: """
          ALTER TABLE recipients DROP COLUMN forwarded_from; ALTER TABLE messages DROP COLUMN tls_wish;
          PRAGMA user_version = 1
          """)
    }
    try database.close()

    store = try await house.open()
    var expected = queued.recipients.map(\.recipient)
    expected[0].forwardedFrom = nil
    // Nobody could ask for anything then.
    #expect(try await store.message(id(1))?.message.tlsWish == .unstated)
    #expect(try await store.message(id(1))?.recipients.map(\.recipient) == expected)
    #expect(try await store.readBody(id(1)) == content(1, bytes: 300))
    let later = try await store.accept(try newMessage(2), content(2, bytes: 30))
    #expect(try await store.message(id(2)) == later)
    await store.close()
  }

  @Test("RTLS-003: what the sender asks of the channels outlives a restart, a backup and its restoring")
  func wishOutlivesRestart() async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    for (number, wish) in TLSWish.allCases.enumerated() {
      var message = try newMessage(number)
      message.tlsWish = wish
      try await store.accept(message, content(number, bytes: 40))
    }
    await store.close()
    store = try await house.open()
    let found = try await store.list(QueueFilter(), after: nil, limit: 10)
    #expect(found.map(\.message.tlsWish) == TLSWish.allCases)
    _ = try await store.backup(to: house.path + "/copy")
    await store.close()
    _ = try SegmentedQueueStore.restore(
      from: house.path + "/copy", to: house.path + "/restored", fileSystem: house.files)
    store = try await house.open(house.path + "/restored")
    let restored = try await store.list(QueueFilter(), after: nil, limit: 10)
    #expect(restored.map(\.message.tlsWish) == TLSWish.allCases)
    await store.close()
  }
}
