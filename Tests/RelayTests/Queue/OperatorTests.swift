import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPSessions
import Simulation
import Testing

@Suite("Operators")
struct OperatorTests {
  static func filter(_ change: (inout QueueFilter) -> Void) -> QueueFilter {
    var filter = QueueFilter()
    change(&filter)
    return filter
  }
  static let all = QueueFilter()

  /// A house whose next hops refuse everything for now.
  static func house(messages: Int = 3) throws -> QueueHarness {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    return house
  }

  @Test("hold keeps mail until release, and each leaves an audit event with its name")
  func holdAndRelease() throws {
    let house = try Self.house()
    house.run { house in
      for number in 1...3 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      #expect(try await house.runner.hold(Self.filter { $0.id = Fixture.id(2) }, by: "root") == 1)
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      await house.later(.seconds(900))
      #expect(try await house.store.counts().recipientsHeld == 1)
      #expect(try await house.store.counts().messages == 1)
      #expect(try await house.runner.release(Self.all, by: "carl") == 1)
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
      let audit = house.events.events.filter { $0.kind == .held || $0.kind == .released }
      #expect(audit.map { $0["by"] } == [.text("root"), .text("carl")])
    }
  }

  @Test("retry now comes before the schedule, and before a route's rest is over")
  func retryNow() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .unreachable) }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      #expect(try await house.runner.retryNow(Self.all, by: "root") == 1)
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
    }
  }

  @Test("delete removes what the filter selects, and tells nobody but the audit")
  func delete() throws {
    let house = try Self.house()
    house.run { house in
      try await house.submit(
        try Fixture.message(1, to: [("x@there.example", Fixture.alpha), ("y@other.example", Fixture.alpha)]))
      await house.later(.seconds(1))
      #expect(try await house.runner.delete(Self.filter { $0.recipient = "@other.example" }, by: "root") == 1)
      #expect(try await house.store.message(Fixture.id(1))?.recipients.map(\.state) == [.queued, .removed])
      #expect(try await house.runner.delete(Self.all, by: "root") == 1)
      #expect(try await house.isEmpty())
      await house.later(.seconds(600))
      #expect(house.local.visits.isEmpty)
      #expect(house.events.kinds.filter { $0 == .removed }.count == 2)
    }
  }

  @Test("bounce gives mail up and tells the sender")
  func bounce() throws {
    let house = try Self.house()
    let text = TextBox()
    house.local.follow { job in
      await text.read(job)
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(try await house.runner.bounce(Self.all, by: "root") == 1)
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
      #expect(house.local.visits.count == 1)
      #expect(house.events.events.first { $0.kind == .failed }?["by"] == .text("root"))
    }
    #expect(text.text.contains("The operator of this mail system has given the message up."))
    #expect(text.text.contains("Status: 5.3.0") && !text.text.contains("What to do"))
  }

  @Test(
    "an operator's bounce tells the sender a server's last words, and nothing of this house",
    arguments: [
      (RecipientResult.refused(.rcpt, 450), "The last attempt ended with: 450 "),
      (.fault(DeliveryFault(stage: .write, cause: .local("/var/mail/secret is full"))), nil),
      (.fault(DeliveryFault(stage: .connect, cause: .transport("/run/secret: no such file"))), nil),
    ] as [(RecipientResult, String?)])
  func bounceAfterAttempt(result: RecipientResult, shown: String?) throws {
    let house = try QueueHarness()
    let text = TextBox()
    house.alpha.follow { ScriptedDeliverer.answer($0, result) }
    house.local.follow { job in
      await text.read(job)
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(try await house.runner.bounce(Self.all, by: "root") == 1)
      await house.later(.seconds(1))
    }
    let unwrapped = text.text.replacing(/\r\n +/, with: " ")
    #expect(unwrapped.contains("The operator of this mail system has given the message up."))
    #expect(unwrapped.contains(shown ?? "has given the message up."))
    #expect(shown != nil || !unwrapped.contains("The last attempt"))
    #expect(!unwrapped.contains("secret"))
  }

  @Test("a hold outlives a failed delivery that was under way, and a success under way stands")
  func holdInFlight() throws {
    for succeeds in [true, false] {
      let house = try QueueHarness()
      house.alpha.follow { [clock = house.clock] job in
        await clock.sleep(for: .seconds(10))
        return succeeds ? ScriptedDeliverer.accept(job) : ScriptedDeliverer.answer(job, .refused(.rcpt, 450))
      }
      house.run { house in
        try await house.submit(try Fixture.message(1))
        await house.later(.seconds(1))
        #expect(try await house.runner.hold(Self.all, by: "root") == 1)
        await house.later(.seconds(900))
        #expect(house.alpha.visits.count == 1)
        #expect(try await house.store.counts().recipientsHeld == (succeeds ? 0 : 1))
      }
    }
  }

  @Test("a held message that waits in memory isn't served from there")
  func holdInWindow() throws {
    let house = try QueueHarness(concurrency: 1)
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...3 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      #expect(try await house.runner.hold(Self.filter { $0.id = Fixture.id(3) }, by: "root") == 1)
      await house.later(.seconds(100))
      #expect(house.alpha.visits.map(\.id) == [1, 2].map(Fixture.id))
    }
  }

  @Test("a word goes through the whole queue, page by page")
  func pages() throws {
    let house = try Self.house()
    house.run { house in
      let count = QueueRunner.operatorPage * 2 + 7
      for number in 1...count { try await house.store(try Fixture.message(number)) }
      #expect(try await house.runner.delete(Self.all, by: "root") == count)
      #expect(try await house.isEmpty())
    }
  }

  @Test("operators are heard while nothing runs")
  func withoutRunning() throws {
    let house = try Self.house()
    let count = house.world.run { [house] () -> Int? in
      do {
        try await house.store(try Fixture.message(1))
        return try await house.runner.hold(Self.all, by: "root")
      } catch { return nil }
    }
    #expect(count == 1)
  }

  @Test("what is released beside a delivery of its lane is served behind it, without waiting for a survey")
  func releaseBesideDelivery() throws {
    let house = try QueueHarness { $0.surveyInterval = .seconds(3_600) }
    house.alpha.follow { [clock = house.clock] job in
      guard job.recipients[0].attempts > 0 else { return ScriptedDeliverer.answer(job, .refused(.rcpt, 450)) }
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      let second = Self.filter { $0.recipient = "y@there.example" }
      try await house.submit(
        try Fixture.message(1, to: [("x@there.example", Fixture.alpha), ("y@there.example", Fixture.alpha)]))
      await house.later(.seconds(1))
      #expect(try await house.runner.hold(second, by: "root") == 1)
      await house.later(.seconds(301))
      #expect(house.runner.inFlight == 1)
      #expect(try await house.runner.release(second, by: "root") == 1)
      await house.later(.seconds(30))
      #expect(house.alpha.visits.count == 3)
      #expect(try await house.isEmpty())
    }
  }

  @Test("what was released before the store refused the rest is served at once")
  func releasedInPart() throws {
    let house = try QueueHarness(isStepped: true) { $0.surveyInterval = .seconds(3_600) }
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    // Before and behind the page, and of the first message the reading and the record.
    let steps = SteppedStore.Steps(at: 6) { house.store.setFull(true) }
    house.run { house in
      for number in 1...2 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      #expect(try await house.runner.hold(Self.all, by: "root") == 2)
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      await #expect(throws: StoreFault.spaceLow) {
        try await SteppedStore.$steps.withValue(steps) { try await house.runner.release(Self.all, by: "root") }
      }
      house.store.setFull(false)
      await house.later(.seconds(1))
      #expect(house.alpha.visits.count == 3)
      let counts = try await house.store.counts()
      #expect(counts.messages == 1 && counts.recipientsHeld == 1)
    }
  }
}
