internal import Synchronization

/// A value that is given once and awaited once, by tasks and threads that know nothing else of each other. The first
/// value counts.
package final class OneShot<Value: Sendable>: Sendable {
  private enum State {
    case empty
    case awaited(CheckedContinuation<Value, Never>)
    case full(Value)
  }
  private let state = Mutex(State.empty)

  package init() {}

  package func fulfil(_ value: Value) {
    let waiting = state.withLock { state -> CheckedContinuation<Value, Never>? in
      switch state {
      case .empty:
        state = .full(value)
        return nil
      case .awaited(let continuation):
        state = .full(value)
        return continuation
      case .full: return nil
      }
    }
    waiting?.resume(returning: value)
  }

  /// Called by one task.
  package func value() async -> Value {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state -> Value? in
        guard case .full(let value) = state else {
          state = .awaited(continuation)
          return nil
        }
        return value
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }
}
