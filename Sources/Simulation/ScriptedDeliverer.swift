public import MailQueue
public import MailSyntax
public import Relay
import Synchronization

/// A next hop that does what a script says and remembers what came.
public final class ScriptedDeliverer: Deliverer {
  public typealias Script = @Sendable (DeliveryJob) async -> DeliveryResult

  /// One delivery as the next hop saw it.
  public struct Visit: Hashable, Sendable {
    public let id: QueueID
    public let recipients: [Mailbox]
    public let at: UTCInstant
  }

  private struct State {
    var script: Script
    var visits: [Visit] = []
    var inFlight = 0
    var mostInFlight = 0
  }
  private let state: Mutex<State>
  private let clock: any MailClock

  public init(clock: any MailClock, _ script: @escaping Script = { ScriptedDeliverer.accept($0) }) {
    self.clock = clock
    state = Mutex(State(script: script))
  }

  public var visits: [Visit] { state.withLock { $0.visits } }
  public var inFlight: Int { state.withLock { $0.inFlight } }
  public var mostInFlight: Int { state.withLock { $0.mostInFlight } }
  public func follow(_ script: @escaping Script) { state.withLock { $0.script = script } }

  public func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    let visit = Visit(id: job.message.id, recipients: job.recipients.map(\.recipient.address), at: clock.now)
    let script = state.withLock { state in
      state.visits.append(visit)
      state.inFlight += 1
      state.mostInFlight = max(state.mostInFlight, state.inFlight)
      return state.script
    }
    let result = await script(job)
    state.withLock { $0.inFlight -= 1 }
    return result
  }

  /// Every recipient was taken.
  public static func accept(_ job: DeliveryJob) -> DeliveryResult { answer(job, .delivered("250 2.0.0 taken")) }

  /// The same word for every recipient.
  public static func answer(_ job: DeliveryJob, _ word: RecipientResult) -> DeliveryResult {
    DeliveryResult(host: "next.example", tls: nil, outcomes: job.recipients.map { ($0.number, word) })
  }
}
