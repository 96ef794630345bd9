import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPSessions
import Simulation
import Testing

/// A disk that is full beyond the store's reserve: nothing can be written down, not even what was delivered (Law 1).
@Suite("A full disk")
struct FullDiskTests {
  /// A house whose next hop takes ten seconds for each message.
  static func house(concurrency: Int = 20) throws -> QueueHarness {
    let house = try QueueHarness(concurrency: concurrency)
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.accept(job)
    }
    return house
  }

  @Test("an outcome waits until it can be recorded, meanwhile nothing begins, and nothing is delivered twice")
  func waits() throws {
    let house = try Self.house(concurrency: 2)
    house.beta.follow { job in
      job.recipients[0].attempts == 0
        ? ScriptedDeliverer.answer(job, .refused(.rcpt, 450)) : ScriptedDeliverer.accept(job)
    }
    let end = house.run { house in
      // Due again in the middle of it, on a route where nothing waits.
      try await house.submit(try Fixture.message(5, to: [("y@there.example", Fixture.beta)]))
      for number in 1...4 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      house.store.setFull(true)
      await house.later(.seconds(3_600))
      #expect(house.alpha.visits.count == 2)
      #expect(house.beta.visits.count == 1)
      #expect(house.runner.inFlight == 2)
      #expect(try await house.store.counts().messages == 5)
      house.store.setFull(false)
      await house.later(.seconds(60))
      #expect(house.alpha.visits.map(\.id) == (1...4).map(Fixture.id))
      #expect(house.beta.visits.count == 2)
      #expect(try await house.isEmpty())
    }
    #expect(end == .stopped)
    #expect(house.events.kinds.count { $0 == .delivered } == 5)
  }

  @Test("one alarm tells of it, however many outcomes wait and however long")
  func alarm() throws {
    let house = try Self.house()
    house.run { house in
      for episode in 0..<2 {
        for number in 1...5 { try await house.submit(try Fixture.message(episode * 5 + number)) }
        await house.later(.seconds(1))
        house.store.setFull(true)
        await house.later(.seconds(600))
        #expect(house.events.kinds.count { $0 == .alarm } == episode + 1)
        house.store.setFull(false)
        await house.later(.seconds(60))
      }
      let alarm = house.events.events.first { $0.kind == .alarm }
      #expect(alarm?["what"] == .text("outcomes-not-recorded"))
      #expect(house.events.kinds.count { $0 == .alarm } == 2)
    }
  }

  @Test("a failure waits like a success, and its report follows when there is room")
  func failures() throws {
    let house = try QueueHarness()
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.answer(job, .refused(.rcpt, 550))
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.store.setFull(true)
      await house.later(.seconds(600))
      house.store.setFull(false)
      await house.later(.seconds(60))
      #expect(house.alpha.visits.count == 1)
      #expect(house.local.visits.map { $0.recipients.map(\.description) } == [["anna@example.com"]])
      #expect(try await house.isEmpty())
    }
  }

  @Test("a stop waits no longer than its bound, and an alarm names what couldn't be recorded")
  func stopped() throws {
    let house = try Self.house()
    let end = house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.store.setFull(true)
      await house.later(.seconds(20))
    }
    #expect(end == .stopped)
    #expect(house.clock.uptime < Uptime(nanoseconds: 60_000_000_000))
    let alarms = house.events.events.filter { $0.kind == .alarm }
    #expect(alarms.count == 2)
    #expect(alarms.last?["id"] == .text(Fixture.id(1).description))
    #expect(
      alarms.last?["what"]
        == .text("outcome-not-recorded"))
  }

  @Test("a failed sync ends the run, also while outcomes wait for room")
  func failedSync() throws {
    let house = try Self.house()
    let end = house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.store.setFull(true)
      await house.later(.seconds(20))
      house.store.failSync(after: 1)
      house.store.setFull(false)
      await house.later(.seconds(20))
    }
    #expect(end == .storeFault(.stopped(reason: "the sync failed")))
  }

  @Test("an operator is told that his word can't be kept, and nothing changed")
  func operators() throws {
    let house = try OperatorTests.house()
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.store.setFull(true)
      await #expect(throws: StoreFault.spaceLow) { try await house.runner.delete(OperatorTests.all, by: "root") }
      house.store.setFull(false)
      #expect(try await house.store.counts().messages == 1)
      #expect(!house.events.kinds.contains(.removed))
    }
  }
}
