import Foundation
import MailQueue
import MailSyntax
import NIOCore
import QueueStorage
import Synchronization
import Testing

/// One store in a folder of its own, opened again as often as a test likes.
final class StoreHouse: Sendable {
  let clock = StillClock()
  let log = EventLog()
  let files = WatchedFileSystem()
  private let folder: Mutex<TestFolder>
  let path: String

  init() throws {
    let folder = try TestFolder()
    path = folder.path
    self.folder = Mutex(folder)
  }

  var folderName: String { URL(fileURLWithPath: path).lastPathComponent }

  func open(_ path: String? = nil, _ options: StoreOptions = .small) async throws -> SegmentedQueueStore {
    try await SegmentedQueueStore.open(
      folder: path ?? self.path, options: options, clock: clock, events: log, fileSystem: files)
  }

  func files(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path + "/" + folder).sorted()
  }
}

@Suite("the store of segments")
struct SegmentedQueueStoreTests {
  @Test("every file of it is for its owner alone, and so is every file of a copy")
  func permissions() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for number in 0..<2 { try await store.accept(newMessage(number), content(number, bytes: number * 90_000)) }
    _ = try await store.backup(to: house.path + "/copy")
    let names = try FileManager.default.subpathsOfDirectory(atPath: house.path)
    for name in names {
      let found = try FileManager.default.attributesOfItem(atPath: house.path + "/" + name)
      guard found[.type] as? FileAttributeType == .typeRegular else { continue }
      #expect(found[.posixPermissions] as? Int == 0o600, "\(name)")
    }
    #expect(Set(["queue.sqlite3", "queue.sqlite3-wal", "copy/queue.sqlite3"]).isSubset(of: names))
    await store.close()
  }

  @Test("finds everything again after it was closed and opened")
  func reopen() async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    var expected: [QueuedMessage] = []
    for (number, size) in [0, 100, 16_384, 16_385, 90_000].enumerated() {
      expected.append(try await store.accept(newMessage(number), content(number, bytes: size)))
    }
    try await store.record([change(0, .held)], of: id(1), reports: [], events: [MailEvent(.held, [])])
    await store.close()
    store = try await house.open()
    #expect(try await store.list(QueueFilter(), after: nil, limit: 9).map(\.message) == expected.map(\.message))
    #expect(try await store.message(id(1))?.recipients[0].state == .held)
    #expect(try await store.counts() == QueueCounts(messages: 5, recipientsQueued: 4, recipientsHeld: 1))
    #expect(try await store.events(of: id(1)).map(\.event.kind) == [.accepted, .held])
    for (number, size) in [0, 100, 16_384, 16_385, 90_000].enumerated() {
      #expect(try await store.readBody(id(number)) == content(number, bytes: size))
    }
    // New bodies go behind the live ones.
    try await store.accept(newMessage(9), content(9, bytes: 5_000))
    #expect(try await store.readBody(id(2)) == content(2, bytes: 16_384))
    #expect(try await store.readBody(id(9)) == content(9, bytes: 5_000))
    await store.close()
  }

  @Test("turns a second opening of its folder away and names who has it")
  func locked() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    await #expect(throws: StoreOpenError.locked(folder: house.path, pid: getpid())) { _ = try await house.open() }
    #expect(try await store.counts().messages == 0)
    await store.close()
    await (try house.open()).close()
  }

  @Test("keeps the order: body, its sync, the commit, the answer (Law 1)")
  func order() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 5_000))
    house.files.forget()
    try await store.accept(newMessage(2), content(2, bytes: 5_000))
    #expect(house.files.steps == [.write, .sync("000001.segment"), .commit])
    house.files.forget()
    try await store.accept(newMessage(3), content(3, bytes: 16_385))
    let steps = house.files.steps
    #expect(steps.first == .create)
    #expect(Array(steps.suffix(3)) == [.sync("000001.body"), .syncFolder, .commit])
    #expect(steps.dropFirst().dropLast(3).allSatisfy { $0 == .write } && steps.count > 4)
    house.files.forget()
    try await store.finish(id(1))
    #expect(house.files.steps == [.commit])
    await store.close()
  }

  @Test("serves all who wait with one sync and one commit")
  func groupCommit() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(0), content(0, bytes: 10))
    // While the first commit is held up, 40 others come to wait.
    let gate = DispatchSemaphore(value: 0)
    let isHeldUp = Shared(false)
    house.files.forget()
    house.files.watch { step in
      guard step == .commit, !isHeldUp.value else { return }
      isHeldUp.edit { $0 = true }
      gate.wait()
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await store.accept(newMessage(1), content(1, bytes: 100)) }
      while !isHeldUp.value { await Task.yield() }
      let waiting = Shared(0)
      for number in 2..<42 {
        group.addTask {
          let body = try await store.body(content(number, bytes: 100))
          waiting.edit { $0 += 1 }
          _ = try await store.commit(
            newMessage(number), body: body, event: accepted(newMessage(number), 100))
        }
      }
      while waiting.value < 40 { await Task.yield() }
      for _ in 0..<1_000 { await Task.yield() }
      gate.signal()
      try await group.waitForAll()
    }
    let steps = house.files.steps
    let commits = steps.count { $0 == .commit }
    #expect(steps.count { $0 == .sync("000001.segment") } == commits)
    // The last few may have come between two batches.
    #expect(commits <= 6, "41 messages took \(commits) commits")
    await store.close()
  }

  @Test("names a body with one flipped bit, holds its message, and serves the others", arguments: [100, 20_000])
  func corruptBody(_ size: Int) async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    for number in 1...3 { try await store.accept(newMessage(number), content(number, bytes: size)) }
    await store.close()
    let needle = Array(content(2, bytes: size).readableBytesView.suffix(16))
    var isFlipped = false
    for name in try house.files(in: "segments").map({ "segments/" + $0 })
      + house.files(in: "bodies").map({ "bodies/" + $0 })
    {
      let file = URL(fileURLWithPath: house.path + "/" + name)
      var data = try Data(contentsOf: file)
      guard let range = data.firstRange(of: needle) else { continue }
      data[range.lowerBound + 7] ^= 1
      try data.write(to: file)
      isFlipped = true
    }
    #expect(isFlipped)
    store = try await house.open()
    await #expect(throws: StoreFault.corrupt(id(2))) { _ = try await store.readBody(id(2)) }
    #expect(try await store.message(id(2))?.recipients[0].state == .held)
    #expect(try await store.events(of: id(2)).last?.event == .corrupt(id(2)))
    #expect(house.log.events.last == .corrupt(id(2)))
    for number in [1, 3] { #expect(try await store.readBody(id(number)) == content(number, bytes: size)) }
    #expect(store.condition == .accepting)
    await store.close()
  }

  @Test("turns new mail away under the floor of free space, lets outcomes through, and recovers")
  func spaceFloor() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 100))
    house.files.setFree(1000)
    house.clock.advance(.seconds(1))
    try await store.accept(newMessage(2), content(2, bytes: 100), orFails: .spaceLow)
    #expect(store.condition == .spaceLow)
    let report = try NewReport(message: newMessage(3, from: nil), body: await store.body(content(3, bytes: 50)))
    try await store.record([change(0, .failed)], of: id(1), reports: [report], events: [])
    #expect(try await store.readBody(id(3)) == content(3, bytes: 50))
    house.files.setFree(nil)
    #expect(store.condition == .spaceLow)
    house.clock.advance(.seconds(1))
    #expect(store.condition == .accepting)
    try await store.accept(newMessage(2), content(2, bytes: 100))
    #expect(house.log.alarms == ["store-space-low", "store-space-regained"])
    await store.close()
  }

  @Test("gives its reserve to outcomes when the disk is full")
  func reserve() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 100))
    #expect(FileManager.default.fileExists(atPath: house.path + "/reserve"))
    house.files.fail(at: 0, .system(ENOSPC))
    let report = try NewReport(message: newMessage(3, from: nil), body: await store.body(content(3, bytes: 50)))
    try await store.record([change(0, .failed)], of: id(1), reports: [report], events: [])
    #expect(store.condition == .spaceLow)
    #expect(try await store.readBody(id(3)) == content(3, bytes: 50))
    house.clock.advance(.seconds(2))
    #expect(store.condition == .accepting)
    try await store.accept(newMessage(2), content(2, bytes: 100))
    await store.close()
  }

  @Test("stops for good after a failed sync and never syncs again", arguments: [EIO, ENOSPC, EINTR])
  func failedSync(_ code: Int32) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 100))
    house.files.fail(at: 1, .system(code))
    await #expect(throws: StoreFault.self) { try await store.accept(newMessage(2), content(2, bytes: 100)) }
    guard case .stopped(let reason) = store.condition else {
      Issue.record("the store goes on")
      return
    }
    #expect(reason.contains("fdatasync of") && reason.contains("000001.segment"))
    let stopped = StoreFault.stopped(reason: reason)
    await #expect(throws: stopped) { try await store.finish(id(1)) }
    await #expect(throws: stopped) { _ = try await store.message(id(1)) }
    #expect(throws: stopped) { _ = try store.beginBody() }
    #expect(house.files.steps == [.write, .sync("000001.segment")])
    #expect(house.log.alarms == ["store-stopped"])
    await store.close()
  }

  @Test("streams every body to disk while memory is scarce")
  func scarceMemory() async throws {
    let house = try StoreHouse()
    var options = StoreOptions.small
    options.spillThreshold = .kibibytes(4)
    let store = try await house.open(nil, options)
    var writers: [any BodyWriter] = []
    for number in 0..<8 { writers.append(try await store.body(content(number, bytes: 3_000), pieces: 100)) }
    for number in 0..<8 {
      _ = try await store.commit(
        newMessage(number), body: writers[number], event: accepted(newMessage(number), 3_000))
    }
    // The first fits; all others have files of their own.
    #expect(try house.files(in: "bodies").count == 7)
    for number in 0..<8 { #expect(try await store.readBody(id(number)) == content(number, bytes: 3_000)) }
    for number in 0..<8 { try await store.finish(id(number)) }
    #expect(try house.files(in: "bodies").isEmpty)
    await store.close()
  }

  @Test("takes no body past its longest")
  func tooLarge() async throws {
    let house = try StoreHouse()
    var options = StoreOptions.small
    options.longestBody = .kibibytes(40)
    let store = try await house.open(nil, options)
    try await store.accept(newMessage(1), content(1, bytes: 40_961), orFails: .tooLarge)
    try await store.accept(newMessage(1), content(1, bytes: 40_960))
    #expect(try house.files(in: "bodies").count == 1)
    await store.close()
  }
}

extension QueueStore {
  func accept(_ message: NewMessage, _ bytes: ByteBuffer, orFails fault: StoreFault) async throws {
    await #expect(throws: fault) { try await self.accept(message, bytes) }
  }
}
