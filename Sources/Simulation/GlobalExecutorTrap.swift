import Foundation
import Synchronization

/// Names a thread of the process.
struct ThreadName: Hashable, Sendable {
  private let bits: UInt
  static var current: ThreadName {
    var thread = pthread_self()
    return ThreadName(bits: withUnsafeBytes(of: &thread) { $0.load(as: UInt.self) })
  }
}

/// Stops the process when code inside a simulated world hands a job to the global executor, from where it would come
/// back in an order that no seed decides. Threads outside a world are left alone.
enum GlobalExecutorTrap {
  private static let threads = Mutex<Set<ThreadName>>([])

  static func armed<Result>(_ body: () -> Result) -> Result {
    _ = hook
    let thread = ThreadName.current
    threads.withLock { _ = $0.insert(thread) }
    defer { threads.withLock { _ = $0.remove(thread) } }
    return body()
  }

  /// `swift_task_enqueueGlobal_hook` of the runtime's ABI: called with the job and what would have been done with it.
  private typealias Original = @convention(c) (OpaquePointer) -> Void
  private typealias Hook = @convention(c) (OpaquePointer, Original) -> Void
  private static let hook: Void = {
    let trap: Hook = { job, original in
      guard !GlobalExecutorTrap.threads.withLock({ $0.contains(ThreadName.current) }) else {
        fatalError("a job left the simulated world for the global executor")
      }
      original(job)
    }
    // A static runtime hides the symbol; then the owner check of `World.enqueue` is the only wire.
    guard let symbol = dlsym(nil, "swift_task_enqueueGlobal_hook") else { return }
    symbol.assumingMemoryBound(to: Hook?.self).pointee = trap
  }()
}
