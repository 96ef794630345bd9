import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPSessions
import Simulation
import Testing

/// A store that can't be had for a while, for want of descriptors: nothing is lost, nothing is done twice, and all goes
/// on by itself.
@Suite("A store that is unavailable")
struct UnavailableStoreTests {
  @Test("an outcome waits until it can be recorded, and nothing is delivered twice")
  func outcomes() throws {
    let house = try QueueHarness(concurrency: 2)
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...4 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      house.store.setUnavailable { true }
      await house.later(.seconds(600))
      #expect(house.alpha.visits.count == 2)
      house.store.setUnavailable(when: nil)
      await house.later(.seconds(120))
      #expect(house.alpha.visits.map(\.id) == (1...4).map(Fixture.id))
      #expect(try await house.isEmpty())
    }
    #expect(house.events.kinds.count { $0 == .delivered } == 4)
  }

  @Test("mail whose message, lane or survey couldn't be read is served when it can be")
  func readings() throws {
    let house = try QueueHarness { $0.maximumHeldMessages = 0 }
    house.run { house in
      await house.later(.seconds(1))
      house.store.setUnavailable { true }
      await house.later(.seconds(600))
      house.store.setUnavailable(when: nil)
      let stored = try await house.store(try Fixture.message(1))
      house.store.setUnavailable { true }
      house.runner.accepted(stored)
      await house.later(.seconds(600))
      #expect(house.alpha.visits.isEmpty)
      house.store.setUnavailable(when: nil)
      // Sooner than a survey would find it.
      await house.later(.seconds(6))
      #expect(house.alpha.visits.count == 1)
      #expect(try await house.isEmpty())
    }
  }

  @Test("a message that couldn't be read once is read again in seconds, and waits for no survey")
  func readAgain() throws {
    let house = try QueueHarness { $0.maximumHeldMessages = 0 }
    house.run { house in
      await house.later(.seconds(1))
      let stored = try await house.store(try Fixture.message(1))
      house.store.setUnavailable { true }
      house.runner.accepted(stored)
      await house.later(.seconds(1))
      house.store.setUnavailable(when: nil)
      await house.later(.seconds(5))
      #expect(house.alpha.visits.count == 1)
    }
  }

  @Test("a body that can't be read puts its message off, and doesn't hold or fail it")
  func bodies() throws {
    let house = try QueueHarness()
    house.alpha.follow { job in
      do throws(StoreFault) {
        let body = try await job.openBody()
        while try await body.next() != nil {}
        return ScriptedDeliverer.accept(job)
      } catch {
        return ScriptedDeliverer.answer(job, .fault(DeliveryFault(stage: .content, cause: .local("\(error)"))))
      }
    }
    house.run { house in
      // For the body alone: what became of it can be recorded.
      house.store.setUnavailable { [alpha = house.alpha] in alpha.inFlight == 1 && alpha.visits.count == 1 }
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(try await house.store.message(Fixture.id(1))?.recipients.map(\.state) == [.queued])
      await house.later(.seconds(900))
      #expect(house.alpha.visits.count == 2)
      #expect(try await house.isEmpty())
    }
  }

  @Test("an operator is told that his word can't be kept, and nothing changed")
  func operators() throws {
    let house = try OperatorTests.house()
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.store.setUnavailable { true }
      await #expect(throws: StoreFault.unavailable(reason: "too many open files")) {
        try await house.runner.delete(OperatorTests.all, by: "root")
      }
      house.store.setUnavailable(when: nil)
      #expect(try await house.store.counts().messages == 1)
      #expect(!house.events.kinds.contains(.removed))
    }
  }
}
