import Foundation
import MailQueue
import MailSyntax
import NIOCore
import Testing

@testable import QueueStorage

@Suite("a restore that is broken off")
struct RestoreTests {
  static let sizes = [0, 100, 9_000, 16_000, 30_000, 70_000]

  private func makeBackup(in house: StoreHouse) async throws -> String {
    let store = try await house.open()
    for (number, size) in RestoreTests.sizes.enumerated() {
      try await store.accept(newMessage(number), content(number, bytes: size))
    }
    let copy = house.path + "/copy"
    _ = try await store.backup(to: copy)
    await store.close()
    return copy
  }

  private func hasQueue(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/queue.sqlite3")
  }

  private func expectWhole(_ folder: String, in house: StoreHouse, _ comment: Comment) async throws {
    let store = try await house.open(folder)
    let found = try await store.list(QueueFilter(), after: nil, limit: 100)
    #expect(found.map(\.id) == RestoreTests.sizes.indices.map { id($0) }, comment)
    #expect(found.allSatisfy { $0.recipients.allSatisfy { $0.state == .held } }, comment)
    #expect(try await store.lanes().isEmpty, comment)
    for (number, size) in RestoreTests.sizes.enumerated() {
      #expect(try await store.readBody(id(number)) == content(number, bytes: size), comment)
    }
    await store.close()
  }

  @Test("leaves no queue or the whole of it held, at whatever step, and is begun again by the same call")
  func everyStep() async throws {
    let house = try StoreHouse()
    let copy = try await makeBackup(in: house)
    var withoutQueue = 0
    var whole = 0
    var step = 0
    while true {
      let target = house.path + "/restored-\(step)"
      let comment: Comment = "broken off at step \(step)"
      house.files.fail(at: step, .system(EIO))
      let isBrokenOff = (try? SegmentedQueueStore.restore(from: copy, to: target, fileSystem: house.files)) == nil
      house.files.fail(at: .max, .none)
      guard isBrokenOff else { break }
      if hasQueue(target) {
        // The name came last: only the sync of its folder was still missing.
        whole += 1
      } else {
        withoutQueue += 1
        _ = try SegmentedQueueStore.restore(from: copy, to: target, fileSystem: house.files)
      }
      try await expectWhole(target, in: house, comment)
      step += 1
    }
    #expect(withoutQueue > 12 && whole <= 2)
  }

  @Test("gives the queue its name when everything else is durable, and syncs the name")
  func order() async throws {
    let house = try StoreHouse()
    let copy = try await makeBackup(in: house)
    house.files.forget()
    _ = try SegmentedQueueStore.restore(from: copy, to: house.path + "/restored", fileSystem: house.files)
    let steps = house.files.steps
    let rename = try #require(steps.firstIndex(of: .rename))
    #expect(steps[rename...] == [.rename, .syncFolder, .syncFolder])
    #expect(
      steps[..<rename].suffix(3) == [.sync(BackupCopy.unfinishedName), .syncFolder, .syncFolder])
    for name in ["000001.segment", "000001.body", "000002.body"] { #expect(steps[..<rename].contains(.sync(name))) }
    #expect(steps.count { $0 == .rename } == 1)
  }

  @Test("is not begun in a folder with bodies that no restore has left there")
  func foreign() async throws {
    let house = try StoreHouse()
    let copy = try await makeBackup(in: house)
    let target = house.path + "/restored"
    try FileManager.default.createDirectory(atPath: target + "/segments", withIntermediateDirectories: true)
    let segment = target + "/segments/000001.segment"
    try Data("somebody's mail".utf8).write(to: URL(fileURLWithPath: segment))
    #expect(throws: StoreOpenError.notEmpty(folder: target)) {
      _ = try SegmentedQueueStore.restore(from: copy, to: target, fileSystem: house.files)
    }
    #expect(FileManager.default.contents(atPath: segment) == Data("somebody's mail".utf8))
  }
}
