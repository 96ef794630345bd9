import MailSyntax
import TransportSecurity

/// Overrides by the one form of their domains, and which of them counts: a domain's own before one that is also of the
/// domains below, and the nearest domain above before those further up. Of one domain and reach there is one, but for
/// rows that were damaged: then the last.
struct OverrideTable {
  private var byDomain: [DomainName: [NumberedOverride]] = [:]
  private(set) var count = 0

  /// In the order in which they were added.
  var all: [NumberedOverride] { byDomain.values.joined().sorted { $0.number < $1.number } }

  /// - Parameter isMeant: asked of each that reaches the domain, the one that counts first, until it says yes.
  func first(
    reaching domain: DomainName, where isMeant: (NumberedOverride) -> Bool
  ) -> NumberedOverride? {
    if let own = of(domain, below: false).last(where: isMeant) { return own }
    return first(reachingBelow: domain, where: isMeant)
  }

  /// The same for the domains below this one that no nearer override reaches.
  func first(
    reachingBelow domain: DomainName, where isMeant: (NumberedOverride) -> Bool
  ) -> NumberedOverride? {
    if let found = of(domain, below: true).last(where: isMeant) { return found }
    for parent in domain.domainsAbove {
      if let found = of(parent, below: true).last(where: isMeant) { return found }
    }
    return nil
  }

  /// Of the same domain and reach.
  func equals(of override: FloorOverride) -> [NumberedOverride] {
    of(override.domain, below: override.includesSubdomains)
  }

  /// Those within the reach of another that count before it, by their domains.
  func nearer(than override: FloorOverride) -> [NumberedOverride] {
    guard override.includesSubdomains else { return [] }
    return all.filter { other in
      let domain = other.override.domain
      return domain == override.domain ? !other.override.includesSubdomains : domain.isAtOrBelow(override.domain)
    }.sorted { ($0.override.domain.folded, $0.number) < ($1.override.domain.folded, $1.number) }
  }

  private func of(_ domain: DomainName, below isBelow: Bool) -> [NumberedOverride] {
    byDomain[domain]?.filter { $0.override.includesSubdomains == isBelow } ?? []
  }

  /// Of those of one domain and reach the last that the store has taken up stands, whoever comes here first.
  ///
  /// - Returns: those that ended with it, and the one that it ended with itself.
  mutating func takeUp(_ added: NumberedOverride) -> (replaced: [NumberedOverride], later: NumberedOverride?) {
    let equals = equals(of: added.override)
    let replaced = equals.filter { $0.number < added.number }
    for one in replaced { remove(one) }
    let later = equals.last { $0.number > added.number }
    if later == nil { insert(added) }
    return (replaced, later)
  }

  mutating func insert(_ override: NumberedOverride) {
    byDomain[override.override.domain, default: []].append(override)
    count += 1
  }

  /// - Returns: false where it was gone already.
  @discardableResult mutating func remove(_ override: NumberedOverride) -> Bool {
    let domain = override.override.domain
    guard let index = byDomain[domain]?.firstIndex(where: { $0.number == override.number }) else { return false }
    byDomain[domain]?.remove(at: index)
    if byDomain[domain]?.isEmpty ?? false { byDomain[domain] = nil }
    count -= 1
    return true
  }
}
