import ControlPlane
import NIOCore
import NIOPosix
import SMTPTransport
import SystemWorld

/// What everything else in the house stands on.
struct HouseFoundation {
  /// Threads that compute password hashes: 19 MiB each while they do.
  static let hashingThreads = 2
  /// Threads that write Maildirs, each waiting for its own fsync.
  static let deliveryThreads = 8

  let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
  let loops: TransportLoops
  let hashingPool = NIOThreadPool(numberOfThreads: HouseFoundation.hashingThreads)
  /// Maildirs are written and synced here.
  let deliveryThreads = NIOThreadPool(numberOfThreads: HouseFoundation.deliveryThreads)
  /// Empty where the configuration needs no resolver: then nothing is asked of the DNS.
  let resolvers = ResolverPlace()

  let dialogues = DialogueHub(clock: SystemClock())

  init() {
    loops = TransportLoops(group: group)
    hashingPool.start()
    deliveryThreads.start()
  }

  func shutDown() async {
    loops.shutDown()
    try? await group.shutdownGracefully()
    try? await hashingPool.shutdownGracefully()
    try? await deliveryThreads.shutdownGracefully()
  }
}
