import Foundation
public import MailSyntax

/// One thread on which everything happens, in an order the seed alone decides, and a time that passes only when nothing
/// is left to do. Code runs in it as it ships: tasks, groups, actors and streams go by their task executor.
///
/// Two tripwires guard the determinism: a job that comes back from another thread stops the process, and so does a job
/// that leaves for the global executor (`Task {}`, `Task.detached`, `Task.sleep`).
public final class World: TaskExecutor, @unchecked Sendable {
  /// Jobs a world runs and timers that fire before it counts as endless.
  public static let maximumJobs = 1_000_000

  public let start: UTCInstant
  public private(set) var jobs = 0
  private var ready: [UnownedJob] = []
  /// The next one last.
  private var timers: [Timer] = []
  private var lastTimer = 0
  private var random: SplitMix
  private var elapsed: Int64 = 0
  private let owner = ThreadName.current

  private struct Timer {
    let at: Int64
    let number: Int
    let fire: () -> Void
  }

  /// - Parameter start: the wall clock's first reading.
  public init(seed: UInt64, start: UTCInstant = UTCInstant(seconds: 1_800_000_000)) {
    random = SplitMix(seed: seed)
    self.start = start
  }

  /// Nanoseconds since the world began.
  public var uptime: Uptime { Uptime(nanoseconds: elapsed) }

  public func enqueue(_ job: consuming ExecutorJob) {
    guard ThreadName.current == owner else { fatalError("a job came back from another thread") }
    ready.append(UnownedJob(job))
  }

  /// Runs `root` to its end and returns what it returned; nil when everything waits for something that never comes, or
  /// nothing ever ends.
  /// Called on the thread that made the world.
  public func run<Result: Sendable>(_ root: @escaping @Sendable () async -> Result) -> Result? {
    let outcome = Outcome<Result>()
    return GlobalExecutorTrap.armed {
      _ = Task(executorPreference: self) { outcome.result = await root() }
      while outcome.result == nil, jobs < World.maximumJobs, step() {}
      return outcome.result
    }
  }

  /// Written and read on the world's thread alone.
  private final class Outcome<Result: Sendable>: @unchecked Sendable {
    var result: Result?
  }

  /// Runs one ready job, or lets time pass to the next timer. False when there is neither.
  private func step() -> Bool {
    if !ready.isEmpty {
      jobs += 1
      ready.swapAt(Int(random.next() % UInt64(ready.count)), ready.count - 1)
      ready.removeLast().runSynchronously(on: asUnownedTaskExecutor())
      return true
    }
    guard let next = timers.last else { return false }
    elapsed = max(elapsed, next.at)
    // All that are due fire at once, so that the seed decides the order of what follows.
    var due: [Timer] = []
    while let timer = timers.last, timer.at <= elapsed { due.append(timers.removeLast()) }
    jobs += due.count
    for timer in due { timer.fire() }
    return true
  }

  func addTimer(at moment: Uptime, _ fire: @escaping () -> Void) -> Int {
    lastTimer += 1
    let timer = Timer(at: moment.nanoseconds, number: lastTimer, fire: fire)
    // Behind all that fire later, and before those of the same moment: the oldest of them stands last.
    var (low, high) = (0, timers.count)
    while low < high {
      let middle = (low + high) / 2
      if timers[middle].at > timer.at { low = middle + 1 } else { high = middle }
    }
    timers.insert(timer, at: low)
    return lastTimer
  }

  func removeTimer(_ number: Int) { timers.removeAll { $0.number == number } }
}
