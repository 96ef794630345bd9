import MailQueue
import MailSyntax
import QueueModel
import Relay
import SMTPSessions
import Simulation
import Synchronization
import Testing

/// An operator's word while a delivery is in flight, which ends at each await of the word in turn. The message has
/// another recipient that waits, so that it is still in the queue when the one in flight has left it.
@Suite("Operators and deliveries in flight")
struct OperatorRaceTests {
  enum Word: String, CaseIterable, Sendable {
    case hold, release, retryNow, delete, bounce

    func speak(to runner: QueueRunner) async throws -> Int {
      let filter = OperatorRaceTests.first
      return switch self {
      case .hold: try await runner.hold(filter, by: "root")
      case .release: try await runner.release(filter, by: "root")
      case .retryNow: try await runner.retryNow(filter, by: "root")
      case .delete: try await runner.delete(filter, by: "root")
      case .bounce: try await runner.bounce(filter, by: "root")
      }
    }
  }

  enum Ending: String, CaseIterable, Sendable {
    case arrives, waits, fails
    var result: RecipientResult {
      switch self {
      case .arrives: .delivered("250 2.0.0 taken")
      case .waits: .refused(.rcpt, 450)
      case .fails: .refused(.rcpt, 550)
      }
    }
  }

  /// The message itself, and no report of it.
  static let first = OperatorTests.filter { $0.id = Fixture.id(1) }
  static let flying = "flying@there.example"
  static let waiting = "waiting@other.example"

  /// Whether the delivery may end.
  final class Leave: Sendable {
    private let given = Mutex(false)
    var isGiven: Bool { given.withLock { $0 } }
    func give() { given.withLock { $0 = true } }
  }

  /// Plays one combination, and says whether the word had such a step.
  private func play(_ word: Word, _ ending: Ending, step: Int, withAnother: Bool) throws -> Bool {
    let house = try QueueHarness(isStepped: true)
    let (leave, reports) = (Leave(), TextBox())
    house.alpha.follow { [clock = house.clock] job in
      while !leave.isGiven { await clock.sleep(for: .milliseconds(10)) }
      return ScriptedDeliverer.answer(job, ending.result)
    }
    house.beta.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    house.local.follow { job in
      await reports.read(job)
      return ScriptedDeliverer.accept(job)
    }
    let steps = SteppedStore.Steps(at: step) {
      leave.give()
      // As far as it can: where the word has the message in hand, the outcome waits for it.
      await house.later(.seconds(5))
    }
    let label = Comment(rawValue: "\(word) × \(ending), step \(step), \(withAnother ? "two recipients" : "one")")
    house.run { house in
      let another = withAnother ? [(Self.waiting, Fixture.beta)] : []
      try await house.submit(try Fixture.message(1, to: [(Self.flying, Fixture.alpha)] + another))
      await house.later(.seconds(1))
      if word == .release { _ = try await house.runner.hold(QueueFilter(), by: "before") }
      let changed = try await SteppedStore.$steps.withValue(steps) { try await word.speak(to: house.runner) }
      leave.give()
      await house.later(.seconds(60))
      let kinds: [MailEvent.Kind] = [.held, .released, .rescheduled, .removed, .failed]
      let audit = house.events.events.filter { kinds.contains($0.kind) && $0["by"] == .text("root") }
      #expect(audit.count == changed, label)
      let queued = try await house.store.message(Fixture.id(1))
      check(house, queued, word, ending, label)
    }
    let isTold = reports.text.contains("Final-Recipient: rfc822; \(Self.flying)")
    let hasFailed = house.events.events.contains { $0.kind == .failed && $0["recipient"] == .text(Self.flying) }
    #expect(isTold == hasFailed, label)
    return steps.happened
  }

  private func check(
    _ house: QueueHarness, _ queued: QueuedMessage?, _ word: Word, _ ending: Ending, _ label: Comment
  ) {
    let story = house.events.events.filter { $0["recipient"] == .text(Self.flying) }
    let ends = story.filter { [.delivered, .failed, .removed].contains($0.kind) }
    let standing = queued?.recipients.first
    switch ends.map(\.kind) {
    case [.delivered]: #expect(ending == .arrives && ends[0]["though"] == nil, label)
    case [.removed, .delivered]:
      #expect(word == .delete && ending == .arrives && ends[1]["though"] == .text("removed"), label)
    // Behind its end nothing is said of it any more.
    case [.removed]: #expect(word == .delete && ending != .arrives && story.last?.kind == .removed, label)
    case [.failed]: #expect((word == .bounce || ending == .fails) && story.last?.kind == .failed, label)
    case []:
      #expect(ending == .waits, label)
      #expect(standing?.state == (word == .hold ? .held : .queued), label)
    case let other: Issue.record("\(other): \(label)")
    }
    #expect((ending == .arrives) == ends.contains { $0.kind == .delivered }, label)
    if ending == .arrives { #expect(house.alpha.visits.count == 1, label) }
  }

  @Test("what an operator is told is what happened, wherever the delivery ends", arguments: Word.allCases)
  func everyStep(word: Word) throws {
    for withAnother in [true, false] {
      for ending in Ending.allCases {
        var step = 0
        while try play(word, ending, step: step, withAnother: withAnother) { step += 1 }
        // Before and behind the page, the message, and the record where something is left to change.
        #expect(step >= 4)
      }
    }
  }

  @Test("two operators' words about one message come one behind the other")
  func twoOperators() throws {
    for step in 0..<8 {
      let house = try QueueHarness(isStepped: true)
      house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
      house.run { house in
        try await house.submit(try Fixture.message(1))
        await house.later(.seconds(1))
        let isTime = Leave()
        let steps = SteppedStore.Steps(at: step) {
          isTime.give()
          await house.later(.seconds(5))
        }
        async let removed = {
          while !isTime.isGiven { await house.later(.milliseconds(10)) }
          return try await house.runner.delete(Self.first, by: "carl")
        }()
        let bounced = try await SteppedStore.$steps.withValue(steps) {
          try await house.runner.bounce(Self.first, by: "root")
        }
        isTime.give()
        #expect(try await bounced + removed == 1, "step \(step)")
        #expect(house.events.kinds.count { $0 == .failed || $0 == .removed } == 1, "step \(step)")
      }
    }
  }

  /// Alpha refuses the first time, and from then on takes ten seconds for each delivery.
  private func refuseOnce(_ house: QueueHarness, then ending: Ending) {
    house.alpha.follow { [clock = house.clock] job in
      guard job.recipients[0].attempts > 0 else { return ScriptedDeliverer.answer(job, .refused(.rcpt, 450)) }
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.answer(job, ending.result)
    }
  }

  @Test("a removal is seen by the delivery that begins between another operator's word and it", arguments: 0..<6)
  func removalBehindAnotherWord(step: Int) throws {
    for ending in Ending.allCases {
      for slow in 0..<6 {
        let house = try QueueHarness(isStepped: true)
        refuseOnce(house, then: ending)
        let isTime = Leave()
        let removal = OperatorTests.filter { $0.recipient = Self.flying }
        let first = SteppedStore.Steps(at: step) {
          isTime.give()
          await house.later(.seconds(1))
        }
        let second = SteppedStore.Steps(at: slow) { await house.later(.seconds(5)) }
        let label: Comment = "\(ending), steps \(step) and \(slow)"
        house.run { house in
          let recipients = [(Self.flying, Fixture.alpha), (Self.waiting, Fixture.beta)]
          house.beta.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
          try await house.submit(try Fixture.message(1, to: recipients))
          await house.later(.seconds(1))
          async let removed = {
            while !isTime.isGiven { await house.later(.milliseconds(10)) }
            return try await SteppedStore.$steps.withValue(second) {
              try await house.runner.delete(removal, by: "carl")
            }
          }()
          _ = try await SteppedStore.$steps.withValue(first) {
            try await house.runner.retryNow(Self.first, by: "root")
          }
          isTime.give()
          #expect(try await removed == 1, label)
          await house.later(.seconds(60))
          #expect(try await house.store.message(Fixture.id(1))?.recipients.map(\.state) == [.removed, .queued], label)
        }
        checkRemoved(house, Self.flying, visits: house.alpha.visits.count - 1, ending, label)
      }
    }
  }

  @Test("a removal that waits for an outcome is seen by the delivery that follows it")
  func removalBehindAnOutcome() throws {
    let second = "second@there.example"
    for ending in Ending.allCases {
      let house = try QueueHarness(latency: .seconds(1)) { $0.maximumRecipients = 1 }
      house.alpha.follow {
        ScriptedDeliverer.answer($0, $0.recipients[0].number == 0 ? Ending.arrives.result : ending.result)
      }
      house.run { house in
        try await house.submit(
          try Fixture.message(1, to: [(Self.flying, Fixture.alpha), (second, Fixture.alpha)]))
        await house.later(.seconds(1))
        // The first recipient's outcome is on its way to the disk, and the second is due.
        let filter = OperatorTests.filter { $0.recipient = second }
        #expect(try await house.runner.delete(filter, by: "root") == 1)
        await house.later(.seconds(60))
        #expect(try await house.isEmpty())
      }
      #expect(house.alpha.visits.count == 2)
      checkRemoved(house, second, visits: 1, ending, "\(ending)")
    }
  }

  /// It was removed; where a delivery arrived all the same that is told, and a failure isn't.
  private func checkRemoved(
    _ house: QueueHarness, _ recipient: String, visits: Int, _ ending: Ending, _ label: Comment
  ) {
    let ends = house.events.events.filter {
      $0["recipient"] == .text(recipient) && [.delivered, .failed, .removed].contains($0.kind)
    }
    let arrives = visits > 0 && ending == .arrives
    #expect(ends.map(\.kind) == (arrives ? [.removed, .delivered] : [.removed]), label)
    #expect(house.local.visits.isEmpty, label)
  }
}
