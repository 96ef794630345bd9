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

  struct Lease: Sendable {
    /// Nil where one has to be opened.
    let conversation: ClientConversation?
    let transactions: Int
  }

  private struct Idle {
    let number: UInt64
    let lease: Lease
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

    mutating func keep(_ lease: ExchangerConnections.Lease, of host: MailDomain) {
      lastNumber += 1
      idle[host, default: []].append(ExchangerConnections.Idle(number: lastNumber, lease: lease))
      order.append((host, lastNumber))
      idleCount += 1
    }

    /// The oldest, as long as they are closed (an idle session ends itself), were taken, or are too many.
    mutating func dropSuperfluous() -> [ClientConversation] {
      var leaving: [ClientConversation] = []
      while let oldest = order.first {
        let place = idle[oldest.host]?.firstIndex { $0.number == oldest.number }
        if let place, let kept = idle[oldest.host]?[place].lease.conversation {
          guard !kept.isOpen || idleCount > ExchangerConnections.maximumIdle else { break }
          idle[oldest.host]?.remove(at: place)
          idleCount -= 1
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
  func checkOut(_ host: MailDomain, where fits: (ClientConversation) -> Bool) -> Lease? {
    let most = perHost.rule(for: host).atOnce ?? limits.maximumConnections
    return state.withLock { state in
      guard !state.isDraining else { return nil }
      let inUse = state.inUse[host] ?? 0
      guard inUse < most else { return nil }
      state.inUse[host] = inUse + 1
      guard
        let place = state.idle[host]?.lastIndex(where: { $0.lease.conversation.map { $0.isOpen && fits($0) } ?? false })
      else { return Lease(conversation: nil, transactions: 0) }
      state.idleCount -= 1
      return state.idle[host]?.remove(at: place).lease
    }
  }

  /// Gives a lease back, with the connection where there is one that may be used again.
  func checkIn(_ host: MailDomain, _ conversation: ClientConversation?, transactions: Int) {
    let leaving = state.withLock { state -> [ClientConversation] in
      let inUse = (state.inUse[host] ?? 1) - 1
      state.inUse[host] = inUse > 0 ? inUse : nil
      var leaving: [ClientConversation] = []
      if let conversation {
        // RFC 9422 §4.1: the server may count, and say so.
        let most = min(limits.maximumTransactions, conversation.capabilities.limits?.mailMaximum ?? .max)
        if conversation.isOpen, transactions < most, !state.isDraining {
          state.keep(Lease(conversation: conversation, transactions: transactions), of: host)
        } else {
          leaving.append(conversation)
        }
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
