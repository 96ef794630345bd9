import Foundation
import GRDB
import MailQueue
import MailSyntax
import NIOCore
import Testing

@testable import QueueStorage

@Suite("backup and restore")
struct BackupTests {
  @Test("a segment that fills while a backup holds the files is followed by a new one")
  func filledDuringBackup() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 100))
    store.files.hold()
    // Twelve times 16 KiB: more than two segments of the tests' size.
    for number in 2..<14 { try await store.accept(newMessage(number), content(number, bytes: 16_000)) }
    #expect(store.condition == .accepting)
    store.files.release()
    #expect(try await store.counts().messages == 13)
    await store.close()
  }

  @Test("copies the queue while mail flows, and restores it held")
  func backup() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 0..<12 { try await store.accept(newMessage(number), content(number, bytes: number * 2_000)) }
    try await store.finish(id(0))
    try await store.record([change(0, .queued, result: "451 later")], of: id(2), reports: [], events: [])
    let copy = house.path + "/copy"
    let summary = try await withThrowingTaskGroup(of: BackupSummary?.self) { group in
      group.addTask { try await store.backup(to: copy) }
      group.addTask {
        for number in 100..<130 {
          try await store.accept(newMessage(number), content(number, bytes: 9_000))
          try await store.finish(id(number))
        }
        return nil
      }
      var summary: BackupSummary?
      for try await found in group where found != nil { summary = found }
      return try #require(summary)
    }
    #expect(summary.damaged.isEmpty && summary.messages >= 11)
    // Bodies that lived in files at the moment of the copy stay until it ends, and go then.
    for number in 1..<12 { try await store.finish(id(number)) }
    #expect(try house.files(in: "bodies").isEmpty)

    let target = house.path + "/restored"
    let restored = try SegmentedQueueStore.restore(from: copy, to: target)
    #expect(restored == summary)
    let again = try await house.open(target)
    let found = try await again.list(QueueFilter(), after: nil, limit: 100)
    #expect(Set((1..<12).map { id($0) }).isSubset(of: Set(found.map(\.id))))
    #expect(found.allSatisfy { $0.recipients.allSatisfy { $0.state == .held } })
    #expect(try await again.message(id(1))?.recipients[0].lastResult == "restored from a backup")
    #expect(
      try await again.message(id(2))?.recipients[0].lastResult == "restored from a backup; before that: 451 later")
    #expect(try await again.lanes().isEmpty)
    for number in 1..<12 { #expect(try await again.readBody(id(number)) == content(number, bytes: number * 2_000)) }
    try await again.record([change(0, .queued, attempts: 0)], of: id(1), reports: [], events: [])
    #expect(try await again.lanes().count == 1)
    try await again.accept(newMessage(50), content(50, bytes: 3_000))
    #expect(try await again.readBody(id(50)) == content(50, bytes: 3_000))
    await again.close()
    await store.close()
  }

  @Test("names damaged bodies, and refuses a folder that holds a queue")
  func refusals() async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 20_000))
    await store.close()
    let body = URL(fileURLWithPath: house.path + "/bodies/000001.body")
    var data = try Data(contentsOf: body)
    data[19_999] ^= 0x80
    try data.write(to: body)
    store = try await house.open()
    let copy = house.path + "/copy"
    #expect(try await store.backup(to: copy).damaged == [id(1)])
    await #expect(throws: StoreOpenError.notEmpty(folder: copy)) { _ = try await store.backup(to: copy) }
    #expect(throws: StoreOpenError.self) { _ = try SegmentedQueueStore.restore(from: copy, to: house.path) }
    #expect(try await store.message(id(1)) != nil)
    await store.close()
  }

  @Test("a backup of any earlier schema is restored, and brought to this one", arguments: 1..<Schema.steps.steps.count)
  func earlierSchema(_ version: Int) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 2_000))
    let (copy, restored) = (house.path + "/copy", house.path + "/restored")
    _ = try await store.backup(to: copy)
    await store.close()

    try makeEarlier(copy + "/queue.sqlite3", version)
    #expect(try SegmentedQueueStore.restore(from: copy, to: restored).messages == 1)
    let again = try await house.open(restored)
    #expect(try await again.message(id(1))?.recipients.map(\.state) == [.held])
    #expect(try await again.readBody(id(1)) == content(1, bytes: 2_000))
    await again.close()
  }

  /// The same rows in a database of the steps that there were then.
  private func makeEarlier(_ path: String, _ version: Int) throws {
    try FileManager.default.moveItem(atPath: path, toPath: path + ".new")
    let database = try DatabaseQueue(path: path)
    try database.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL")
      for step in Schema.steps.steps.prefix(version) { try db.execute(sql: step) }
      try db.execute(sql: "PRAGMA user_version = \(version)")
      try db.execute(sql: "ATTACH DATABASE ? AS new", arguments: [path + ".new"])
      for table in ["messages", "recipients", "attempts", "outbox"] {
        let columns = try db.columns(in: table).map(\.name).joined(separator: ", ")
        try db.execute(sql: "INSERT INTO \(table) (\(columns)) SELECT \(columns) FROM new.\(table)")
      }
    }
    try database.close()
    try FileManager.default.removeItem(atPath: path + ".new")
  }

  @Test("housekeeping and checkpoints go on while a backup is being copied")
  func housekeepingMeanwhile() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 0..<5 { try await store.accept(newMessage(number), content(number, bytes: 9_000)) }
    let copy = house.path + "/copy"
    let gate = CopyGate(house.files, folder: copy + "/segments")
    func databaseSize() throws -> Int {
      let facts = try FileManager.default.attributesOfItem(atPath: house.path + "/queue.sqlite3")
      return facts[.size] as? Int ?? 0
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { _ = try await store.backup(to: copy) }
      await gate.reached()
      let before = try databaseSize()
      for number in 10..<40 { try await store.accept(newMessage(number), content(number, bytes: 9_000)) }
      house.clock.advance(.seconds(1))
      try await store.housekeep()
      // What the log holds is moved into the database on the checkpoints' own thread.
      while try databaseSize() == before, !gate.isOverdue { await Task.yield() }
      #expect(!gate.isOverdue, "housekeeping or the checkpoint waited for the backup")
      #expect(try databaseSize() > before)
      gate.letThrough()
      try await group.waitForAll()
    }
    await store.close()
  }

  @Test("a body that leaves the queue while a backup is being copied stays until it is, and goes then")
  func postponedRemoval() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 1...3 { try await store.accept(newMessage(number), content(number, bytes: 30_000)) }
    let copy = house.path + "/copy"
    let gate = CopyGate(house.files, folder: copy + "/bodies")
    let summary = try await withThrowingTaskGroup(of: BackupSummary.self) { group in
      group.addTask { try await store.backup(to: copy) }
      await gate.reached()
      for number in 1...3 { try await store.finish(id(number)) }
      #expect(try house.files(in: "bodies") == ["000001.body", "000002.body", "000003.body"])
      gate.letThrough()
      return try #require(try await group.next())
    }
    #expect(!gate.isOverdue && summary.messages == 3 && summary.damaged.isEmpty)
    #expect(try house.files(in: "bodies").isEmpty)
    await store.close()
    house.files.watchOpening(nil)
    _ = try SegmentedQueueStore.restore(from: copy, to: house.path + "/restored")
    let restored = try await house.open(house.path + "/restored")
    for number in 1...3 { #expect(try await restored.readBody(id(number)) == content(number, bytes: 30_000)) }
    await restored.close()
  }

  @Test("closing the store ends a backup that is being copied, which leaves no queue behind")
  func closedMeanwhile() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 1...3 { try await store.accept(newMessage(number), content(number, bytes: 30_000)) }
    let copy = house.path + "/copy"
    let gate = CopyGate(house.files, folder: copy + "/bodies")
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await #expect(throws: StoreOpenError.self) { _ = try await store.backup(to: copy) }
      }
      await gate.reached()
      group.addTask { await store.close() }
      while store.condition == .accepting { await Task.yield() }
      gate.letThrough()
      await group.waitForAll()
    }
    #expect(!FileManager.default.fileExists(atPath: copy + "/queue.sqlite3"))
  }
}
