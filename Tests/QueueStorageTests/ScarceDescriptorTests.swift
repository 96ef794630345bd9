import Foundation
import MailQueue
import MailSyntax
import NIOCore
import Testing

@testable import QueueStorage

/// A file that can't be opened at this moment says nothing of what is in it.
@Suite("out of file descriptors")
struct ScarceDescriptorTests {
  @Test(
    "a message whose body can't be opened is not held, and reads once there are descriptors again",
    arguments: [EMFILE, ENFILE, EACCES, EIO], [100, 20_000])
  func opening(_ code: Int32, _ size: Int) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: size))
    house.files.watchOpening { path, mode throws(SystemFault) in
      if mode == .read { throw SystemFault(call: "open", path: path, errno: code) }
    }
    let fault = await #expect(throws: StoreFault.self) { _ = try await store.readBody(id(1)) }
    guard case .unavailable(let reason) = fault else {
      Issue.record("\(String(describing: fault))")
      return
    }
    #expect(reason.contains(size == 100 ? "000001.segment" : "000001.body"))
    #expect(try await store.message(id(1))?.recipients[0].state == .queued)
    #expect(store.condition == .accepting && house.log.alarms.isEmpty)
    house.files.watchOpening(nil)
    #expect(try await store.readBody(id(1)) == content(1, bytes: size))
    // The failed openings have left no pin on the segment behind.
    #expect(store.files.withLedger { $0.segments.values.allSatisfy { $0.pins == 0 } })
    await store.close()
  }

  @Test("a body whose file is gone is named and its message held", arguments: [100, 20_000])
  func absent(_ size: Int) async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: size))
    for folder in ["bodies", "segments"] {
      for name in try house.files(in: folder) {
        try FileManager.default.removeItem(atPath: "\(house.path)/\(folder)/\(name)")
      }
    }
    await #expect(throws: StoreFault.corrupt(id(1))) { _ = try await store.readBody(id(1)) }
    #expect(try await store.message(id(1))?.recipients[0].state == .held)
    await store.close()
  }

  @Test("new mail that needs a file is put off, outcomes are recorded, and the store goes on")
  func creating() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    try await store.accept(newMessage(1), content(1, bytes: 10))
    house.files.watchOpening { path, _ throws(SystemFault) in
      throw SystemFault(call: "open", path: path, errno: EMFILE)
    }
    let file = StoreFault.unavailable(reason: "open of \(house.path)/bodies/000001.body failed: Too many open files")
    try await store.accept(newMessage(2), content(2, bytes: 20_000), orFails: file)
    // These fill the first segment and need another.
    var refused = 0
    for number in 3..<9 {
      do {
        try await store.accept(newMessage(number), content(number, bytes: 16_000))
      } catch StoreFault.unavailable {
        refused += 1
      }
    }
    #expect(refused > 0)
    try await store.finish(id(1))
    #expect(try await store.message(id(1)) == nil)
    #expect(store.condition == .accepting)
    house.files.watchOpening(nil)
    for number in 10..<16 { try await store.accept(newMessage(number), content(number, bytes: 16_000)) }
    for number in 10..<16 { #expect(try await store.readBody(id(number)) == content(number, bytes: 16_000)) }
    try await store.accept(newMessage(2), content(2, bytes: 20_000))
    #expect(try await store.readBody(id(2)) == content(2, bytes: 20_000))
    await store.close()
  }

  @Test("every reader's connection is open from the start, so that none is missing later")
  func readers() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    let links = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + $0)
    }
    let open = links.filter { $0.hasSuffix(house.folderName + "/queue.sqlite3") }
    // Two readers, the writer, and the checkpoints' own.
    #expect(open.count == 4)
    await store.close()
  }
}
