import DequeModule
import MailSyntax
import Synchronization

/// One at a time for each thing of a kind, a message or a domain's policy: what reads it and then changes it does both in
/// one turn, so that nothing else changes it in between. Turns of one thing come in the order they were asked for.
final class Turns<Key: Hashable & Sendable>: Sendable {
  /// Who waits, by key, where somebody has the turn.
  private let waiting = Mutex<[Key: Deque<Waiter>]>([:])

  /// Returns when the turn is the caller's. Each is bounded and ends early when its own task is cancelled, so cancellation
  /// doesn't end the wait.
  func take(_ id: Key) async {
    guard let waiter = takeOrWait(id) else { return }
    _ = await waiter.answer()
  }

  /// The same for who can do without.
  ///
  /// - Returns: false where the turn didn't come in time, or the task was cancelled meanwhile: it isn't the caller's then.
  func take(_ id: Key, within time: Duration, of clock: any MailClock) async -> Bool {
    guard let waiter = takeOrWait(id) else { return true }
    let deadline = clock.uptime + time
    return await withTaskGroup(of: Void.self) { group in
      group.addTask {
        await clock.sleep(until: deadline)
        if waiter.decide(false) { self.forget(waiter, of: id) }
      }
      defer { group.cancelAll() }
      return await waiter.answer()
    }
  }

  func giveBack(_ id: Key) {
    while let next = next(id) {
      // One that gave up in this moment takes no turn.
      if next.decide(true) { return }
    }
  }

  /// Nil where the turn was free, and is the caller's now.
  private func takeOrWait(_ id: Key) -> Waiter? {
    waiting.withLock { waiting in
      guard waiting[id] != nil else {
        waiting[id] = []
        return nil
      }
      let waiter = Waiter()
      waiting[id]?.append(waiter)
      return waiter
    }
  }

  private func next(_ id: Key) -> Waiter? {
    waiting.withLock { waiting in
      let next = waiting[id]?.popFirst()
      if next == nil { waiting[id] = nil }
      return next
    }
  }

  private func forget(_ waiter: Waiter, of id: Key) {
    waiting.withLock { $0[id]?.removeAll { $0 === waiter } }
  }
}

/// One who waits for a turn. The first decision counts, whether it comes before the wait begins or behind that.
private final class Waiter: Sendable {
  private enum State {
    case undecided(CheckedContinuation<Bool, Never>?)
    case decided(Bool)
  }
  private let state = Mutex(State.undecided(nil))

  func answer() async -> Bool {
    await withCheckedContinuation { continuation in
      let decision = state.withLock { state -> Bool? in
        switch state {
        case .undecided:
          state = .undecided(continuation)
          return nil
        case .decided(let decision): return decision
        }
      }
      if let decision { continuation.resume(returning: decision) }
    }
  }

  /// - Returns: false where it is decided already.
  func decide(_ decision: Bool) -> Bool {
    let (isFirst, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Bool, Never>?) in
      switch state {
      case .undecided(let continuation):
        state = .decided(decision)
        return (true, continuation)
      case .decided: return (false, nil)
      }
    }
    continuation?.resume(returning: decision)
    return isFirst
  }
}
