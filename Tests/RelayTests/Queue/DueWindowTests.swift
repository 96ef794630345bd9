import MailQueue
import MailSyntax
import OrderedCollections
import Testing

@testable import Relay

@Suite("DueWindow")
struct DueWindowTests {
  static let zero = Uptime(nanoseconds: 0)
  static func at(_ seconds: Int64) -> Uptime { Uptime(nanoseconds: seconds * 1_000_000_000) }

  /// A window whose first survey is done, and whoever works by it.
  final class Desk {
    var window: DueWindow
    let lane = Fixture.lane(Fixture.alpha)

    init(
      _ routes: OrderedDictionary<RouteKey, Int> = [Fixture.alpha: 20, Fixture.beta: 20],
      _ change: (inout QueueRunner.Options) -> Void = { _ in }
    ) throws {
      let options = try Fixture.options {
        // As after many answers.
        $0.initialConcurrency = 20
        change(&$0)
      }
      window = DueWindow(options: options, routes: Fixture.table(routes), uptime: zero)
      #expect(next() == .survey(after: nil, limit: options.surveyPage))
      window.surveyed([], limit: options.surveyPage, now: Fixture.start, uptime: zero)
    }

    func accept(
      _ numbers: [Int], route: RouteKey = Fixture.alpha, account: String = "anna", priority: PriorityClass = .normal,
      isAnnounced: Bool = true
    ) throws {
      for number in numbers {
        if isAnnounced { window.announce(Fixture.id(number)) }
        window.accepted(
          Fixture.queued(
            try Fixture.message(number, to: [("x@there.example", route)], account: account, priority: priority)),
          at: Fixture.start)
      }
    }

    func next(at uptime: Uptime = zero) -> DueWindow.Work? { window.next(now: Fixture.start, uptime: uptime) }

    /// What is served from now on while nothing finishes: ids of attempts, nil for a look into the store.
    func drain(at uptime: Uptime = zero) -> [QueueID?] {
      var served: [QueueID?] = []
      while let work = next(at: uptime) {
        switch work {
        case .attempt(let errand, _, _): served.append(errand.id)
        case .refill: served.append(nil)
        case .survey: Issue.record("no survey is due")
        }
      }
      return served
    }

    func finish(_ number: Int, _ verdict: DueWindow.Verdict, generation: Int = 0, at uptime: Uptime = zero) {
      window.finished(
        errand(number), verdict: verdict, generation: generation, nextDue: nil, now: Fixture.start, uptime: uptime)
    }

    func errand(_ number: Int) -> Errand { Errand(id: Fixture.id(number), lane: lane) }
    func claim(_ number: Int) -> Bool { window.claim(errand(number)) }
  }

  @Test("accounts of one route are served in turn")
  func lanesInTurn() throws {
    let desk = try Desk()
    try desk.accept([1, 2, 3], account: "anna")
    try desk.accept([4, 5], account: "bob")
    #expect(desk.drain() == [1, 4, 2, 5, 3].map(Fixture.id))
  }

  @Test("routes are served in turn")
  func routesInTurn() throws {
    let desk = try Desk()
    try desk.accept([1, 2, 3], route: Fixture.alpha)
    try desk.accept([4], route: Fixture.beta)
    #expect(desk.drain() == [1, 4, 2, 3].map(Fixture.id))
  }

  @Test("urgent mail of an account goes before its bulk mail")
  func priorities() throws {
    let desk = try Desk()
    try desk.accept([1, 2], priority: .bulk)
    try desk.accept([3], priority: .normal)
    try desk.accept([4], priority: .interactive)
    #expect(desk.drain() == [4, 3, 1, 2].map(Fixture.id))
  }

  @Test("a route takes no more at once than its concurrency")
  func concurrency() throws {
    let desk = try Desk([Fixture.alpha: 2])
    try desk.accept([1, 2, 3])
    #expect(desk.drain() == [1, 2].map(Fixture.id))
    desk.finish(1, .answered, generation: 0, at: Self.zero)
    #expect(desk.drain() == [Fixture.id(3)])
  }

  @Test("memory holds a window of a lane, and the store is asked for the rest")
  func boundedWindow() throws {
    let desk = try Desk { $0.window = 3 }
    try desk.accept(Array(1...10))
    #expect(desk.window.lanes[Fixture.lane(Fixture.alpha)]?.waiting == 3)
    #expect(desk.drain() == [Fixture.id(1), Fixture.id(2), Fixture.id(3), nil])
    // While the answer is out nothing passes by but urgent mail.
    try desk.accept([11])
    try desk.accept([12], priority: .interactive)
    #expect(desk.drain() == [Fixture.id(12)])
    // What is in flight is in the store's answer as well.
    desk.window.refilled(
      Fixture.lane(Fixture.alpha), with: DueMail(ids: (1...6).map(Fixture.id), nextDue: nil), limit: 6,
      now: Fixture.start)
    #expect(desk.drain() == [Fixture.id(4), Fixture.id(5), Fixture.id(6), nil])
  }

  @Test("urgent mail has a window of its own, bounded as well")
  func urgentWindow() throws {
    let desk = try Desk { $0.window = 2 }
    try desk.accept([1, 2, 3], priority: .bulk)
    try desk.accept([4, 5, 6], priority: .interactive)
    #expect(desk.drain() == [Fixture.id(4), Fixture.id(5), Fixture.id(1), Fixture.id(2), nil])
  }

  @Test("whole messages in memory are bounded over all lanes; beyond, the store is read")
  func heldMessages() throws {
    let desk = try Desk { $0.maximumHeldMessages = 1 }
    try desk.accept([1], account: "anna")
    try desk.accept([2], account: "bob")
    #expect(desk.window.heldMessages == 1)
    var held: [Bool] = []
    while case .attempt(_, let message, _)? = desk.next() {
      held.append(message != nil)
    }
    #expect(held == [true, false])
    #expect(desk.window.heldMessages == 0)
  }

  @Test("a message that wasn't announced is read again before it is served")
  func unannounced() throws {
    let desk = try Desk()
    try desk.accept([1], isAnnounced: false)
    guard case .attempt(_, let message, _)? = desk.next() else {
      Issue.record("nothing to do")
      return
    }
    #expect(message == nil)
  }

  @Test("an announced message that the store already shows is left to the fast path")
  func announced() throws {
    let desk = try Desk()
    desk.window.announce(Fixture.id(1))
    desk.window.markDirty(Fixture.lane(Fixture.alpha))
    #expect(desk.drain() == [nil])
    desk.window.refilled(
      Fixture.lane(Fixture.alpha), with: DueMail(ids: [Fixture.id(1)], nextDue: nil), limit: 10, now: Fixture.start)
    #expect(desk.drain().isEmpty)
    desk.window.accepted(Fixture.queued(try Fixture.message(1)), at: Fixture.start)
    #expect(desk.drain() == [Fixture.id(1)])
  }

  @Test("recipients that fall due one after the other each bring the lane back at their moment")
  func dueInTurn() throws {
    let desk = try Desk()
    desk.window.markDirty(desk.lane)
    #expect(desk.drain() == [nil])
    let later = Fixture.start + .seconds(5)
    desk.window.refilled(
      desk.lane, with: DueMail(ids: [Fixture.id(1)], nextDue: later), limit: 10, now: Fixture.start)
    #expect(desk.drain() == [Fixture.id(1)])
    #expect(desk.window.nextWake(now: Fixture.start, uptime: Self.zero) == Self.zero + .seconds(5))
    guard case .refill(desk.lane, _)? = desk.window.next(now: later, uptime: Self.zero + .seconds(5)) else {
      Issue.record("the lane is forgotten until the next survey")
      return
    }
  }

  @Test("a route at rest is left alone; then one delivery probes it, and a success opens it")
  func backOff() throws {
    let desk = try Desk([Fixture.alpha: 5]) { $0.initialRest = .seconds(10) }
    try desk.accept(Array(1...9))
    #expect(desk.drain().count == 5)
    // Five deliveries meet one outage: one step of rest, not five.
    for number in 1...5 {
      desk.finish(number, .failed, generation: 0, at: Self.zero)
    }
    #expect(desk.drain(at: Self.at(9)).isEmpty)
    #expect(desk.window.nextWake(now: Fixture.start, uptime: Self.at(9)) == Self.at(10))
    #expect(desk.drain(at: Self.at(10)) == [Fixture.id(6)])
    // The probe fails: the rest doubles.
    desk.finish(6, .failed, generation: 1, at: Self.at(10))
    #expect(desk.drain(at: Self.at(29)).isEmpty)
    #expect(desk.drain(at: Self.at(30)) == [Fixture.id(7)])
    desk.finish(7, .answered, generation: 2, at: Self.at(30))
    #expect(desk.drain(at: Self.at(30)) == [Fixture.id(8), Fixture.id(9)])
  }

  @Test("mail that is due later wakes its lane then, not before")
  func dueLater() throws {
    let desk = try Desk()
    desk.window.mailWillBeDue(at: Fixture.start + .seconds(30), in: Fixture.lane(Fixture.alpha))
    #expect(desk.window.nextWake(now: Fixture.start, uptime: Self.zero) == Self.at(30))
    let early = desk.window.next(now: Fixture.start + .seconds(29), uptime: Self.at(29))
    #expect(early == nil)
    guard case .refill(let lane, _)? = desk.window.next(now: Fixture.start + .seconds(30), uptime: Self.at(30)) else {
      Issue.record("the lane isn't asked for")
      return
    }
    #expect(lane == Fixture.lane(Fixture.alpha))
  }

  @Test("a survey finds lanes that nobody told of, and forgets those that are gone")
  func survey() throws {
    let desk = try Desk()
    try desk.accept([1])
    #expect(desk.drain() == [Fixture.id(1)])
    desk.finish(1, .answered, generation: 0, at: Self.zero)
    guard case .survey? = desk.next(at: Self.at(60)) else {
      Issue.record("no survey after a minute")
      return
    }
    let other = Fixture.lane(Fixture.beta, "carl")
    desk.window.surveyed(
      [LaneSummary(lane: other, earliestDue: Fixture.start)], limit: 10, now: Fixture.start, uptime: Self.at(60))
    #expect(Array(desk.window.lanes.keys) == [other])
    #expect(desk.drain(at: Self.at(60)) == [nil])
  }

  @Test("what an operator has claimed isn't served, and what is being served can't be claimed")
  func claims() throws {
    let desk = try Desk()
    try desk.accept([1, 2])
    #expect(desk.claim(1))
    #expect(desk.window.heldMessages == 1)
    #expect(desk.drain() == [Fixture.id(2)])
    #expect(!desk.claim(2))
    desk.window.unclaim(desk.errand(1))
    #expect(desk.drain() == [nil])
  }

  @Test("a message that was changed by an operator before its commit was answered is read again")
  func spokenOfWhileAnnounced() throws {
    for isSpokenOf in [false, true] {
      let desk = try Desk()
      desk.window.announce(Fixture.id(1))
      if isSpokenOf {
        #expect(desk.claim(1))
        desk.window.spoken()
        desk.window.unclaim(desk.errand(1))
      }
      // Urgent mail passes by what the store holds back.
      desk.window.accepted(Fixture.queued(try Fixture.message(1, priority: .interactive)), at: Fixture.start)
      #expect(desk.window.heldMessages == (isSpokenOf ? 0 : 1))
    }
  }

  @Test("a store that shows only what is known already isn't asked again at once")
  func staleRefill() throws {
    let desk = try Desk { $0.window = 2 }
    try desk.accept([1, 2, 3])
    #expect(desk.drain() == [Fixture.id(1), Fixture.id(2), nil])
    desk.window.refilled(
      desk.lane, with: DueMail(ids: [1, 2].map(Fixture.id), nextDue: nil), limit: 2, now: Fixture.start)
    #expect(desk.drain().isEmpty)
    #expect(desk.window.nextWake(now: Fixture.start, uptime: Self.zero) == Self.at(1))
  }
}
