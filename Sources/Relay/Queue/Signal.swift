import MailSyntax
import Synchronization

/// Wakes one waiting task. Raising it never blocks and may be done from anywhere; raising it many times before the
/// task looks wakes it once.
final class Signal: Sendable {
  private enum State {
    case idle, raised
    case waiting(CheckedContinuation<Void, Never>)
  }
  private let state = Mutex(State.idle)

  func raise() {
    let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
      switch state {
      case .idle, .raised:
        state = .raised
        return nil
      case .waiting(let continuation):
        state = .idle
        return continuation
      }
    }
    waiting?.resume()
  }

  /// Returns when the signal is or becomes raised, or when the task is cancelled. One task waits at a time.
  func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isRaised = state.withLock { state in
          switch state {
          case .raised:
            state = .idle
            return true
          case .idle:
            state = .waiting(continuation)
            return false
          case .waiting:
            invariant(false, "two tasks wait for one signal")
            return true
          }
        }
        // The handler may have run before the continuation stood there.
        if isRaised || Task.isCancelled { isRaised ? continuation.resume() : raise() }
      }
    } onCancel: {
      raise()
    }
  }
}
