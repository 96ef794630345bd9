import MailQueue
import MailSyntax
import QueueModel
import Synchronization

/// A store at which one task can be stopped before and behind each of its calls, while everything else goes on.
struct SteppedStore: QueueStore {
  /// Set for the task whose steps are counted.
  @TaskLocal static var steps: Steps?

  /// The steps of one task. Something happens at one of them, at a place that has a name.
  final class Steps: Sendable {
    private struct State {
      var names: [String] = []
    }
    private let state = Mutex(State())
    private let chosen: Int
    private let body: @Sendable () async -> Void

    init(at chosen: Int, _ body: @escaping @Sendable () async -> Void) {
      self.chosen = chosen
      self.body = body
    }

    var names: [String] { state.withLock { $0.names } }
    /// The task came to the chosen step.
    var happened: Bool { names.count > chosen }

    fileprivate func pass(_ name: String) async {
      let number = state.withLock { state in
        state.names.append(name)
        return state.names.count - 1
      }
      if number == chosen { await body() }
    }
  }

  let store: ModelQueueStore

  private func step<Answer>(
    _ name: String, _ call: () async throws(StoreFault) -> Answer
  ) async throws(StoreFault) -> Answer {
    await SteppedStore.steps?.pass("before \(name)")
    let answer = try await call()
    await SteppedStore.steps?.pass("behind \(name)")
    return answer
  }

  var condition: StoreCondition { store.condition }
  func beginBody() throws(StoreFault) -> any BodyWriter { try store.beginBody() }
  func commit(_ message: NewMessage, body: any BodyWriter, event: MailEvent) async throws(StoreFault) -> QueuedMessage {
    try await store.commit(message, body: body, event: event)
  }
  func lanes(after: Lane?, limit: Int) async throws(StoreFault) -> [LaneSummary] {
    try await store.lanes(after: after, limit: limit)
  }
  func due(in lane: Lane, at moment: UTCInstant, limit: Int) async throws(StoreFault) -> DueMail {
    try await store.due(in: lane, at: moment, limit: limit)
  }
  func message(_ id: QueueID) async throws(StoreFault) -> QueuedMessage? {
    try await step("message") { () async throws(StoreFault) in try await store.message(id) }
  }
  func openBody(of id: QueueID) async throws(StoreFault) -> any BodyReader {
    try await step("openBody") { () async throws(StoreFault) in try await store.openBody(of: id) }
  }
  func record(
    _ changes: [RecipientChange], of id: QueueID, reports: [NewReport], events: [MailEvent]
  ) async throws(StoreFault) {
    try await step("record") { () async throws(StoreFault) in
      try await store.record(changes, of: id, reports: reports, events: events)
    }
  }
  func list(_ filter: QueueFilter, after: QueueID?, limit: Int) async throws(StoreFault) -> [QueuedMessage] {
    try await step("list") { () async throws(StoreFault) in try await store.list(filter, after: after, limit: limit) }
  }
  func events(of id: QueueID) async throws(StoreFault) -> [StampedEvent] { try await store.events(of: id) }
  func counts() async throws(StoreFault) -> QueueCounts { try await store.counts() }
  func close() async { await store.close() }
}
