import DequeModule
import NIOCore
import Relay
import Synchronization

/// A place among those that fetch.
struct FetchPlace: Sendable {
  enum End { case othersWait, over }
  let number: Int
  /// Comes at the latest when the place is given back.
  fileprivate let ending: EventLoopPromise<End>

  /// - Parameter stop: called once where the place has to be given up to another, and not behind its end.
  func whenOthersWait(_ stop: @escaping @Sendable () -> Void) {
    ending.futureResult.whenSuccess { end in
      switch end {
      case .othersWait: stop()
      case .over: break
      }
    }
  }
}

/// So many fetches at a time. The others wait in the order they came, those that mail waits for before those that only
/// look after a policy; and whoever has had a place for a while gives it up to who waits, so that a few hosts that say
/// nothing don't keep all others from being heard.
final class FetchPlaces: Sendable {
  /// More than these are turned away at once.
  static let maximumWaiting = 1_000
  static let othersWait = "the policy host takes its time while others wait to be fetched from"

  private struct Waiting {
    let number: Int
    let turn: EventLoopPromise<Bool>
  }
  private struct State {
    var free: Int
    /// First those for mail.
    var mail: Deque<Waiting> = []
    var upkeep: Deque<Waiting> = []
    var taken: [Int: FetchPlace] = [:]
    /// Those that have had their place for longer than is theirs while others wait, the longest first.
    var overdue: Deque<Int> = []
    /// Asked to go, and still there.
    var leaving: Set<Int> = []
    var lastNumber = 0

    var waiting: Int { mail.count + upkeep.count }

    mutating func nextWaiting() -> Waiting? { mail.popFirst() ?? upkeep.popFirst() }

    mutating func remove(_ number: Int) -> Waiting? {
      if let index = mail.firstIndex(where: { $0.number == number }) { return mail.remove(at: index) }
      return upkeep.firstIndex { $0.number == number }.map { upkeep.remove(at: $0) }
    }

    /// One goes for each who waits.
    mutating func nextToGo() -> FetchPlace? {
      guard waiting > leaving.count, let number = overdue.popFirst() else { return nil }
      leaving.insert(number)
      return taken[number]
    }
  }
  private let state: Mutex<State>
  private let timeBesideOthers: TimeAmount

  init(_ count: Int, timeBesideOthers: Duration) {
    state = Mutex(State(free: count))
    self.timeBesideOthers = TimeAmount(timeBesideOthers)
  }

  var waiting: Int { state.withLock { $0.waiting } }

  /// Nil where no place came free in time, or the task was cancelled; else it is to be given back.
  func take(for need: PolicyNeed, until deadline: NIODeadline, on loop: any EventLoop) async -> FetchPlace? {
    let turn = loop.makePromise(of: Bool.self)
    let (number, leaver) = state.withLock { state -> (Int?, FetchPlace?) in
      state.lastNumber += 1
      guard state.free <= 0 else {
        state.free -= 1
        turn.succeed(true)
        return (nil, nil)
      }
      guard state.waiting < FetchPlaces.maximumWaiting else {
        turn.succeed(false)
        return (nil, nil)
      }
      let waiting = Waiting(number: state.lastNumber, turn: turn)
      switch need {
      case .mail: state.mail.append(waiting)
      case .upkeep: state.upkeep.append(waiting)
      }
      return (state.lastNumber, state.nextToGo())
    }
    leaver?.ending.succeed(.othersWait)
    let alarm = number.map { number in loop.scheduleTask(deadline: deadline) { self.giveUp(number) } }
    defer { alarm?.cancel() }
    let hasPlace = await withTaskCancellationHandler {
      (try? await turn.futureResult.get()) ?? false
    } onCancel: {
      if let number { giveUp(number) }
    }
    return hasPlace ? place(on: loop) : nil
  }

  private func place(on loop: any EventLoop) -> FetchPlace {
    let ending = loop.makePromise(of: FetchPlace.End.self)
    let place = state.withLock { state in
      state.lastNumber += 1
      let place = FetchPlace(number: state.lastNumber, ending: ending)
      state.taken[place.number] = place
      return place
    }
    let alarm = loop.scheduleTask(in: timeBesideOthers) { self.noteOverdue(place.number) }
    ending.futureResult.whenComplete { _ in alarm.cancel() }
    return place
  }

  /// False where it has to be given up to another.
  func mayStay(_ place: FetchPlace) -> Bool { state.withLock { !$0.leaving.contains(place.number) } }

  func giveBack(_ place: FetchPlace) {
    let next = state.withLock { state -> Waiting? in
      state.taken[place.number] = nil
      state.leaving.remove(place.number)
      state.overdue.removeAll { $0 == place.number }
      let next = state.nextWaiting()
      if next == nil { state.free += 1 }
      return next
    }
    place.ending.succeed(.over)
    next?.turn.succeed(true)
  }

  private func noteOverdue(_ number: Int) {
    let leaver = state.withLock { state -> FetchPlace? in
      guard state.taken[number] != nil else { return nil }
      state.overdue.append(number)
      return state.nextToGo()
    }
    leaver?.ending.succeed(.othersWait)
  }

  private func giveUp(_ number: Int) {
    let waiting = state.withLock { $0.remove(number) }
    waiting?.turn.succeed(false)
  }
}
