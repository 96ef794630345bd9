import MailSyntax
import Synchronization

/// How much one process takes in at once.
public struct ConnectionLimits: Hashable, Sendable {
  /// Connections at the same time, over all listeners that share a ledger.
  public var total: Int = 10_000
  /// Of them from one IPv4 address or one IPv6 /64.
  public var perAddress: Int = 200
  /// TLS handshakes begun in a minute by one IPv4 address or one IPv6 /64: the work that costs us most unasked.
  public var handshakesPerAddressPerMinute: Int = 600

  public init() {}
}

/// Counts connections and handshakes. Shared by the listeners of a process, on all their loops.
public final class ConnectionLedger: Sendable {
  /// Addresses whose handshakes are counted in one minute. Beyond it new ones go uncounted: `total` bounds them still.
  public static let maximumCountedAddresses = 65_536

  private struct Counts {
    var limits: ConnectionLimits
    var total = 0
    var byAddress: [IPAddress: Int] = [:]
    var handshakes: [IPAddress: Int] = [:]
    var minute: Int64 = 0
  }

  private let counts: Mutex<Counts>

  public init(limits: ConnectionLimits = ConnectionLimits()) { counts = Mutex(Counts(limits: limits)) }

  /// Other limits for what comes from now on. What is open stays, be it more than these.
  public func replace(_ limits: ConnectionLimits) { counts.withLock { $0.limits = limits } }

  /// The connections open now.
  public var connections: Int { counts.withLock { $0.total } }

  /// Every true is answered by one `release`.
  func admit() -> Bool {
    counts.withLock { counts in
      guard counts.total < counts.limits.total else { return false }
      counts.total += 1
      return true
    }
  }

  func release() {
    counts.withLock { $0.total -= 1 }
  }

  /// Every true is answered by one `release(_:)`.
  func admit(_ address: IPAddress) -> Bool {
    let key = address.limitKey
    return counts.withLock { counts in
      let present = counts.byAddress[key, default: 0]
      guard present < counts.limits.perAddress else { return false }
      counts.byAddress[key] = present + 1
      return true
    }
  }

  func release(_ address: IPAddress) {
    let key = address.limitKey
    counts.withLock { counts in
      let left = counts.byAddress[key, default: 1] - 1
      counts.byAddress[key] = left > 0 ? left : nil
    }
  }

  func admitHandshake(of address: IPAddress, at now: Uptime) -> Bool {
    let key = address.limitKey
    let minute = now.nanoseconds / 60_000_000_000
    return counts.withLock { counts in
      if counts.minute != minute {
        counts.minute = minute
        counts.handshakes.removeAll(keepingCapacity: false)
      }
      guard let present = counts.handshakes[key] else {
        if counts.handshakes.count < ConnectionLedger.maximumCountedAddresses { counts.handshakes[key] = 1 }
        return counts.limits.handshakesPerAddressPerMinute > 0
      }
      guard present < counts.limits.handshakesPerAddressPerMinute else { return false }
      counts.handshakes[key] = present + 1
      return true
    }
  }
}

extension IPAddress {
  /// One IPv4 address, or the /64 that one IPv6 customer has at least (RFC 6177 §2).
  var limitKey: IPAddress {
    switch self {
    case .v4: self
    case .v6: masked(to: 64)
    }
  }
}
