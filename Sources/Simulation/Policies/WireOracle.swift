import DNSRecords
import MailSyntax
import OrderedCollections
import Relay
import TransportSecurity

/// Says of each envelope that a host receives whether it may: by what domains publish, what this house has written down of
/// it, what hosts have steadily shown, what its operator and the sender ask for, and what the channel really is. It shares
/// no line with `decide`, nor with those that gather its evidence.
///
/// What a domain publishes counts as it was at any moment of the delivery, whichever asks for less; what is known in the
/// house, as it was since this host was looked up.
///
/// Everything happens on the world's thread.
final class WireOracle: @unchecked Sendable {
  /// A channel as the host knows it that has it.
  struct Channel {
    var isEncrypted = false
    /// The names that a public authority vouches for.
    var provenNames: [DomainName] = []
    var key: HostKey?
    var offersRequireTLS = false
  }

  /// A message on its way to a domain.
  struct Passage {
    let domain: ForeignDomain
    let host: MailHost
    let wish: TLSWish
    let isReport: Bool
    /// When the delivery began.
    let begun: Uptime
    /// When this host was looked up: what may go to it is judged behind that.
    let judged: ExchangerVisit.Moment
  }

  private let clock: VirtualClock
  private(set) var policies = KnownPolicies()
  private(set) var overrides = KnownOverrides()
  private(set) var steadiness: KnownSteadiness

  init(clock: VirtualClock) {
    self.clock = clock
    steadiness = KnownSteadiness(began: clock.uptime)
  }

  func learn(_ change: (inout KnownPolicies) -> Void) { change(&policies) }
  func learn(_ change: (inout KnownOverrides) -> Void) { change(&overrides) }
  func learn(_ change: (inout KnownSteadiness) -> Void) { change(&steadiness) }

  /// What is demanded and not there; nil where all is.
  func fault(in channel: Channel, of passage: Passage) -> String? {
    let moments = (from: passage.begun, to: clock.uptime)
    let keys = passage.host.publishedKeys(from: moments.from, to: moments.to)
    let isProven = channel.provenNames.contains(passage.host.name)
    let hasKey = keys.contains { published in channel.key.map { $0.isMeant(by: published.records) } ?? false }
    // RFC 8461 §2: only with a proven MX record does a key say whose host this is.
    let isProvenByKey = passage.domain.isSigned && hasKey

    let floor = overrides.weakestFloor(of: passage, now: clock.now)
    let meetsFloor =
      switch floor {
      case .opportunistic: true
      case .encrypt: channel.isEncrypted
      case .verified: isProven || isProvenByKey
      case .dane: isProvenByKey
      }
    guard meetsFloor else { return "our operator's floor \(floor)" }

    let isWaived = passage.wish == .notRequired
    if !isWaived, !keys.isEmpty {
      let meetsKeys = hasKey || keys.contains { !$0.isUsable && ($0.records.isEmpty || channel.isEncrypted) }
      guard meetsKeys else { return "the TLSA records of \(passage.host.name)" }
    }
    let (possible, mayBeNone) = policies.possible(of: passage.domain.name, from: moments.from, to: moments.to)
    if !isWaived, !mayBeNone {
      let meetsPolicy = possible.contains { policy in
        policy.mode != .enforce || isProvenByKey || (isProven && lists(policy, passage.host.name))
      }
      guard meetsPolicy else { return "the MTA-STS policy of \(passage.domain.name), which enforces" }
    }
    // Reports are never held: those who wait for them can't mend it.
    if !isWaived, !passage.isReport, steadiness.holds(passage.domain, from: passage.judged.uptime, to: moments.to) {
      guard isProven || hasKey else { return "what the hosts of \(passage.domain.name) have steadily shown" }
    }
    guard passage.wish == .required else { return nil }
    guard channel.isEncrypted else { return "REQUIRETLS" }
    // RFC 8689 §5: a report goes by TLS, and no farther than TLS can be had.
    guard !passage.isReport else { return nil }
    guard channel.offersRequireTLS else { return "REQUIRETLS, which the host lacks" }
    // RFC 8689 §4.2.1: the name is the domain's, and the host's.
    let isListed = possible.contains { $0.mode != .none && lists($0, passage.host.name) }
    return (isListed && isProven) || (passage.domain.isSigned && (isProven || hasKey)) ? nil : "REQUIRETLS, by proof"
  }

  /// RFC 8461 §4.1, by the patterns of this world alone.
  private func lists(_ policy: STSPolicy, _ host: DomainName) -> Bool {
    let (first, parent) = (host.folded.split(separator: "."), host.folded.drop { $0 != "." })
    return policy.patterns.contains { pattern in
      pattern.description == host.folded || (first.count > 2 && pattern.description == "*\(parent)")
    }
  }

  /// Whether mail for the domain that began now would surely be held back from a weaker channel.
  func holds(_ domain: ForeignDomain) -> Bool { steadiness.holds(domain, from: clock.uptime, to: clock.uptime) }

  /// Whether this house surely knows a policy that enforces.
  func knowsEnforcement(of domain: DomainName) -> Bool {
    let (possible, mayBeNone) = policies.possible(of: domain, from: clock.uptime, to: clock.uptime)
    return !mayBeNone && possible.allSatisfy { $0.mode == .enforce }
  }
}

/// The MTA-STS policies that this house was seen to write down: from the moment that the store has acknowledged one it
/// holds until it expires or another takes its place, through every restart (Law 2).
struct KnownPolicies {
  private struct Written {
    let known: KnownSTSPolicy
    let asked: Uptime
    /// Nil where nobody knows whether the store has it.
    var acknowledged: Uptime?
    var expires: Uptime
    /// From when on it may have been taken away.
    var removing: Uptime?
  }
  private var written: OrderedDictionary<DomainName, [Written]> = [:]
  private static let most = 20
  /// Between an acknowledgement and the asker's hearing of it, and at the end of a policy's life.
  private static let slack = Duration.seconds(5)

  mutating func writing(_ stored: StoredSTSPolicy, at moment: Uptime) {
    var all = written[stored.domain] ?? []
    // One that is written again as it is, is no other.
    guard !all.contains(where: { $0.known == stored.known && $0.removing == nil }) else { return }
    if all.count == KnownPolicies.most { all.removeFirst() }
    all.append(
      Written(known: stored.known, asked: moment, acknowledged: nil, expires: moment + stored.known.policy.maxAge))
    written[stored.domain] = all
  }

  mutating func wrote(_ stored: StoredSTSPolicy, at moment: Uptime) {
    guard let place = written[stored.domain]?.lastIndex(where: { $0.known == stored.known }) else { return }
    guard written[stored.domain]?[place].acknowledged == nil else { return }
    written[stored.domain]?[place].acknowledged = moment
  }

  /// - Returns: whether one is taken away that holds.
  mutating func removing(_ domain: DomainName, at moment: Uptime) -> Bool {
    let holds = !possible(of: domain, from: moment, to: moment).mayBeNone
    for place in written[domain, default: []].indices where written[domain]?[place].removing == nil {
      written[domain]?[place].removing = moment
    }
    return holds
  }

  /// RFC 8461 §3.3, §10.2: behind a restart a policy has left what the wall clock gives it, and never more than its age.
  mutating func restart(at moment: Uptime, _ now: UTCInstant) {
    for domain in written.keys {
      for place in written[domain, default: []].indices {
        guard let policy = written[domain]?[place] else { continue }
        let left = max(.zero, min(policy.known.expiresAt - now, policy.known.policy.maxAge))
        written[domain]?[place].expires = min(policy.expires, moment + left)
      }
    }
  }

  /// The policies that may have been known at some moment between both, and whether none may have been.
  func possible(of domain: DomainName, from begin: Uptime, to end: Uptime) -> (policies: [STSPolicy], mayBeNone: Bool) {
    let all = written[domain] ?? []
    let begin = begin + (.zero - KnownPolicies.slack)
    var policies: [STSPolicy] = []
    for (place, policy) in all.enumerated() {
      let successor = all[(place + 1)...].compactMap(\.acknowledged).min()
      guard policy.asked <= end, policy.expires >= begin, successor.map({ $0 >= begin }) ?? true else { continue }
      policies.append(policy.known.policy)
    }
    return (policies, !holds(all, from: begin, to: end))
  }

  /// Whether at each moment one is in force, whichever.
  private func holds(_ all: [Written], from begin: Uptime, to end: Uptime) -> Bool {
    var moment = begin
    while true {
      let place = all.lastIndex { $0.acknowledged.map { $0 <= moment } ?? false }
      guard let place else { return false }
      let later = all[(place + 1)...].filter { $0.asked <= end }
      // One of which nobody knows may have come and gone.
      if later.contains(where: { $0.acknowledged == nil && $0.expires + (.zero - KnownPolicies.slack) <= end }) {
        return false
      }
      let over = min(all[place].expires + (.zero - KnownPolicies.slack), all[place].removing ?? all[place].expires)
      guard moment < over else { return false }
      if end < over { return true }
      guard let next = later.compactMap(\.acknowledged).min(), next < over else { return false }
      moment = next
    }
  }
}

/// The overrides that an operator was seen to write down.
struct KnownOverrides {
  private struct Written {
    let override: FloorOverride
    let asked: Uptime
    var acknowledged: Uptime?
    /// By another of the same domain, which took its place.
    var replaced: Uptime?
  }
  private var written: [Written] = []
  /// The wall clock may have jumped, and back.
  private static let slack = Duration.seconds(1_300)

  mutating func adding(_ override: FloorOverride, at moment: Uptime) {
    written.append(Written(override: override, asked: moment, acknowledged: nil))
  }

  mutating func added(_ override: FloorOverride, at moment: Uptime) {
    guard let place = written.lastIndex(where: { $0.override == override }) else { return }
    written[place].acknowledged = moment
    for former in written.indices.prefix(place)
    where written[former].override.domain == override.domain && written[former].replaced == nil {
      written[former].replaced = moment
    }
  }

  /// The least that may have been asked for since the host was looked up.
  func weakestFloor(of passage: WireOracle.Passage, now: UTCInstant) -> TLSFloor {
    let slack = KnownOverrides.slack
    let (first, last) = (min(passage.judged.now, now), max(passage.judged.now, now))
    let own = written.filter {
      $0.override.domain == passage.domain.name && $0.replaced.map { passage.judged.uptime <= $0 } ?? true
    }
    // The last one that was asked for, for it may have taken the place of all before it.
    let isSure =
      own.last.map { known in
        guard let acknowledged = known.acknowledged, acknowledged <= passage.judged.uptime else { return false }
        return known.override.from + slack <= first && last + slack < known.override.until
      } ?? false
    let possible = own.filter { $0.override.from <= last + slack && first <= $0.override.until + slack }
    let floors = possible.map(\.override.floor) + (isSure ? [] : [passage.domain.floor])
    return floors.min { $0.isWeaker(than: $1) } ?? passage.domain.floor
  }
}
