import MailSyntax
public import NIOCore

/// The event loops that wires live on, each with its one sweep timer and its one task executor. Listeners and the
/// dialer of a process share one. The group stays its maker's to shut down, after `shutDown`.
public final class TransportLoops: Sendable {
  /// What one event loop owns for all wires on it.
  package struct Station: Sendable {
    package let loop: any EventLoop
    let executor: LoopExecutor
    let sweep: NIOLoopBoundBox<LoopSweep>
  }

  package let group: any EventLoopGroup
  private let stations: [ObjectIdentifier: Station]
  private let timers: [RepeatedTask]

  /// - Parameter interval: how often deadlines are looked at and `WireDelegate.tick` is called.
  public init(group: any EventLoopGroup, sweepEvery interval: Duration = .seconds(1)) {
    self.group = group
    var stations: [ObjectIdentifier: Station] = [:]
    var timers: [RepeatedTask] = []
    let delay = TimeAmount(interval)
    for loop in group.makeIterator() {
      let sweep = NIOLoopBoundBox.makeBoxSendingValue(LoopSweep(), as: LoopSweep.self, eventLoop: loop)
      stations[ObjectIdentifier(loop)] = Station(loop: loop, executor: LoopExecutor(loop), sweep: sweep)
      timers.append(
        loop.scheduleRepeatedTask(initialDelay: delay, delay: delay) { _ in sweep.value.run(at: .current) })
    }
    self.stations = stations
    self.timers = timers
  }

  /// Stops the sweep timers. Call it when no wire is left.
  public func shutDown() {
    for timer in timers { timer.cancel() }
  }

  /// The station of a loop of this group. Asking for another group's loop is our own bug.
  package func station(of loop: any EventLoop) -> Station {
    guard let station = stations[ObjectIdentifier(loop)] else { fatalError("an event loop of another group") }
    return station
  }

  /// Calls `body` with every wire that `owner` made, on that wire's own loop.
  func visitWires(of owner: ObjectIdentifier, _ body: @escaping @Sendable (WireChannelHandler) -> Void) {
    for station in stations.values {
      station.loop.execute { station.sweep.value.visitWires(of: owner, body) }
    }
  }
}

/// One timer for all wires of a loop: a timer of its own for each of some thousand idle sessions would cost memory and
/// a heap operation a command. Confined to its loop.
final class LoopSweep {
  private var wires: [WireChannelHandler] = []

  func add(_ wire: WireChannelHandler) {
    wire.sweepIndex = wires.count
    wires.append(wire)
  }

  func remove(_ wire: WireChannelHandler) {
    let index = wire.sweepIndex
    guard wires.indices.contains(index), wires[index] === wire else { return }
    let last = wires.removeLast()
    guard last !== wire else { return }
    wires[index] = last
    last.sweepIndex = index
  }

  func run(at now: Uptime) {
    // A copy: a wire may leave while it is looked at.
    for wire in Array(wires) { wire.sweep(now) }
  }

  func visitWires(of owner: ObjectIdentifier, _ body: (WireChannelHandler) -> Void) {
    for wire in Array(wires) where wire.owner == owner { body(wire) }
  }
}

/// Runs a wire's awaiting decisions on its own event loop, so that their answers need no hop.
final class LoopExecutor: TaskExecutor {
  private let loop: any EventLoop
  init(_ loop: any EventLoop) { self.loop = loop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}

extension Uptime {
  /// The monotonic clock of this machine.
  static var current: Uptime { Uptime(nanoseconds: Int64(clamping: NIODeadline.now().uptimeNanoseconds)) }
}

extension TimeAmount {
  init(_ duration: Duration) { self = .nanoseconds(duration.nanoseconds) }
}
