import MailSyntax
import TransportSecurity

/// What a domain announces and publishes of MTA-STS at a time. Source: RFC 8461 §3.
struct STSPublication: Hashable, Sendable {
  /// Of the TXT record; nil where there is none.
  let recordID: String?
  /// What the policy host gives; nil where there is none.
  let policy: STSPolicy?

  static let none = STSPublication(recordID: nil, policy: nil)

  private enum Listing: CaseIterable { case all, wildcard, some, others }

  /// Changes of mode, age and hosts, slips among them: hosts that aren't listed, a record that is gone though the policy
  /// is to hold. The last is one that mail can go by.
  static func draw(
    for hosts: [DomainName], from now: Uptime, to end: Uptime, _ random: SeededRandom
  ) -> Phases<STSPublication> {
    guard random.chance(50), !hosts.isEmpty else { return Phases(always: .none) }
    let last = STSPublication(
      recordID: "last", policy: policy(of: hosts, listed: random.pick([.all, .wildcard]), random))
    return Phases(from: now, to: end, upTo: 5_400, random, last: last) { number in
      guard random.chance(90) else { return .none }
      let listed = random.pick([Listing.all, .all, .wildcard, .wildcard, .some, .others])
      return STSPublication(
        recordID: random.chance(90) ? "n\(number)" : nil, policy: policy(of: hosts, listed: listed, random))
    }
  }

  private static func policy(
    of hosts: [DomainName], listed: Listing, _ random: SeededRandom
  ) -> STSPolicy {
    let patterns: [STSPattern] =
      switch listed {
      case .all: hosts.map { STSPattern($0.folded) }
      case .wildcard: hosts.map { STSPattern(wildcard(over: $0)) }
      case .some: [STSPattern(random.pick(hosts).folded)]
      case .others: [STSPattern("mx.moved.example")]
      }
    return STSPolicy(
      mode: random.pick([.enforce, .enforce, .enforce, .enforce, .testing, .none]),
      maxAge: .seconds(random.pick([600, 1_800, 7_200, 604_800])), patterns: patterns)
  }

  /// `*.hosts.example` for `h1.hosts.example`; a name of two labels stands for itself.
  private static func wildcard(over host: DomainName) -> String {
    let labels = host.folded.split(separator: ".")
    return labels.count > 2 ? "*." + labels.dropFirst().joined(separator: ".") : host.folded
  }
}
