import Foundation
import MailQueue
import MailSyntax
import NIOCore
import QueueStorage
import Synchronization
import Testing

/// Law 1 under every fault: what was answered is there, what was finished is gone, and every body reads.
@Suite("durability")
struct DurabilityTests {
  /// What callers were told.
  final class Ledger: Sendable {
    struct Told: Sendable {
      var begun: Set<QueueID> = []
      var accepted: Set<QueueID> = []
      var finishing: Set<QueueID> = []
      var finished: Set<QueueID> = []
    }
    private let state = Mutex(Told())
    var told: Told { state.withLock { $0 } }
    func note(_ body: (inout Told) -> Void) { state.withLock { (told: inout sending Told) in body(&told) } }
  }

  static let sizes = [10, 5_000, 17_000, 16_000, 0, 30_000, 15_000]

  /// Accepts and finishes, some at once, past two changes of segment.
  private func work(_ store: SegmentedQueueStore, _ ledger: Ledger) async {
    for round in 0..<4 {
      await withTaskGroup(of: Void.self) { group in
        for place in 0..<DurabilityTests.sizes.count {
          let number = round * DurabilityTests.sizes.count + place
          group.addTask {
            ledger.note { $0.begun.insert(id(number)) }
            do {
              try await store.accept(newMessage(number), content(number, bytes: DurabilityTests.sizes[place]))
              ledger.note { $0.accepted.insert(id(number)) }
              guard number % 2 == 0 else { return }
              ledger.note { $0.finishing.insert(id(number)) }
              try await store.finish(id(number))
              ledger.note { $0.finished.insert(id(number)) }
            } catch {}
          }
        }
      }
      try? await store.housekeep()
    }
  }

  private func verify(_ store: SegmentedQueueStore, _ told: Ledger.Told, _ comment: Comment) async throws {
    let found = try await store.list(QueueFilter(), after: nil, limit: 1000)
    let ids = Set(found.map(\.id))
    #expect(told.accepted.subtracting(told.finishing).isSubset(of: ids), comment)
    #expect(ids.isDisjoint(with: told.finished), comment)
    #expect(ids.isSubset(of: told.begun), comment)
    for number in 0..<(4 * DurabilityTests.sizes.count) where ids.contains(id(number)) {
      let size = DurabilityTests.sizes[number % DurabilityTests.sizes.count]
      #expect(try await store.readBody(id(number)) == content(number, bytes: size), comment)
    }
    #expect(try await store.counts().messages == ids.count, comment)
  }

  static let failures: [WatchedFileSystem.Failure] = [.system(EIO), .system(ENOSPC), .beforeCommit, .afterCommit]

  @Test("holds whichever step fails, and however", arguments: failures)
  func everyStep(_ failure: WatchedFileSystem.Failure) async throws {
    var step = 0
    var reached = 0
    while true {
      let house = try StoreHouse()
      let ledger = Ledger()
      let store = try await house.open()
      house.files.fail(at: step, failure)
      await work(store, ledger)
      let wasReached = house.files.hasFailed
      let steps = house.files.steps
      await store.close()
      house.files.fail(at: .max, .none)
      let again = try await house.open()
      let failed = steps.indices.contains(step) ? "\(steps[step])" : "none"
      try await verify(again, ledger.told, "step \(step), \(failed): \(failure)")
      await again.close()
      guard wasReached else { break }
      reached += 1
      step += step < 12 ? 1 : 5
    }
    #expect(reached > 12)
  }

  @Test("holds for a copy of the folder taken before any commit, with bodies as a power cut leaves them")
  func powerCuts() async throws {
    let house = try StoreHouse()
    house.files.keepDurable()
    let ledger = Ledger()
    let cuts = Mutex<[(folder: String, told: Ledger.Told)]>([])
    let files = house.files
    let path = house.path
    let store = try await house.open()
    house.files.watch { step in
      guard step == .commit, cuts.withLock({ $0.count }) < 24 else { return }
      // Told first, copied then: what is answered meanwhile isn't asked for.
      let told = ledger.told
      let target = path + "-cut-\(cuts.withLock { $0.count })"
      do {
        try cut(path, to: target, files.durable)
        cuts.withLock { $0.append((target, told)) }
      } catch {
        Issue.record(error)
      }
    }
    await work(store, ledger)
    await store.close()
    house.files.watch { _ in }
    let taken = cuts.withLock { $0 }
    #expect(taken.count > 5)
    for (folder, told) in taken {
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let again = try await house.open(folder)
      let found = Set(try await again.list(QueueFilter(), after: nil, limit: 1000).map(\.id))
      #expect(told.accepted.subtracting(ledger.told.finishing).isSubset(of: found))
      for id in found { _ = try await again.readBody(id) }
      await again.close()
    }
  }
}

/// SQLite's files as they stand; of segments and bodies only what was synced, zeros or nothing for the rest.
private func cut(_ path: String, to target: String, _ durable: [String: [UInt8]]) throws {
  let manager = FileManager.default
  for folder in ["", "/segments", "/bodies"] {
    try manager.createDirectory(atPath: target + folder, withIntermediateDirectories: true)
  }
  for name in ["queue.sqlite3", "queue.sqlite3-wal"] {
    try manager.copyItem(atPath: path + "/" + name, toPath: target + "/" + name)
  }
  for folder in ["segments", "bodies"] {
    for name in try manager.contentsOfDirectory(atPath: path + "/" + folder) {
      let content = durable["\(path)/\(folder)/\(name)"] ?? []
      try Data(content).write(to: URL(fileURLWithPath: "\(target)/\(folder)/\(name)"))
    }
  }
}
