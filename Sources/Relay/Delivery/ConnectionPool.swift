internal import SMTPGrammar
internal import SMTPSessions
internal import Synchronization

/// Bounds of the connections to one next hop.
public struct PoolLimits: Hashable, Sendable {
  /// Open at once, idle ones included.
  public var maximumConnections: Int
  /// After so many transactions a connection is left; some servers count.
  public var maximumTransactions: Int
  /// An idle connection says QUIT after this long.
  public var idleTime: Duration

  public init(maximumConnections: Int = 4, maximumTransactions: Int = 100, idleTime: Duration = .seconds(30)) {
    self.maximumConnections = max(1, maximumConnections)
    self.maximumTransactions = max(1, maximumTransactions)
    self.idleTime = idleTime
  }
}

/// The connections to one next hop. A task checks one out, or the right to open one, and waits its turn when all are
/// in use. Idle ones end themselves: their sessions look at the clock.
final class ConnectionPool: Sendable {
  private struct State {
    /// The one used last stands last and is taken first: the others may age and go.
    var idle: [ConnectionLease] = []
    var inUse = 0
    var waiting: [OneShot<ConnectionLease?>] = []
    var isDraining = false
  }
  private let limits: PoolLimits
  private let state = Mutex(State())

  init(_ limits: PoolLimits) { self.limits = limits }

  /// Nil where the task was cancelled, or the pool is draining.
  func checkOut() async -> ConnectionLease? {
    let turn = OneShot<ConnectionLease?>()
    let (isDecided, lease) = state.withLock { state -> (Bool, ConnectionLease?) in
      guard !state.isDraining else { return (true, nil) }
      state.idle.removeAll { $0.conversation?.isOpen != true }
      if let idle = state.idle.popLast() {
        state.inUse += 1
        return (true, idle)
      }
      guard state.inUse < limits.maximumConnections else {
        state.waiting.append(turn)
        return (false, nil)
      }
      state.inUse += 1
      return (true, .new)
    }
    guard !isDecided else { return lease }
    return await withTaskCancellationHandler {
      await turn.value()
    } onCancel: {
      let wasWaiting = state.withLock { state in
        let before = state.waiting.count
        state.waiting.removeAll { $0 === turn }
        return state.waiting.count < before
      }
      if wasWaiting { turn.fulfil(nil) }
    }
  }

  /// Gives a lease back, with the connection where there is one that may be used again.
  func checkIn(_ conversation: ClientConversation?, transactions: Int) {
    let used = ConnectionLease(conversation: conversation, transactions: transactions)
    let (leaving, next) = state.withLock {
      state -> (ClientConversation?, (OneShot<ConnectionLease?>, ConnectionLease)?) in
      let isKept = used.isReusable(within: limits) && !state.isDraining
      let (lease, leaving) = isKept ? (used, nil) : (.new, conversation)
      if !state.waiting.isEmpty { return (leaving, (state.waiting.removeFirst(), lease)) }
      state.inUse -= 1
      if lease.conversation != nil { state.idle.append(lease) }
      return (leaving, nil)
    }
    leaving?.leave()
    if let (turn, lease) = next { turn.fulfil(lease) }
  }

  /// Says QUIT on every idle connection and lets no more be used; those in use end when they are given back.
  func drain() async {
    let (idle, waiting) = state.withLock { state in
      defer {
        state.isDraining = true
        state.idle = []
        state.waiting = []
      }
      return (state.idle, state.waiting)
    }
    for turn in waiting { turn.fulfil(nil) }
    for lease in idle { await lease.conversation?.quit() }
  }
}
