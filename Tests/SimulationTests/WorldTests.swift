import Foundation
import MailSyntax
import Simulation
import Synchronization
import Testing

@Suite("World")
struct WorldTests {
  @Test("time passes only when nothing is left to do, and sleeping costs none")
  func time() {
    let world = World(seed: 1)
    let clock = VirtualClock(world)
    let elapsed = world.run { () -> Duration in
      await clock.sleep(for: .seconds(86_400))
      return clock.uptime - Uptime(nanoseconds: 0)
    }
    #expect(elapsed == .seconds(86_400))
  }

  @Test("the seed decides the order of what could run at once")
  func order() {
    func play(_ seed: UInt64) -> [Int]? {
      let world = World(seed: seed)
      return world.run {
        await withTaskGroup(of: Int.self) { group in
          for number in 0..<20 { group.addTask { number } }
          return await group.reduce(into: []) { $0.append($1) }
        }
      }
    }
    #expect(play(1) == play(1))
    #expect(Set((1...5).map { play($0) }).count == 5)
  }

  @Test("a world in which all wait for ever is noticed")
  func deadlock() {
    let world = World(seed: 1)
    let result = world.run { () -> Int in
      await withCheckedContinuation { Kept.keep($0) }
      return 1
    }
    #expect(result == nil)
  }

  @Test("a cancelled sleep ends at once")
  func cancelledSleep() {
    let world = World(seed: 1)
    let clock = VirtualClock(world)
    let elapsed = world.run { () -> Duration in
      await withDiscardingTaskGroup { group in
        group.addTask { await clock.sleep(for: .seconds(1_000)) }
        group.addTask { await clock.sleep(for: .seconds(1)) }
        await clock.sleep(for: .seconds(5))
        group.cancelAll()
      }
      return clock.uptime - Uptime(nanoseconds: 0)
    }
    #expect(elapsed == .seconds(5))
  }

  @Test("the wall clock jumps without the uptime")
  func jump() {
    let world = World(seed: 1, start: UTCInstant(seconds: 1_000))
    let clock = VirtualClock(world)
    clock.jump(by: .seconds(-100))
    #expect(clock.now == UTCInstant(seconds: 900))
    #expect(clock.uptime == Uptime(nanoseconds: 0))
  }

  @Test("a job that leaves for the global executor stops the process")
  func globalExecutor() async {
    await #expect(processExitsWith: .failure) {
      _ = World(seed: 1).run { await Task.detached {}.value }
    }
  }

  @Test("a job that comes back from another thread stops the process")
  func otherThread() async {
    await #expect(processExitsWith: .failure) {
      // On a thread of its own, so that the one that the job comes back on is free, however few there are.
      await withCheckedContinuation { over in
        Thread.detachNewThread {
          let world = World(seed: 1)
          // So long that the task is surely suspended when the time is over: else it just goes on.
          _ = world.run { try? await Task.sleep(for: .milliseconds(500)) }
          // The job is on its way; only a world that lets it in lives this long.
          Thread.sleep(forTimeInterval: 60)
          withExtendedLifetime(world) {}
          over.resume()
        }
      }
    }
  }
}

/// Holds continuations that are never resumed, so that the runtime doesn't complain of losing them.
enum Kept {
  private static let all = Mutex<[CheckedContinuation<Void, Never>]>([])
  static func keep(_ continuation: CheckedContinuation<Void, Never>) { all.withLock { $0.append(continuation) } }
}
