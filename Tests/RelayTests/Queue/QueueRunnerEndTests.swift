import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPSessions
import Simulation
import Testing

@Suite("The end of a QueueRunner")
struct QueueRunnerEndTests {
  @Test("a fault of the store ends the run with its reason")
  func storeFault() throws {
    let house = try QueueHarness()
    let end = house.run { house in
      house.store.failSync(after: 2)
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(5))
    }
    #expect(end == .storeFault(.stopped(reason: "the sync failed")))
  }

  @Test("a stop lets deliveries end within its bound")
  func gracefulStop() throws {
    let house = try QueueHarness { $0.drainTime = .seconds(30) }
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(20))
      return ScriptedDeliverer.accept(job)
    }
    let end = house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(house.runner.inFlight == 1)
    }
    #expect(end == .stopped)
    #expect(house.events.kinds == [.accepted, .delivered])
    #expect(house.clock.uptime < Uptime(nanoseconds: 31_000_000_000))
  }

  @Test("behind the bound deliveries are cancelled, and their recipients stand as they stood")
  func cancelledStop() throws {
    let house = try QueueHarness { $0.drainTime = .seconds(30) }
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(3_600))
      return Task.isCancelled
        ? ScriptedDeliverer.answer(job, .fault(DeliveryFault(stage: .content, cause: .transport("cancelled"))))
        : ScriptedDeliverer.accept(job)
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
    }
    #expect(house.clock.uptime < Uptime(nanoseconds: 40_000_000_000))
    #expect(house.events.kinds == [.accepted, .deliveryCut])
    #expect(house.events.events.last?["id"] == .text(Fixture.id(1).description))
    #expect(house.events.events.last?["for-seconds"] == .number(31))
    let message = house.world.run { [house] in try? await house.store.message(Fixture.id(1)) }
    #expect(message??.recipients.map(\.attempts) == [0])
  }

  @Test("a stop that is cut short waits for no delivery; what is under way is known while it is")
  func cutShort() throws {
    let house = try QueueHarness { $0.drainTime = .seconds(3_600) }
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(7_200))
      return Task.isCancelled
        ? ScriptedDeliverer.answer(job, .fault(DeliveryFault(stage: .content, cause: .transport("cancelled"))))
        : ScriptedDeliverer.accept(job)
    }
    house.run { house in
      try await house.submit(
        try Fixture.message(1, to: [("x@there.example", Fixture.alpha), ("y@other.example", Fixture.alpha)]))
      let begun = house.clock.now
      await house.later(.seconds(1))
      let underWay = house.runner.underWay(of: Fixture.id(1))
      #expect(underWay.map(\.recipients) == [[0, 1]] && underWay.map(\.since) == [begun])
      #expect(house.runner.underWay(of: Fixture.id(2)).isEmpty)
      house.runner.stop()
      await house.later(.seconds(5))
      house.runner.cutShort()
    }
    #expect(house.clock.uptime < Uptime(nanoseconds: 10_000_000_000))
    #expect(house.events.kinds == [.accepted, .deliveryCut])
    #expect(house.runner.underWay(of: Fixture.id(1)).isEmpty)
  }

  @Test("a message is served once, though the store shows it before the fast path brings it")
  func noDoubleService() throws {
    for seed in 1...40 {
      let house = try QueueHarness(seed: UInt64(seed)) { $0.surveyInterval = .milliseconds(1) }
      house.run { house in
        for number in 1...30 {
          try await house.submit(try Fixture.message(number))
          if number % 5 == 0 { await house.later(.milliseconds(1)) }
        }
        await house.later(.seconds(1))
        #expect(house.alpha.visits.count == 30)
        #expect(Set(house.alpha.visits.map(\.id)).count == 30)
      }
    }
  }
}
