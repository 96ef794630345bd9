import MailQueue
import MailSyntax
import OrderedCollections
import Testing

@testable import Relay

/// The window with thousands of destinations: what it holds in memory is bounded, and none is passed over.
@Suite("DueWindow with many destinations")
struct DestinationWindowTests {
  static let zero = Uptime(nanoseconds: 0)
  static func destination(_ number: Int) -> RouteKey { RouteKey(rawValue: "mx/d\(number).example") }
  static func lane(_ number: Int) -> Lane { Lane(route: destination(number), account: "") }

  private func window(
    concurrency: Int = 20, _ change: (inout QueueRunner.Options) -> Void = { _ in }
  ) throws -> DueWindow {
    let route = Route(deliverer: SilentDeliverer(), maximumConcurrency: concurrency)
    return DueWindow(
      options: try Fixture.options {
        $0.surveyInterval = .seconds(100_000)
        change(&$0)
      }, routes: RouteTable([Fixture.alpha: route], exchangers: route), uptime: Self.zero)
  }

  private func message(_ number: Int, to destination: Int, _ priority: PriorityClass = .normal) throws -> QueuedMessage
  {
    Fixture.queued(
      try Fixture.message(
        number, to: [("x@there.example", Self.destination(destination))], account: nil, priority: priority))
  }

  /// What begins now, without the store's part.
  private func begin(_ window: inout DueWindow, at uptime: Uptime = zero) -> [(errand: Errand, generation: Int)] {
    var begun: [(Errand, Int)] = []
    while let work = window.next(now: Fixture.start, uptime: uptime) {
      switch work {
      case .survey(_, let limit): window.surveyed([], limit: limit, now: Fixture.start, uptime: uptime)
      case .refill(let lane, let limit):
        window.refilled(lane, with: DueMail(ids: [], nextDue: nil), limit: limit, now: Fixture.start)
      case .attempt(let errand, _, let generation): begun.append((errand, generation))
      }
    }
    return begun
  }

  private func finish(
    _ window: inout DueWindow, _ begun: [(errand: Errand, generation: Int)], _ verdict: DueWindow.Verdict,
    at uptime: Uptime = zero
  ) {
    for (errand, generation) in begun {
      window.finished(
        errand, verdict: verdict, generation: generation, nextDue: nil, now: Fixture.start, uptime: uptime)
    }
  }

  @Test("a route begins with one delivery, gets one more with each answer, and half with a failure")
  func pace() throws {
    var window = try window(concurrency: 6) { $0.initialRest = .seconds(5) }
    for number in 1...60 { window.accepted(try message(number, to: 1), at: Fixture.start) }
    var widths: [Int] = []
    var begun = begin(&window)
    for _ in 0..<5 {
      widths.append(begun.count)
      finish(&window, begun, .answered)
      begun = begin(&window)
    }
    #expect(widths == [1, 2, 4, 6, 6])
    finish(&window, begun, .failed)
    #expect(begin(&window).isEmpty)
    let probe = begin(&window, at: Self.zero + .seconds(5))
    #expect(probe.count == 1)
    finish(&window, probe, .answered, at: Self.zero + .seconds(5))
    // Half of six, and one for the answer.
    #expect(begin(&window, at: Self.zero + .seconds(5)).count == 4)
  }

  @Test("an operator's limit for a destination holds for it alone")
  func ownLimit() throws {
    let route = Route(deliverer: SilentDeliverer(), maximumConcurrency: 5)
    var limit = TrafficLimit()
    limit.rules.set(TrafficLimit.Rule(atOnce: 2), for: try #require(Self.destination(1).destination?.name))
    var window = DueWindow(
      options: try Fixture.options { $0.initialConcurrency = 5 },
      routes: RouteTable([:], exchangers: route, perDomain: limit), uptime: Self.zero)
    for number in 1...12 { window.accepted(try message(number, to: number % 2), at: Fixture.start) }
    let routes = begin(&window).map(\.errand.lane.route)
    #expect(routes.count { $0 == Self.destination(0) } == 5 && routes.count { $0 == Self.destination(1) } == 2)
  }

  @Test("a busy next hop is asked again after its time: no failure, no rest, its first message still the first")
  func busy() throws {
    var window = try window()
    for number in 1...2 { window.accepted(try message(number, to: 1), at: Fixture.start) }
    let begun = begin(&window)
    #expect(begun.map(\.errand.id) == [Fixture.id(1)])
    finish(&window, begun, .busy(.milliseconds(700), .normal))
    #expect(begin(&window, at: Self.zero + .milliseconds(699)).isEmpty)
    #expect(window.nextWake(now: Fixture.start, uptime: Self.zero) == Self.zero + .milliseconds(700))
    #expect(window.isOpen(Self.destination(1), generation: 0))
    // Another destination goes on meanwhile.
    window.accepted(try message(3, to: 2), at: Fixture.start)
    #expect(begin(&window).map(\.errand.id) == [Fixture.id(3)])
    let again = begin(&window, at: Self.zero + .milliseconds(700))
    #expect(again.map(\.errand.id) == [Fixture.id(1)])
    finish(&window, again, .busy(.zero, .normal), at: Self.zero + .milliseconds(700))
    #expect(begin(&window, at: Self.zero + .milliseconds(709)).isEmpty)
  }

  @Test("destinations that never answer leave a quarter of the deliveries to those that do")
  func trials() throws {
    var window = try window { $0.maximumConcurrency = 8 }
    window.accepted(try message(1, to: 0), at: Fixture.start)
    finish(&window, begin(&window), .answered)
    for number in 1...100 { window.accepted(try message(1_000 + number, to: number), at: Fixture.start) }
    #expect(begin(&window).count == 6)
    for number in 2...4 {
      window.accepted(try message(number, to: 0), at: Fixture.start)
      let begun = begin(&window)
      #expect(begun.map(\.errand.id) == [Fixture.id(number)])
      finish(&window, begun, .answered)
    }
    #expect(window.trialsInFlight == 6 && window.inFlight == 6)
    // A named route is an operator's own: it is not on trial.
    window.accepted(Fixture.queued(try Fixture.message(5)), at: Fixture.start)
    #expect(begin(&window).map(\.errand.id) == [Fixture.id(5)])
  }

  @Test("urgent mail to a destination on trial doesn't wait behind all the others, and takes no more than its share")
  func urgentTrials() throws {
    var window = try window { $0.maximumConcurrency = 8 }
    for number in 1...100 { window.accepted(try message(1_000 + number, to: number), at: Fixture.start) }
    #expect(begin(&window).count == 6)
    // To one that waits its turn already, and to one that nobody has written to before.
    window.accepted(try message(1, to: 50, .interactive), at: Fixture.start)
    window.accepted(try message(2, to: 200, .interactive), at: Fixture.start)
    let first = begin(&window)
    #expect(first.map(\.errand.id) == [Fixture.id(1)] && window.trialsInFlight == 7)
    finish(&window, first, .failed)
    let second = begin(&window)
    #expect(second.map(\.errand.id) == [Fixture.id(2)] && window.trialsInFlight == 7)
    finish(&window, second, .failed)
    #expect(begin(&window).isEmpty && window.trialsInFlight == 6)
  }

  @Test("what is known of lanes, messages and routes stays within its bounds, whatever is accepted")
  func bounds() throws {
    var window = try window {
      $0.maximumLanes = 50
      $0.maximumErrands = 120
      $0.maximumHeldMessages = 30
      $0.maximumConcurrency = 20
      $0.maximumRest = .seconds(1)
    }
    var uptime = Self.zero
    for number in 0..<3_000 {
      window.accepted(
        try message(number, to: number % 700, number % 11 == 0 ? .interactive : .normal), at: Fixture.start)
      window.mailWillBeDue(at: Fixture.start + .seconds(Int64(10_000 - number)), in: Self.lane(number))
      if number % 40 == 39 {
        let begun = begin(&window, at: uptime)
        for (place, one) in begun.enumerated() {
          finish(&window, [one], place % 3 == 0 ? .failed : .answered, at: uptime)
        }
      }
      uptime = uptime + .milliseconds(10)
      try #require(window.lanes.count <= 50 && window.dues.count <= 50 && window.pauses.count <= 100)
      try #require(window.standings.count <= 120 && window.heldMessages <= 30)
      try #require(window.routeStates.count <= 100 && window.ring.count == window.routeStates.count)
      try #require(
        window.lanesAtRest <= 25 && window.ready.count + window.trials.count + window.urgentTrials.count <= 100)
    }
    // The earliest moments are the ones that are kept.
    #expect(window.dues.earliest == Fixture.start + .seconds(7_001))
    #expect(window.dues[Self.lane(0)] == nil)
  }

  @Test("destinations at rest leave half of the places to those that are not")
  func placesAtRest() throws {
    var window = try window {
      $0.maximumLanes = 10
      $0.maximumConcurrency = 100
    }
    for number in 0..<10 {
      for copy in 0..<2 { window.accepted(try message(10 * number + copy, to: number), at: Fixture.start) }
    }
    let begun = begin(&window)
    #expect(begun.count == 10)
    finish(&window, begun, .failed)
    #expect(window.lanes.count == 5 && window.lanesAtRest == 5)
    for number in 20..<40 { window.accepted(try message(1_000 + number, to: number), at: Fixture.start) }
    #expect(begin(&window).count == 5)
    // More mail for those that were let go finds no place, and takes none.
    window.accepted(try message(2_000, to: 9), at: Fixture.start)
    #expect(window.lanes[Self.lane(9)] == nil)
  }

  @Test("a survey goes on where it found no room, and passes no lane over")
  func survey() throws {
    var window = try window {
      $0.maximumLanes = 8
      $0.surveyPage = 5
      $0.surveyInterval = .seconds(60)
    }
    // The store's part: lanes in order, each with one message due.
    var due = OrderedDictionary(uniqueKeysWithValues: (0..<100).map { (Self.lane(1_000 + $0), Fixture.id($0)) })
    var served: [Lane] = []
    var steps = 0
    while !due.isEmpty, steps < 10_000 {
      steps += 1
      switch window.next(now: Fixture.start, uptime: Self.zero) {
      case .survey(let after, let limit)?:
        let page = due.keys.sorted().filter { lane in after.map { $0 < lane } ?? true }.prefix(limit)
        window.surveyed(
          page.map { LaneSummary(lane: $0, earliestDue: Fixture.start) }, limit: limit, now: Fixture.start,
          uptime: Self.zero)
      case .refill(let lane, let limit)?:
        window.refilled(
          lane, with: DueMail(ids: due[lane].map { [$0] } ?? [], nextDue: nil), limit: limit, now: Fixture.start)
      case .attempt(let errand, _, let generation)?:
        due[errand.lane] = nil
        served.append(errand.lane)
        finish(&window, [(errand, generation)], .answered)
      case nil: steps = 10_000
      }
      try #require(window.lanes.count <= 8)
    }
    #expect(served.count == 100 && Set(served).count == 100)
    #expect(window.standings.isEmpty && window.lanes.isEmpty)
  }

  @Test("a survey that was short of room and then fails is not asked for over and over")
  func failedSurvey() throws {
    var window = try window {
      $0.maximumLanes = 1
      $0.surveyPage = 2
    }
    guard case .survey(_, let limit)? = window.next(now: Fixture.start, uptime: Self.zero) else {
      Issue.record("no survey at the start")
      return
    }
    let page = [1, 2].map { LaneSummary(lane: Self.lane($0), earliestDue: Fixture.start) }
    window.surveyed(page, limit: limit, now: Fixture.start, uptime: Self.zero)
    // The lane that found a place is done with, so there is room for the other.
    guard case .refill(let lane, let wanted)? = window.next(now: Fixture.start, uptime: Self.zero) else {
      Issue.record("the lane isn't asked for")
      return
    }
    window.refilled(lane, with: DueMail(ids: [], nextDue: nil), limit: wanted, now: Fixture.start)
    #expect(
      window.next(now: Fixture.start, uptime: Self.zero) == .survey(after: Self.lane(1), limit: limit))
    window.surveyFailed(uptime: Self.zero)
    #expect(window.next(now: Fixture.start, uptime: Self.zero + .seconds(4)) == nil)
    #expect(
      window.next(now: Fixture.start, uptime: Self.zero + .seconds(5))
        == .survey(after: Self.lane(1), limit: limit))
  }

  @Test("a survey that takes long comes seldom: the store is read for it a tenth of the time")
  func surveyShare() throws {
    var window = try window { $0.surveyInterval = .seconds(60) }
    guard case .survey(_, let limit)? = window.next(now: Fixture.start, uptime: Self.zero) else {
      Issue.record("no survey at the start")
      return
    }
    window.surveyed([], limit: limit, now: Fixture.start, uptime: Self.zero + .seconds(20))
    #expect(window.nextWake(now: Fixture.start, uptime: Self.zero + .seconds(20)) == Self.zero + .seconds(200))
  }

  @Test("a lane that couldn't be read is asked for again in seconds, and so are the lanes")
  func readAgain() throws {
    var window = try window()
    guard case .survey? = window.next(now: Fixture.start, uptime: Self.zero) else {
      Issue.record("no survey at the start")
      return
    }
    window.surveyFailed(uptime: Self.zero)
    #expect(window.nextWake(now: Fixture.start, uptime: Self.zero) == Self.zero + .seconds(5))
    window.markDirty(Self.lane(1))
    #expect(window.next(now: Fixture.start, uptime: Self.zero) == .refill(Self.lane(1), limit: 10))
    window.refillFailed(Self.lane(1), now: Fixture.start)
    #expect(window.dues[Self.lane(1)] == Fixture.start + .seconds(5))
  }

  @Test("mail for exchangers that goes by a smarthost now is counted as the smarthost's")
  func counted() throws {
    var window = try window { $0.initialConcurrency = 3 }
    for number in 1...6 { window.accepted(try message(number, to: number), at: Fixture.start) }
    let before = begin(&window)
    #expect(before.count == 6)
    let smarthost = Route(deliverer: SilentDeliverer(), maximumConcurrency: 8)
    window.replace(routes: RouteTable([.outbound: smarthost]), options: window.options)
    #expect(window.routeStates[.outbound]?.inFlight == 6)
    for number in 7...12 { window.accepted(try message(number, to: number), at: Fixture.start) }
    #expect(begin(&window).isEmpty)
    // What came of deliveries on the old routes says nothing of the new one.
    finish(&window, before, .failed)
    #expect(window.routeStates[.outbound]?.inFlight == 0)
    #expect(begin(&window).count == 3)
  }
}
