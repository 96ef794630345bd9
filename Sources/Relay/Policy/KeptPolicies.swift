import MailSyntax
import TransportSecurity

/// The policies that the store holds, as they are in memory: all of them, since deliveries ask for them and may not wait
/// for a disk, and a policy that one didn't find would be one that isn't applied (Law 2).
///
/// Whether one is in force is told by the uptime: at what moment of it a policy expires is reckoned when it is fetched or
/// read from the store. A wall clock that jumps neither ends a policy early nor keeps it. But the clock by which one was
/// read from the store may have been wrong, as a machine's is that has just started: one that had lapsed by it, and
/// hasn't by the clock at the time of its use, holds after all.
struct KeptPolicies {
  struct Entry {
    var stored: StoredSTSPolicy
    /// In force before this, and not at it.
    var expires: Uptime
    var refreshDue: Uptime
    /// Of one that was read from the store: later than this it can't expire, whatever the wall clock says.
    var latestEnd: Uptime?
    /// By this process.
    var fetched: Uptime?
    /// Whether the store has it: one that is stricter than nothing holds even while it can't be written.
    var isSaved = true
    /// Refusals to be looked after, one after another.
    var failures = 0
    var firstFailure: Uptime?
    var trouble: STSTrouble?

    var known: KnownSTSPolicy { stored.known }
    var enforces: Bool { known.policy.mode == .enforce }
    func isInForce(at now: Uptime) -> Bool { now < expires }
  }

  /// As many as the store keeps. For want of room those go that protect least, and of these the longest unused.
  static let maximumPolicies = 100_000

  private let capacity: Int
  private var entries: [DomainName: Entry] = [:]

  init(capacity: Int = KeptPolicies.maximumPolicies) { self.capacity = capacity }

  subscript(domain: DomainName) -> Entry? {
    get { entries[domain] }
    set {
      entries[domain] = newValue
      guard entries.count > capacity, let now = newValue?.fetched else { return }
      func rank(_ entry: Entry) -> (Int, UTCInstant, String) {
        (entry.enforces && entry.isInForce(at: now) ? 1 : 0, entry.stored.usedAt, entry.stored.domain.folded)
      }
      if let going = entries.values.min(by: { rank($0) < rank($1) }) { entries[going.stored.domain] = nil }
    }
  }

  /// Mail for the domain has asked for its policy.
  mutating func noteUse(of domain: DomainName, at now: UTCInstant) {
    // In its place: an entry is dear to copy, and every message comes by here.
    if let place = entries.index(forKey: domain) { entries.values[place].stored.usedAt = now }
  }

  /// Those that fulfil the condition, by their names.
  func entries(where condition: (Entry) -> Bool) -> [Entry] {
    entries.values.filter(condition).sorted { $0.stored.domain.folded < $1.stored.domain.folded }
  }

  /// A policy that lapsed by the clock of the moment it was read holds on if it hasn't by today's.
  mutating func reviveByWallClock(_ domain: DomainName, now: UTCInstant, uptime: Uptime) {
    guard let entry = entries[domain], !entry.isInForce(at: uptime), let latestEnd = entry.latestEnd else { return }
    let remaining = min(KeptPolicies.remaining(of: entry.known, at: now), latestEnd - uptime)
    guard remaining > .zero else { return }
    entries[domain]?.expires = uptime + remaining
    entries[domain]?.refreshDue = uptime
  }

  /// What a policy that was read from the store has left. A clock that stood before the fetch gives it no more than its
  /// own `max_age`.
  static func remaining(of known: KnownSTSPolicy, at now: UTCInstant) -> Duration {
    max(.zero, min(known.expiresAt - now, known.policy.maxAge))
  }
}
