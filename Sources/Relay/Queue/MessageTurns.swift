import DequeModule
import MailQueue
import Synchronization

/// One at a time for each message: what reads a message and then changes it does both in one turn, so that nothing else
/// changes it in between. Turns of one message come in the order they were asked for.
final class MessageTurns: Sendable {
  /// Who waits, by message, where somebody has the turn.
  private let waiting = Mutex<[QueueID: Deque<CheckedContinuation<Void, Never>>]>([:])

  /// Returns when the turn is the caller's. Each is short, a reading and a transaction, so cancellation doesn't end it.
  func take(_ id: QueueID) async {
    await withCheckedContinuation { continuation in
      let isFree = waiting.withLock { waiting in
        guard waiting[id] != nil else {
          waiting[id] = []
          return true
        }
        waiting[id]?.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  func giveBack(_ id: QueueID) {
    let next = waiting.withLock { waiting in
      let next = waiting[id]?.popFirst()
      if next == nil { waiting[id] = nil }
      return next
    }
    next?.resume()
  }
}
