import Dispatch
import Foundation
import QueueStorage
import Synchronization

/// Stops a copying where it opens its first file in a folder, until it is let through. Whoever forgets to is caught:
/// the wait ends by itself, and `isOverdue` says so.
final class CopyGate: Sendable {
  private struct State {
    var isReached = false
    var isOverdue = false
  }
  private let state = Mutex(State())
  private let semaphore = DispatchSemaphore(value: 0)

  init(_ files: WatchedFileSystem, folder: String) {
    files.watchOpening { [self] path, _ throws(SystemFault) in
      guard path.hasPrefix(folder) else { return }
      let isFirst = state.withLock { state in
        defer { state.isReached = true }
        return !state.isReached
      }
      guard isFirst, semaphore.wait(timeout: .now() + 120) == .timedOut else { return }
      state.withLock { $0.isOverdue = true }
    }
  }

  var isOverdue: Bool { state.withLock { $0.isOverdue } }
  func reached() async { while !state.withLock({ $0.isReached }) { await Task.yield() } }
  func letThrough() { semaphore.signal() }
}
