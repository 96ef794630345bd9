import MailQueue
import OrderedCollections
import Relay
import SMTPSessions
import Simulation
import Testing

/// Routes that are replaced while they rest: what was wrong with them may be mended.
@Suite("Replaced routes")
struct ReplacedRoutesTests {
  /// Alpha's mail goes by the deliverer from now on.
  private func replace(in house: QueueHarness, by deliverer: ScriptedDeliverer) throws {
    house.runner.replace(
      routes: QueueHarness.table([Fixture.alpha: deliverer]),
      routing: try Routing(domains: [], outbound: .route(Fixture.alpha)), options: try Fixture.options())
  }

  @Test("a route at rest is tried at once when it was replaced")
  func opens() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .unreachable) }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      for number in 2...3 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      #expect(house.alpha.visits.count == 1)
      try replace(in: house, by: house.beta)
      await house.later(.seconds(1))
      #expect(house.beta.visits.map(\.id) == [2, 3].map(Fixture.id))
    }
  }

  @Test("a delivery that fails on the old route doesn't close the new one")
  func oldFailure() throws {
    let house = try QueueHarness()
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.answer(job, .unreachable)
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      try replace(in: house, by: house.beta)
      await house.later(.seconds(10))
      try await house.submit(try Fixture.message(2))
      await house.later(.seconds(1))
      #expect(house.beta.visits.map(\.id) == [Fixture.id(2)])
    }
  }
}
