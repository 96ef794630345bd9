import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import SMTPSessions
import Simulation
import Synchronization
import Testing

@testable import Relay

/// The runner with many destinations, of which some are dead.
@Suite("Many destinations")
struct DestinationTests {
  static let dead = RouteKey(rawValue: "mx/dead.example")
  static let live = RouteKey(rawValue: "mx/live.example")

  /// The most that the window held at any delivery.
  private final class Sizes: Sendable {
    private let most = Mutex((lanes: 0, errands: 0, held: 0, routes: 0))
    func look(_ runner: QueueRunner) {
      let window = runner.withState {
        ($0.window.lanes.count, $0.window.standings.count, $0.window.heldMessages, $0.window.routeStates.count)
      }
      most.withLock {
        $0 = (max($0.lanes, window.0), max($0.errands, window.1), max($0.held, window.2), max($0.routes, window.3))
      }
    }
    var value: (lanes: Int, errands: Int, held: Int, routes: Int) { most.withLock { $0 } }
  }

  private static func message(_ number: Int, to route: RouteKey, at instant: UTCInstant = Fixture.start) throws
    -> NewMessage
  {
    try Fixture.message(number, to: [("x@there.example", route)], account: nil, at: instant)
  }

  @Test("live mail goes at once beside a dead destination with 100,000 messages queued, in bounded memory")
  func deadBesideLive() throws {
    let house = try QueueHarness(concurrency: 20, hasExchangers: true) { $0.initialConcurrency = 1 }
    let sizes = Sizes()
    let (clock, deliverer) = (house.clock, house.exchangers)
    deliverer.follow { [runner = house.runner] job in
      sizes.look(runner)
      guard job.recipients[0].recipient.route == Self.dead else {
        await clock.sleep(for: .milliseconds(50))
        return ScriptedDeliverer.accept(job)
      }
      // It takes the connection and never says a word.
      await clock.sleep(for: .seconds(300))
      return ScriptedDeliverer.answer(
        job, .fault(DeliveryFault(stage: .greeting, cause: .transport("timed out"))))
    }
    let count = 100_000
    house.run { house in
      for number in 0..<count { try await house.submit(try Self.message(number, to: Self.dead)) }
      var late = Duration.zero
      for number in 0..<200 {
        let began = clock.now
        try await house.submit(try Self.message(count + number, to: Self.live, at: began))
        await house.later(.seconds(7))
        let arrived = try #require(deliverer.visits.last { $0.id == Fixture.id(count + number) }).at
        late = max(late, arrived - began)
      }
      // Alone it begins in the moment of its acceptance; so it does beside a hundred thousand.
      #expect(late == .zero)
      #expect(try await house.store.counts().messages == count)
    }
    let most = sizes.value
    #expect(most.lanes <= 3 && most.routes <= 2)
    #expect(most.errands <= 250 && most.held <= 250, "\(most)")
    // One at a time, however many wait.
    #expect(Set(deliverer.visits.filter { $0.id < Fixture.id(count) }.map(\.id)).count < 20)
  }

  @Test("every one of more destinations than memory has places for is served, dead ones between them")
  func moreThanPlaces() throws {
    let house = try QueueHarness(hasExchangers: true) {
      $0.initialConcurrency = 1
      $0.maximumLanes = 8
      $0.maximumErrands = 6
      $0.surveyPage = 3
      $0.maximumConcurrency = 5
    }
    let sizes = Sizes()
    let (clock, deliverer) = (house.clock, house.exchangers)
    deliverer.follow { [runner = house.runner] job in
      sizes.look(runner)
      await clock.sleep(for: .milliseconds(200))
      return job.recipients[0].recipient.route.rawValue.contains("dead")
        ? ScriptedDeliverer.answer(job, .unreachable) : ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 0..<300 {
        let name = number % 3 == 0 ? "dead" : "live"
        let route = RouteKey(rawValue: "mx/\(name)\(number / 2).example")
        if number % 2 == 0 {
          try await house.submit(try Self.message(number, to: route))
        } else {
          try await house.store(try Self.message(number, to: route))
        }
      }
      await house.later(.seconds(3_600))
      #expect(try await house.store.counts().messages == 100)
      #expect(Set(deliverer.visits.map(\.id)).count == 300)
    }
    let most = sizes.value
    #expect(most.lanes <= 8 && most.routes <= 16 && most.errands <= 6 + 8 * 4)
  }

  @Test("a busy next hop leaves no trace: no attempt, no event, no change, and the mail goes when there is room")
  func busy() throws {
    let house = try QueueHarness()
    let clock = house.clock
    let free = Fixture.start + .seconds(10)
    house.alpha.follow { job in
      var result = ScriptedDeliverer.accept(job)
      if clock.now < free {
        result.outcomes = []
        result.busyFor = .seconds(3)
      }
      return result
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      try await house.submit(try Fixture.message(2, to: [("x@there.example", Fixture.beta)]))
      await house.later(.seconds(9))
      #expect(house.beta.visits.count == 1)
      let message = try #require(try await house.store.message(Fixture.id(1)))
      #expect(message.recipients[0].attempts == 0 && message.recipients[0].due == Fixture.start)
      #expect(try await house.store.attempts(of: Fixture.id(1)).isEmpty)
      #expect(house.events.kinds == [.accepted, .accepted, .delivered])
      await house.later(.seconds(4))
      #expect(house.alpha.visits.map { ($0.at - Fixture.start).components.seconds } == [0, 3, 6, 9, 12])
      #expect(try await house.isEmpty())
    }
  }
}
