import MailQueue
import MailSyntax
import Relay
import Simulation
import Testing

@Suite("Routes at rest")
struct RestingRoutesTests {
  @Test("a route at rest is named with the moment its rest ends, and no longer behind it")
  func named() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .unreachable) }
    house.run { house in
      #expect(house.runner.restingRoutes.named.isEmpty)
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      let resting = house.runner.restingRoutes
      #expect(resting.named.map(\.route) == [Fixture.alpha] && resting.more == 0)
      #expect(resting.named.first?.failures == 1)
      let now = house.clock.now
      let until = try #require(resting.named.first?.until)
      #expect(until > now)
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      _ = try await house.runner.retryNow(QueueFilter(), by: "eve")
      await house.later(.seconds(1))
      #expect(house.runner.restingRoutes.named.isEmpty)
    }
  }
}
