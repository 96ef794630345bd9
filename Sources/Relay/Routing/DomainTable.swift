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
    guard !below.isEmpty else { return nil }
    var rest = domain.folded[...]
    while let dot = rest.firstIndex(of: ".") {
      rest = rest[rest.index(after: dot)...]
      if let parent = try? DomainName(rest), let value = below[parent] { return (value, ".\(parent)") }
    }
    return nil
  }

  /// The same table with every name in its one form, for look-ups by such.
  public func spelled(by converter: any IDNAConverter) -> DomainTable {
    var table = DomainTable()
    for (name, value) in own { table.own[converter.canonicalForm(of: name)] = value }
    for (name, value) in below { table.below[converter.canonicalForm(of: name)] = value }
    return table
  }

  /// The value for a mail domain; none is set for an address literal.
  public subscript(domain: MailDomain) -> Value? { domain.name.flatMap { match($0)?.value } }
}
