public import MailSyntax

/// Values for single domains: of a domain itself, or of all below one. Pure.
public struct DomainTable<Value: Hashable & Sendable>: Hashable, Sendable {
  private var own: [DomainName: Value] = [:]
  private var below: [DomainName: Value] = [:]

  public init() {}
  public var isEmpty: Bool { own.isEmpty && below.isEmpty }

  /// - Parameter isBelow: the value is of the domains below this one, and not of itself.
  public mutating func set(_ value: Value, for domain: DomainName, below isBelow: Bool = false) {
    if isBelow { below[domain] = value } else { own[domain] = value }
  }

  /// The domain's own value, else that of the closest domain above it, with the rule's name as the operator wrote it:
  /// `example.org`, or `.example.org` for all below.
  public func match(_ domain: DomainName) -> (value: Value, rule: String)? {
    if let value = own[domain] { return (value, "\(domain)") }
    return matchAbove(domain)
  }

  /// What holds for the domains below this one that have no value of their own, nor any between.
  public func matchBelow(_ domain: DomainName) -> (value: Value, rule: String)? {
    if let value = below[domain] { return (value, ".\(domain)") }
    return matchAbove(domain)
  }

  private func matchAbove(_ domain: DomainName) -> (value: Value, rule: String)? {
    guard !below.isEmpty else { return nil }
    for parent in domain.domainsAbove {
      if let value = below[parent] { return (value, ".\(parent.folded)") }
    }
    return nil
  }

  /// Every value of a domain below this one, or of all below such a one, by the rules' names.
  public func rules(below domain: DomainName) -> [(value: Value, rule: String)] {
    func isBelow(_ name: DomainName) -> Bool { name != domain && name.isAtOrBelow(domain) }
    let found =
      own.filter { isBelow($0.key) }.map { (value: $0.value, rule: "\($0.key)") }
      + below.filter { isBelow($0.key) }.map { (value: $0.value, rule: ".\($0.key)") }
    return found.sorted { $0.rule < $1.rule }
  }

  /// The same table with every name in its one form, for look-ups by such. Of two spellings of one name that in its own
  /// letters counts.
  public func spelled(by converter: any IDNAConverter) -> DomainTable {
    var table = DomainTable()
    for (name, value) in own.sorted(by: { $0.key.folded < $1.key.folded }) {
      table.own[converter.canonicalForm(of: name)] = value
    }
    for (name, value) in below.sorted(by: { $0.key.folded < $1.key.folded }) {
      table.below[converter.canonicalForm(of: name)] = value
    }
    return table
  }

  /// The value for a mail domain; none is set for an address literal.
  public subscript(domain: MailDomain) -> Value? { domain.name.flatMap { match($0)?.value } }
}
