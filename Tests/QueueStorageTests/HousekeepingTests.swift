import Foundation
import MailQueue
import MailSyntax
import NIOCore
import QueueStorage
import Testing

@Suite("housekeeping")
struct HousekeepingTests {
  @Test("writes segments over once none of their bodies lives, and keeps few")
  func recycling() async throws {
    let house = try StoreHouse()
    let store = try await house.open()
    for round in 0..<12 {
      for number in 0..<10 { try await store.accept(newMessage(round * 10 + number), content(number, bytes: 12_000)) }
      for number in 0..<10 {
        #expect(try await store.readBody(id(round * 10 + number)) == content(number, bytes: 12_000))
        try await store.finish(id(round * 10 + number))
      }
      try await store.housekeep()
    }
    // 1.4 MB passed through segments of 64 KiB.
    #expect(try house.files(in: "segments").count <= 5)
    await store.close()
  }

  @Test("gives an open reader its bytes even when the message leaves and its segment is wanted")
  func pinnedReader() async throws {
    let house = try StoreHouse()
    var options = StoreOptions.small
    options.segmentSize = .kibibytes(256)
    options.longestSegmentBody = .kibibytes(128)
    let store = try await house.open(nil, options)
    let whole = content(0, bytes: 130_000)
    try await store.accept(newMessage(0), whole)
    // Longer than the piece that is read ahead.
    let reader = try await store.openBody(of: id(0))
    try await store.finish(id(0))
    for number in 1..<20 {
      try await store.accept(newMessage(number), content(number, bytes: 130_000))
      try await store.finish(id(number))
      try await store.housekeep()
    }
    var found = ByteBuffer()
    while var piece = try await reader.next() { found.writeBuffer(&piece) }
    #expect(found == whole)
    await store.close()
  }

  @Test("moves the last bodies of a mostly dead segment and gives the segment back")
  func compaction() async throws {
    let house = try StoreHouse()
    var store = try await house.open()
    let kept = [3, 11, 19, 27, 35, 43]
    for number in 0..<60 { try await store.accept(newMessage(number), content(number, bytes: 8_000)) }
    for number in 0..<60 where !kept.contains(number) { try await store.finish(id(number)) }
    #expect(try house.files(in: "segments").count >= 8)
    for _ in 0..<10 { try await store.housekeep() }
    // The kept bodies fill one segment; two are spare.
    let left = try house.files(in: "segments")
    #expect(left.count <= 4, "\(left)")
    for number in kept { #expect(try await store.readBody(id(number)) == content(number, bytes: 8_000)) }
    await store.close()
    store = try await house.open()
    for number in kept { #expect(try await store.readBody(id(number)) == content(number, bytes: 8_000)) }
    await store.close()
  }

  @Test("forgets events past the history time, and only those")
  func history() async throws {
    let house = try StoreHouse()
    var options = StoreOptions.small
    options.history = .seconds(3600)
    let store = try await house.open(nil, options)
    try await store.accept(newMessage(1), content(1, bytes: 10))
    house.clock.advance(.seconds(1800))
    try await store.accept(newMessage(2), content(2, bytes: 10))
    house.clock.advance(.seconds(1801))
    try await store.housekeep()
    #expect(try await store.events(of: id(1)).isEmpty)
    #expect(try await store.events(of: id(2)).count == 1)
    #expect(try await store.message(id(1)) != nil)
    await store.close()
  }

  @Test("removes at the next opening what a crash left without a row")
  func garbage() async throws {
    let house = try StoreHouse()
    await (try house.open()).close()
    for name in ["bodies/000007.body", "segments/000099.segment"] {
      try Data("half".utf8).write(to: URL(fileURLWithPath: house.path + "/" + name))
    }
    let store = try await house.open()
    #expect(try house.files(in: "bodies").isEmpty)
    #expect(try !house.files(in: "segments").contains("000099.segment"))
    await store.close()
  }
}
