import Accounts
import MailSyntax
import SMTPSessions

/// What each address has done lately, as far as it decides whether it may connect. Bounded, whoever fills it.
struct AddressTable {
  /// Addresses that are remembered; the one heard of longest ago makes room.
  static let maximumAddresses = 65_536
  /// How long an address is turned away from port 25 after a session from it guessed at too many recipients.
  static let restAfterRefusals: Duration = .seconds(300)
  /// At most one line in this time tells of an address.
  static let tellingInterval: Duration = .seconds(60)

  enum Reason: String {
    case connections, refusals
    case connectionsAtOnce = "connections-at-once"
    case connectionsInAll = "connections-in-all"
  }
  enum Verdict {
    case welcome
    /// News where the last line about the address is long enough ago.
    case turnedAway(Reason, isNews: Bool)
  }

  private var begun = RecencyTable<IPAddress, SlidingWindow>(capacity: maximumAddresses)
  private var resting = RecencyTable<IPAddress, Uptime>(capacity: maximumAddresses)
  private var fullToldUntil: Uptime?
  private var told = RecencyTable<IPAddress, Uptime>(capacity: maximumAddresses)

  /// Counts a connection unless it is turned away.
  ///
  /// - Parameters:
  ///   - mayRest: whether refusals on port 25 count here.
  ///   - limit: connections in a minute; 0 sets none.
  mutating func connected(_ address: IPAddress, mayRest: Bool, limit: Int, at now: Uptime) -> Verdict {
    let key = AddressTable.key(address)
    guard let reason = reason(key, mayRest: mayRest, limit: limit, at: now) else {
      if limit > 0 {
        var window = window(key, at: now)
        window.add(1)
        begun.set(window, for: key)
      }
      return .welcome
    }
    return .turnedAway(reason, isNews: isNews(key, at: now))
  }

  /// A connection was closed as it came: why, where that is news.
  mutating func notAdmitted(_ address: IPAddress, _ bound: ConnectionBound, at now: Uptime) -> Reason? {
    switch bound {
    case .ofAddress: return isNews(AddressTable.key(address), at: now) ? .connectionsAtOnce : nil
    case .inAll:
      // Said of all together: whoever comes now needn't be the one who filled the house.
      guard fullToldUntil.map({ now >= $0 }) ?? true else { return nil }
      fullToldUntil = now + AddressTable.tellingInterval
      return .connectionsInAll
    }
  }

  private mutating func isNews(_ key: IPAddress, at now: Uptime) -> Bool {
    if let until = told.value(for: key), now < until { return false }
    told.set(now + AddressTable.tellingInterval, for: key)
    return true
  }

  func isLimited(_ address: IPAddress, mayRest: Bool, limit: Int, at now: Uptime) -> Bool {
    reason(AddressTable.key(address), mayRest: mayRest, limit: limit, at: now) != nil
  }

  mutating func rest(_ address: IPAddress, at now: Uptime) {
    resting.set(now + AddressTable.restAfterRefusals, for: AddressTable.key(address))
  }

  private func reason(_ key: IPAddress, mayRest: Bool, limit: Int, at now: Uptime) -> Reason? {
    if mayRest, let end = resting.value(for: key), now < end { return .refusals }
    guard limit > 0 else { return nil }
    return window(key, at: now).wait(toAdd: 1, within: limit, at: now) == nil ? nil : .connections
  }

  private func window(_ key: IPAddress, at now: Uptime) -> SlidingWindow {
    var window = begun.value(for: key) ?? SlidingWindow(bucket: .seconds(5), buckets: 12)
    window.advance(to: now)
    return window
  }

  /// One IPv4 address, or the /64 that one IPv6 customer has at least (RFC 6177 §2).
  private static func key(_ address: IPAddress) -> IPAddress {
    switch address {
    case .v4: address
    case .v6(let high, _): .v6(high: high, low: 0)
    }
  }
}
