import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import QueueModel
import Relay
import SMTPSessions
import Simulation
import Testing

/// A runner on a model store in a world of its own: example.com is ours, with anna and the postmaster; everything else
/// goes out by `alpha` or `beta`.
struct QueueHarness: Sendable {
  static let local = RouteKey(rawValue: "local")

  let world: World
  let clock: VirtualClock
  let store: ModelQueueStore
  let events = EventLog()
  let alpha: ScriptedDeliverer
  let beta: ScriptedDeliverer
  let local: ScriptedDeliverer
  let exchangers: ScriptedDeliverer
  let runner: QueueRunner

  init(
    seed: UInt64 = 1, concurrency: Int = 20, ending: Route.Ending = .relayed, hasDomains: Bool = true,
    latency: Duration = .zero, isStepped: Bool = false, hasExchangers: Bool = false,
    signing: MailSigning? = nil,
    _ change: (inout QueueRunner.Options) -> Void = { _ in }
  ) throws {
    world = World(seed: seed, start: Fixture.start)
    clock = VirtualClock(world)
    store = ModelQueueStore(clock: clock, events: events, latency: latency)
    (alpha, beta, local, exchangers) = (
      ScriptedDeliverer(clock: clock), ScriptedDeliverer(clock: clock), ScriptedDeliverer(clock: clock),
      ScriptedDeliverer(clock: clock)
    )
    let domain = LocalDomain(
      name: try DomainName("example.com"), recipients: [.init("anna"), .init("boss")], delivery: Self.local,
      postmaster: try Mailbox("boss@example.com"))
    runner = QueueRunner(
      store: isStepped ? SteppedStore(store: store) : store,
      routes: Self.table(
        [Fixture.alpha: alpha, Fixture.beta: beta, Self.local: local], concurrency, ending,
        hasExchangers ? exchangers : nil),
      routing: try Routing(domains: hasDomains ? [domain] : [], outbound: .route(Fixture.alpha)), clock: clock,
      random: SeededRandom(seed: seed), events: events,
      options: try Fixture.options {
        // As after many answers; how a route begins has tests of its own.
        $0.initialConcurrency = concurrency
        change(&$0)
      }, signing: signing)
  }

  static func table(
    _ deliverers: OrderedDictionary<RouteKey, ScriptedDeliverer>, _ concurrency: Int = 20,
    _ ending: Route.Ending = .relayed, _ exchangers: ScriptedDeliverer? = nil
  ) -> RouteTable {
    let route = { (deliverer: ScriptedDeliverer) in
      Route(deliverer: deliverer, maximumConcurrency: concurrency, ending: ending)
    }
    return RouteTable(deliverers.mapValues(route), exchangers: exchangers.map(route))
  }

  /// Runs the runner beside `body`, then stops it. Everything must come to an end.
  @discardableResult
  func run(_ body: @escaping @Sendable (QueueHarness) async throws -> Void) -> QueueRunner.End? {
    let end = world.run { [self] in
      await withTaskGroup(of: QueueRunner.End?.self) { group in
        group.addTask { await runner.run() }
        group.addTask {
          do { try await body(self) } catch { Issue.record("\(error)") }
          runner.stop()
          return nil
        }
        var end: QueueRunner.End?
        for await result in group where result != nil { end = result }
        return end
      }
    }
    #expect(end != nil, "something waits for ever")
    return end ?? nil
  }

  /// Makes a message durable by the fast path, with a body that a report can return.
  @discardableResult
  func submit(_ message: NewMessage, text: String = "Text.") async throws -> QueuedMessage {
    try await runner.commit(message, body: try body(text), event: MailEvent(.accepted, []))
  }

  /// Makes a message durable without a word to the runner.
  @discardableResult
  func store(_ message: NewMessage) async throws -> QueuedMessage {
    try await store.commit(message, body: try body(), event: MailEvent(.accepted, []))
  }

  private func body(_ text: String = "Text.") throws -> any BodyWriter {
    let body = try store.beginBody()
    _ = body.write(ByteBuffer(string: "From: anna@example.com\r\nSubject: hello\r\n\r\n\(text)\r\n"))
    return body
  }

  func later(_ duration: Duration) async { await clock.sleep(for: duration) }
  func isEmpty() async throws -> Bool { try await store.counts().messages == 0 }
}

extension RecipientResult {
  static func refused(_ stage: DeliveryStage, _ code: UInt16) -> RecipientResult {
    .fault(DeliveryFault(stage: stage, cause: FaultCatalogue.reply(code)))
  }
  static let unreachable = RecipientResult.fault(DeliveryFault(stage: .connect, cause: .transport("refused")))
}
