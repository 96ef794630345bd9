package import NIOPosix

/// Runs blocking work on a pool's thread. Also when the pool has been shut down: the work then sees a stopped store.
package func onThread<Answer: Sendable>(
  of pool: NIOThreadPool, _ work: @escaping @Sendable () -> Answer
) async -> Answer {
  await withCheckedContinuation { continuation in
    pool.submit { _ in continuation.resume(returning: work()) }
  }
}
