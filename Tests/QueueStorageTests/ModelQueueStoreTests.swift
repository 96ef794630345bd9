import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import Testing

@Suite("the model store")
struct ModelQueueStoreTests {
  @Test("keeps what was answered, and a prefix of what was not, through a crash", arguments: 0..<50)
  func crash(_ seed: UInt64) async throws {
    let clock = StillClock()
    let store = ModelQueueStore(clock: clock, events: EventLog())
    let answered = Shared<Set<QueueID>>([])
    let begun = Shared<[QueueID]>([])
    var generator = SplitMix(state: seed)
    let survivor = await withTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        group.addTask {
          begun.edit { $0.append(id(number)) }
          guard (try? await store.accept(newMessage(number), content(number, bytes: 10))) != nil else { return }
          answered.edit { _ = $0.insert(id(number)) }
        }
      }
      for _ in 0..<Int.random(in: 0..<10, using: &generator) { await Task.yield() }
      return store.crash(using: &generator)
    }
    let found = Set(try await survivor.list(QueueFilter(), after: nil, limit: 100).map(\.id))
    #expect(answered.value.isSubset(of: found))
    #expect(found.isSubset(of: Set(begun.value)))
    #expect(survivor.condition == .accepting)
    await #expect(throws: StoreFault.stopped(reason: "the power was cut")) { _ = try await store.lanes() }
  }

  @Test("turns new mail away on a full disk and lets outcomes through")
  func spaceLow() async throws {
    let store = ModelQueueStore(clock: StillClock(), events: EventLog())
    try await store.accept(try newMessage(1), content(1, bytes: 10))
    store.setSpaceLow(true)
    #expect(store.condition == .spaceLow)
    await #expect(throws: StoreFault.spaceLow) { try await store.accept(newMessage(2), content(2, bytes: 10)) }
    let report = try NewReport(message: newMessage(3, from: nil), body: await store.body(content(3, bytes: 5)))
    try await store.record([change(0, .failed)], of: id(1), reports: [report], events: [])
    #expect(try await store.list(QueueFilter(), after: nil, limit: 9).map(\.id) == [id(3)])
    store.setSpaceLow(false)
    try await store.accept(try newMessage(2), content(2, bytes: 10))
  }

  @Test("refuses readings, bodies and changes while it is unavailable, and nothing was changed")
  func unavailable() async throws {
    let store = ModelQueueStore(clock: StillClock(), events: EventLog())
    try await store.accept(try newMessage(1), content(1, bytes: 10))
    let body = try await store.openBody(of: id(1))
    store.setUnavailable { true }
    let unavailable = StoreFault.unavailable(reason: "too many open files")
    await #expect(throws: unavailable) { try await store.accept(newMessage(2), content(2, bytes: 10)) }
    await #expect(throws: unavailable) { try await store.finish(id(1)) }
    await #expect(throws: unavailable) { _ = try await store.lanes() }
    await #expect(throws: unavailable) { _ = try await store.openBody(of: id(1)) }
    await #expect(throws: unavailable) { _ = try await body.next() }
    #expect(store.condition == .accepting)
    store.setUnavailable(when: nil)
    #expect(try await store.list(QueueFilter(), after: nil, limit: 9).map(\.id) == [id(1)])
    #expect(try await body.next()?.readableBytes == 10)
    try await store.accept(try newMessage(2), content(2, bytes: 10))
  }

  @Test("stops for good at the sync that fails")
  func failedSync() async throws {
    let store = ModelQueueStore(clock: StillClock(), events: EventLog())
    store.failSync(after: 2)
    try await store.accept(try newMessage(1), content(1, bytes: 10))
    let stopped = StoreFault.stopped(reason: "the sync failed")
    await #expect(throws: stopped) { try await store.accept(newMessage(2), content(2, bytes: 10)) }
    await #expect(throws: stopped) { try await store.finish(id(1)) }
    #expect(store.condition == .stopped(reason: "the sync failed"))
    var generator = SplitMix(state: 1)
    let survivor = store.crash(using: &generator)
    #expect(try await survivor.message(id(1)) != nil)
  }

  @Test("names a damaged body and holds its message")
  func damaged() async throws {
    let log = EventLog()
    let store = ModelQueueStore(clock: StillClock(), events: log)
    try await store.accept(try newMessage(1), content(1, bytes: 10))
    store.damageBody(of: id(1))
    await #expect(throws: StoreFault.corrupt(id(1))) { _ = try await store.readBody(id(1)) }
    #expect(try await store.message(id(1))?.recipients[0].state == .held)
    #expect(log.events.last == .corrupt(id(1)))
  }
}
