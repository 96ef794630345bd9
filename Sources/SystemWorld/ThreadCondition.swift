import Foundation

/// A condition that threads wait on: true is what the caller's own lock says.
final class ThreadCondition: Sendable {
  private let condition = NSCondition()

  func signal() {
    condition.lock()
    condition.broadcast()
    condition.unlock()
  }

  func wait(until isTrue: () -> Bool) {
    condition.lock()
    while !isTrue() { condition.wait() }
    condition.unlock()
  }

  func wait(atMostSeconds seconds: Double, until isTrue: () -> Bool) {
    let end = Date(timeIntervalSinceNow: seconds)
    condition.lock()
    while !isTrue(), condition.wait(until: end) {}
    condition.unlock()
  }
}

func startThread(_ body: @escaping @Sendable () -> Void) {
  let thread = Thread(block: body)
  thread.name = "log"
  thread.start()
}
