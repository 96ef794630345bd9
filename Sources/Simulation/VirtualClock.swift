public import MailSyntax
import Synchronization

/// The clock of a simulated world. Sleeping costs nothing; the wall clock may be made to jump.
public final class VirtualClock: MailClock {
  private let world: World
  private let jump = Mutex(Duration.zero)
  public init(_ world: World) { self.world = world }

  public var uptime: Uptime { world.uptime }
  public var now: UTCInstant {
    world.start + (world.uptime - Uptime(nanoseconds: 0)) + jump.withLock { $0 }
  }

  /// Moves the wall clock against the uptime, as an operator or a time server does.
  public func jump(by duration: Duration) { jump.withLock { $0 += duration } }

  public func sleep(until deadline: Uptime) async {
    guard deadline > uptime else { return await Task.yield() }
    let sleep = Sleep(world)
    await withTaskCancellationHandler {
      await withCheckedContinuation { sleep.begin($0, until: deadline) }
    } onCancel: {
      sleep.end()
    }
  }

  public func sleep(for duration: Duration) async { await sleep(until: uptime + duration) }

  /// All of it happens on the world's thread.
  private final class Sleep: @unchecked Sendable {
    private let world: World
    private var continuation: CheckedContinuation<Void, Never>?
    private var timer: Int?
    private var hasEnded = false
    init(_ world: World) { self.world = world }

    func begin(_ continuation: CheckedContinuation<Void, Never>, until deadline: Uptime) {
      guard !hasEnded else { return continuation.resume() }
      self.continuation = continuation
      timer = world.addTimer(at: deadline) { self.end() }
    }

    func end() {
      hasEnded = true
      if let timer { world.removeTimer(timer) }
      timer = nil
      continuation?.resume()
      continuation = nil
    }
  }
}
