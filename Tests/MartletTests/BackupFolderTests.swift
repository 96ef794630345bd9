import Configuration
import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import NIOCore
import PolicyStorage
import QueueStorage
import SystemWorld
import Testing

@testable import martlet

@Suite("Backup and restore")
struct BackupFolderTests {
  private func open(_ folder: String) async throws -> SegmentedQueueStore {
    var options = StoreOptions()
    options.segmentSize = .mebibytes(1)
    options.reserve = .kibibytes(64)
    options.freeSpaceFloor = .kibibytes(64)
    return try await SegmentedQueueStore.open(folder: folder, options: options, clock: SystemClock(), events: NoLog())
  }

  private func add(_ number: Int, to store: SegmentedQueueStore) async throws -> QueueID {
    let queued = try Sample.message(
      number, age: .zero, from: "a@example.org", to: [("b@there.example", .queued, .zero, nil)])
    let body = try store.beginBody()
    if case .later(let written) = body.write(ByteBuffer(string: "Subject: \(number)\r\n\r\nhello\r\n")) {
      await written()
    }
    _ = try await store.commit(
      queued.message, body: body, event: MailEvent(.accepted, [.init("id", .text(queued.id.description))]))
    return queued.id
  }

  private func body(of id: QueueID, in store: SegmentedQueueStore) async throws -> String {
    let reader = try await store.openBody(of: id)
    var text = ""
    while let piece = try await reader.next() { text += String(buffer: piece) }
    return text
  }

  /// A data folder with two messages and a users file, and a backup of it.
  private func makeBackup(in folder: TestFolder) async throws -> [QueueID] {
    let data = folder.path + "/data"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    try SecretFiles.replace(data + "/users.json", with: Array("users".utf8))
    let store = try await open(data)
    let ids = [try await add(1, to: store), try await add(2, to: store)]
    let policy = try await SQLitePolicyStore.open(folder: data, clock: SystemClock(), events: NoLog())
    let record = try await BackupFolder.make(
      store, policy: policy, usersFile: data + "/users.json", dataFolder: data, to: folder.path + "/backup",
      at: Sample.now)
    await policy.close()
    #expect(record.messages == 2 && record.damaged.isEmpty)
    await store.close()
    return ids
  }

  @Test("bring back every message with its body, held, and the users")
  func roundTrip() async throws {
    let folder = try TestFolder()
    let ids = try await makeBackup(in: folder)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/backup.unfinished"))
    let restored = folder.path + "/restored"
    let (record, damaged) = try BackupFolder.restore(
      folder.path + "/backup", to: restored, usersFile: restored + "/users.json")
    #expect(damaged.isEmpty && record.messages == 2 && record.madeAt == Timestamp(Sample.now))
    #expect(FileManager.default.contents(atPath: restored + "/users.json") == Data("users".utf8))
    #expect(!FileManager.default.fileExists(atPath: restored + "/restore.unfinished"))

    let store = try await open(restored)
    for (number, id) in zip(1..., ids) {
      #expect(try await store.message(id)?.recipients.map(\.state) == [.held])
      #expect(try await body(of: id, in: store) == "Subject: \(number)\r\n\r\nhello\r\n")
    }
    let counts = try await store.counts()
    #expect(counts == QueueCounts(messages: 2, recipientsQueued: 0, recipientsHeld: 2))
    await store.close()
  }

  @Test("a backup never goes over what is there")
  func occupied() async throws {
    let folder = try TestFolder()
    _ = try await makeBackup(in: folder)
    let store = try await open(folder.path + "/data")
    let policy = try await SQLitePolicyStore.open(
      folder: folder.path + "/data", clock: SystemClock(), events: NoLog())
    await #expect(throws: ControlFault.self) {
      _ = try await BackupFolder.make(
        store, policy: policy, usersFile: "", dataFolder: folder.path + "/data", to: folder.path + "/backup",
        at: Sample.now)
    }
    await policy.close()
    await store.close()
    #expect(try BackupFolder.record(of: folder.path + "/backup").messages == 2)
  }

  @Test("a folder without its record is no backup", arguments: ["missing", "garbled", "later"])
  func noBackup(_ kind: String) throws {
    let folder = try TestFolder()
    switch kind {
    case "garbled": try Data("{".utf8).write(to: URL(filePath: folder.path + "/backup.json"))
    case "later":
      let text =
        #"{"format":3,"program":"9.0","made_at":"2026-11-22T11:45:00.000Z","messages":0,"bytes":0,"damaged":[]}"#
      try Data(text.utf8).write(to: URL(filePath: folder.path + "/backup.json"))
    case _: break
    }
    #expect(throws: martlet.FileTrouble.self) {
      _ = try BackupFolder.restore(folder.path, to: folder.path + "/new", usersFile: folder.path + "/new/users.json")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/new"))
  }

  @Test("a restore goes into no folder that holds something, and leaves it as it is")
  func notEmpty() async throws {
    let folder = try TestFolder()
    _ = try await makeBackup(in: folder)
    let data = folder.path + "/data"
    let before = try FileManager.default.contentsOfDirectory(atPath: data).sorted()
    #expect(throws: ControlFault.self) {
      _ = try BackupFolder.restore(folder.path + "/backup", to: data, usersFile: data + "/users.json")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: data).sorted() == before)
  }

  @Test("an interrupted restore has left no queue, and is begun again by the same command")
  func interrupted() async throws {
    let folder = try TestFolder()
    let ids = try await makeBackup(in: folder)
    let restored = folder.path + "/restored"
    // As a kill leaves it: half of the files moved, the database not.
    for path in ["/restore.unfinished/segments", "/segments"] {
      try FileManager.default.createDirectory(atPath: restored + path, withIntermediateDirectories: true)
    }
    try Data("half".utf8).write(to: URL(filePath: restored + "/segments/000001.segment"))
    #expect(!OperatingPlace.holdsQueue(restored))
    _ = try BackupFolder.restore(folder.path + "/backup", to: restored, usersFile: restored + "/users.json")
    let store = try await open(restored)
    #expect(try await store.list(QueueFilter(), after: nil, limit: 10).map(\.id) == ids)
    await store.close()
  }

  @Test("a backup that has lost bodies is not restored, unless the rest is asked for: then the lost ones are named")
  func lostBodies() async throws {
    let folder = try TestFolder()
    let ids = try await makeBackup(in: folder)
    try FileManager.default.removeItem(atPath: folder.path + "/backup/segments")
    let restored = folder.path + "/restored"
    #expect(throws: StoreOpenError.bodiesLost(ids, count: 2)) {
      _ = try BackupFolder.restore(folder.path + "/backup", to: restored, usersFile: restored + "/users.json")
    }
    #expect(!OperatingPlace.holdsQueue(restored))
    let (record, damaged) = try BackupFolder.restore(
      folder.path + "/backup", to: restored, usersFile: restored + "/users.json", acceptingLoss: true)
    #expect(damaged == ids && OperatingPlace.holdsQueue(restored))
    let lines = RestoreCommand.lines(record, restored, damaged: damaged.map(\.description))
    #expect(lines.joined(separator: " ").contains("never to be delivered: \(ids[0]), \(ids[1])"))
  }

  @Test("a backup whose queue is lost, or another's, is not restored")
  func lostQueue() async throws {
    let folder = try TestFolder()
    _ = try await makeBackup(in: folder)
    let (backup, restored) = (folder.path + "/backup", folder.path + "/restored")
    let text = try String(contentsOfFile: backup + "/backup.json", encoding: .utf8)
    try text.replacing(#""messages":2"#, with: #""messages":3"#)
      .write(toFile: backup + "/backup.json", atomically: true, encoding: .utf8)
    #expect(throws: martlet.FileTrouble.self) {
      _ = try BackupFolder.restore(backup, to: restored, usersFile: restored + "/users.json")
    }
    #expect(!OperatingPlace.holdsQueue(restored))
    try FileManager.default.removeItem(atPath: backup + "/queue.sqlite3")
    #expect(throws: martlet.FileTrouble.self) {
      _ = try BackupFolder.restore(backup, to: restored, usersFile: restored + "/users.json")
    }
    #expect(!FileManager.default.fileExists(atPath: backup + "/queue.sqlite3"))
  }

  @Test("no server begins with an empty queue where a restore was not finished, and the same restore begins again")
  func unfinishedRestoreIsNotServed() async throws {
    let folder = try TestFolder()
    let ids = try await makeBackup(in: folder)
    let (backup, restored, users) = (
      folder.path + "/backup", folder.path + "/restored", folder.path + "/elsewhere/users.json"
    )
    try FileManager.default.moveItem(atPath: backup + "/segments", toPath: backup + "/away")
    #expect(throws: StoreOpenError.self) { _ = try BackupFolder.restore(backup, to: restored, usersFile: users) }
    #expect(throws: martlet.FileTrouble.self) { try BackupFolder.expectNoUnfinishedRestore(in: restored) }
    let configuration = Configuration(
      hostName: try DomainName("mx.example.org"), dataFolder: restored, listeners: [], certificates: [],
      usersFile: users, domains: [], outbound: Configuration.Outbound(.none))
    await #expect(throws: martlet.FileTrouble.self) {
      _ = try await House.open(configuration, log: NoLog())
    }
    #expect(!OperatingPlace.holdsQueue(restored))

    try FileManager.default.moveItem(atPath: backup + "/away", toPath: backup + "/segments")
    // As a kill behind the copying of the users leaves it, with a users file outside of the data folder.
    try SecretFiles.replace(users, with: Array("users".utf8))
    #expect(try BackupFolder.restore(backup, to: restored, usersFile: users).damaged.isEmpty)
    try BackupFolder.expectNoUnfinishedRestore(in: restored)
    let store = try await open(restored)
    #expect(try await store.list(QueueFilter(), after: nil, limit: 10).map(\.id) == ids)
    await store.close()
    // Somebody else's users are never written over.
    try SecretFiles.replace(users, with: Array("others".utf8))
    #expect(throws: ControlFault.self) {
      _ = try BackupFolder.restore(backup, to: folder.path + "/new", usersFile: users)
    }
  }

  @Test("tell how to let the restored mail go")
  func notice() throws {
    let record = BackupFolder.Record(
      format: 1, program: "0.1.0", madeAt: Timestamp(Sample.now), messages: 2, bytes: 10, damaged: [])
    let lines = RestoreCommand.lines(record, "/var/lib/martlet", damaged: [])
    expectFits(lines)
    #expect(lines.contains { $0.contains("martlet queue release --all --data /var/lib/martlet") })
    #expect(lines[0] == "2 messages of 2026-11-22T11:45:00.000Z restored into /var/lib/martlet.")
    #expect(lines[1] == "All are held.")
  }
}
