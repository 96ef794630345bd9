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
      try db.execute(sql: "ALTER TABLE recipients DROP COLUMN forwarded_from; PRAGMA user_version = 1")
    }
    try database.close()

    store = try await house.open()
    var expected = queued.recipients.map(\.recipient)
    expected[0].forwardedFrom = nil
    #expect(try await store.message(id(1))?.recipients.map(\.recipient) == expected)
    #expect(try await store.readBody(id(1)) == content(1, bytes: 300))
    let later = try await store.accept(try newMessage(2), content(2, bytes: 30))
    #expect(try await store.message(id(2)) == later)
    await store.close()
  }
}
