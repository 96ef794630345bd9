import DequeModule
import MailSyntax
import SMTPGrammar
import SMTPSessions
import Synchronization

/// The connections to mail hosts: how many each may have, and those that are kept for the next message.
///
/// Unlike a smarthost's pool nobody waits in line here: mail of many domains meets at one host, and who waited would keep
/// a worker from the mail of others. Where there is no room the caller is told so, and its route comes again.
final class ExchangerConnections: Sendable {
  /// Of all hosts together, so many idle connections are kept; the one used longest ago is left first.
  static let maximumIdle = 1_000

  private struct Idle {
    let number: UInt64
    let lease: ConnectionLease
  }

  private struct State {
    var inUse: [MailDomain: Int] = [:]
    /// Looked up by host only; each host's newest last.
    var idle: [MailDomain: [Idle]] = [:]
    /// Oldest first; an entry whose connection was taken again is passed over.
    var order: Deque<(host: MailDomain, number: UInt64)> = []
    var idleCount = 0
    var lastNumber: UInt64 = 0
    var isDraining = false

    mutating func keep(_ lease: ConnectionLease, of host: MailDomain) {
      lastNumber += 1
      idle[host, default: []].append(ExchangerConnections.Idle(number: lastNumber, lease: lease))
      order.append((host, lastNumber))
      idleCount += 1
    }

    mutating func take(_ place: Int, of host: MailDomain) -> ConnectionLease? {
      guard let found = idle[host]?.remove(at: place) else { return nil }
      idleCount -= 1
      return found.lease
    }

    /// The oldest, as long as they are closed (an idle session ends itself), were taken, or are too many.
    mutating func dropSuperfluous() -> [ClientConversation] {
      var leaving: [ClientConversation] = []
      while let oldest = order.first {
        let place = idle[oldest.host]?.firstIndex { $0.number == oldest.number }
        if let place, let kept = idle[oldest.host]?[place].lease.conversation {
          guard !kept.isOpen || idleCount > ExchangerConnections.maximumIdle else { break }
          _ = take(place, of: oldest.host)
          leaving.append(kept)
        }
        if idle[oldest.host]?.isEmpty == true { idle[oldest.host] = nil }
        order.removeFirst()
      }
      return leaving
    }
  }
  private let limits: PoolLimits
  private let perHost: TrafficLimit
  private let state = Mutex(State())

  init(_ limits: PoolLimits, _ perHost: TrafficLimit) {
    self.limits = limits
    self.perHost = perHost
  }

  /// - Parameter fits: whether an idle connection may carry this mail.
  /// - Returns: nil where the host has as many connections in use as it may, or everything is being closed.
  func checkOut(_ host: MailDomain, where fits: (ConnectionLease) -> Bool) -> ConnectionLease? {
    let most = perHost.rule(for: host).atOnce ?? limits.maximumConnections
    let (lease, leaving) = state.withLock { state -> (ConnectionLease?, ClientConversation?) in
      guard !state.isDraining else { return (nil, nil) }
      let inUse = state.inUse[host] ?? 0
      guard inUse < most else { return (nil, nil) }
      state.inUse[host] = inUse + 1
      let fitting = state.idle[host]?.lastIndex { $0.lease.conversation?.isOpen == true && fits($0.lease) }
      if let fitting { return (state.take(fitting, of: host), nil) }
      // Idle ones count too: one that doesn't fit makes room.
      let idle = state.idle[host]?.count ?? 0
      return (.new, inUse + idle < most ? nil : state.take(0, of: host)?.conversation)
    }
    leaving?.leave()
    return lease
  }

  /// Gives a lease back, with the connection where there is one that may be used again.
  func checkIn(_ host: MailDomain, _ lease: ConnectionLease) {
    let leaving = state.withLock { state -> [ClientConversation] in
      let inUse = (state.inUse[host] ?? 1) - 1
      state.inUse[host] = inUse > 0 ? inUse : nil
      var leaving: [ClientConversation] = []
      if lease.isReusable(within: limits), !state.isDraining {
        state.keep(lease, of: host)
      } else if let conversation = lease.conversation {
        leaving.append(conversation)
      }
      return leaving + state.dropSuperfluous()
    }
    for conversation in leaving { conversation.leave() }
  }

  /// Says QUIT on every idle connection and lets no more be used; those in use end when they are given back.
  func drain() async {
    let idle = state.withLock { state in
      defer {
        state.isDraining = true
        state.idle = [:]
        state.order = []
        state.idleCount = 0
      }
      return state.order.compactMap { entry in
        state.idle[entry.host]?.first { $0.number == entry.number }?.lease.conversation
      }
    }
    for conversation in idle { await conversation.quit() }
  }
}
