import NIOCore
import NIOPosix
import Relay
import Synchronization
import Testing

@testable import PolicyTransport

@Suite("Places for fetches", .timeLimit(.minutes(5)))
struct FetchPlacesTests {
  private let loop = Ground.shared.group.next()
  private static let days = Duration.seconds(1_000_000)

  private func place(
    _ places: FetchPlaces, for need: PolicyNeed = .mail, until deadline: NIODeadline = .distantFuture
  ) async throws -> FetchPlace {
    try #require(await places.take(for: need, until: deadline, on: loop))
  }

  @Test("so many have a place, the next waits until its time is over, and one that is given back is had again")
  func bounded() async throws {
    let places = FetchPlaces(2, timeBesideOthers: Self.days)
    var taken = [try await place(places), try await place(places)]
    #expect(await places.take(for: .mail, until: .now(), on: loop) == nil, "there is no third")
    places.giveBack(taken.removeLast())
    taken.append(try await place(places))
    #expect(
      await places.take(for: .mail, until: .now(), on: loop) == nil, "whoever gave up waiting left nothing behind")
    for place in taken { places.giveBack(place) }
  }

  @Test("who is cancelled while waiting gets no place, and takes none from the next")
  func cancelled() async throws {
    let places = FetchPlaces(1, timeBesideOthers: Self.days)
    let first = try await place(places)
    await withTaskGroup(of: Bool.self) { group in
      group.addTask { [loop] in await places.take(for: .mail, until: .distantFuture, on: loop) != nil }
      group.cancelAll()
      for await hasPlace in group { #expect(!hasPlace) }
    }
    places.giveBack(first)
    places.giveBack(try await place(places, until: .now()))
  }

  @Test("mail that waits comes before what is only looked after, however late it came")
  func mailFirst() async throws {
    let places = FetchPlaces(1, timeBesideOthers: Self.days)
    let first = try await place(places)
    let order = Kept<PolicyNeed>()
    await withTaskGroup(of: Void.self) { group in
      for (count, need) in [PolicyNeed.upkeep, .upkeep, .mail].enumerated() {
        group.addTask { [loop] in
          guard let place = await places.take(for: need, until: .distantFuture, on: loop) else { return }
          order.append(need)
          places.giveBack(place)
        }
        while places.waiting < count + 1 { await Task.yield() }
      }
      places.giveBack(first)
    }
    #expect(order.all == [.mail, .upkeep, .upkeep])
  }

  @Test("where as many wait as may, the next is turned away at once")
  func waitingIsBounded() async throws {
    let places = FetchPlaces(1, timeBesideOthers: Self.days)
    let first = try await place(places)
    let answers = Kept<Bool>()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<FetchPlaces.maximumWaiting {
        group.addTask { [loop] in _ = await places.take(for: .mail, until: .distantFuture, on: loop) }
      }
      while places.waiting < FetchPlaces.maximumWaiting { await Task.yield() }
      group.addTask { [loop] in
        answers.append(await places.take(for: .mail, until: .distantFuture, on: loop) != nil)
      }
      while answers.all.isEmpty, places.waiting <= FetchPlaces.maximumWaiting { await Task.yield() }
      #expect(answers.all == [false] && places.waiting == FetchPlaces.maximumWaiting)
      group.cancelAll()
    }
    places.giveBack(first)
  }

  @Test("who has had a place for its time keeps it while nobody waits, and gives it up to the next who does")
  func overdue() async throws {
    let places = FetchPlaces(2, timeBesideOthers: .zero)
    let old = [try await place(places), try await place(places)]
    // Behind the alarms of both, which are due.
    try await loop.scheduleTask(in: .milliseconds(1)) {}.futureResult.get()
    #expect(old.allSatisfy(places.mayStay))
    let stopped = Kept<Int>()
    for place in old {
      place.whenOthersWait {
        stopped.append(place.number)
        places.giveBack(place)
      }
    }
    let next = try await place(places, until: .now() + .seconds(30))
    #expect(stopped.all == [old[0].number], "one goes for each who waits, the one that was longest there")
    places.giveBack(next)
    places.giveBack(old[1])
  }
}

/// What several tasks have seen, in its order.
private final class Kept<Element: Sendable>: Sendable {
  private let elements = Mutex<[Element]>([])
  var all: [Element] { elements.withLock { $0 } }
  func append(_ element: Element) { elements.withLock { $0.append(element) } }
}
