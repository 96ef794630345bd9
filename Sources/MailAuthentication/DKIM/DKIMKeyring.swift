public import MailSyntax

/// The keys that this house signs with. A value: who changes it writes the whole to where it is kept.
///
/// Bound: `maximumSelectors`.
public struct DKIMKeyring: Sendable {
  public static let maximumSelectors = 10_000

  /// Within a domain in the order they were made; without domains that have none.
  private var byDomain: [DomainName: [DKIMSelector]] = [:]
  public private(set) var count = 0

  public init() {}

  public init(_ selectors: [DKIMSelector]) throws(DKIMKeyringFault) {
    for selector in selectors { try add(selector) }
  }

  public mutating func add(_ selector: DKIMSelector) throws(DKIMKeyringFault) {
    guard count < DKIMKeyring.maximumSelectors else { throw .tooMany }
    guard selector.recordName != nil else { throw .nameTooLong(selector.name, selector.domain) }
    guard self[selector.name, selector.domain] == nil else { throw .duplicate(selector.name, selector.domain) }
    byDomain[selector.domain, default: []].append(selector)
    count += 1
  }

  public var isEmpty: Bool { count == 0 }

  /// By domain, and within one in the order they were made.
  public var selectors: [DKIMSelector] {
    byDomain.sorted { $0.key.folded < $1.key.folded }.flatMap(\.value)
  }

  /// In the order they were made.
  public func selectors(of domain: DomainName) -> [DKIMSelector] { byDomain[domain] ?? [] }

  public subscript(name: DomainName, domain: DomainName) -> DKIMSelector? {
    byDomain[domain]?.first { $0.name == name }
  }

  /// A name that tells when the key was made and of which kind it is, and that nothing of the domain has.
  ///
  /// - Parameter moment: to the second, so that no name comes back for another key, whose old record somebody may
  ///   remember (RFC 6376 §3.1).
  public func freshName(
    for domain: DomainName, _ kind: DKIMKey.Kind, at moment: String
  ) throws(MailSyntaxError) -> DomainName {
    var number = 1
    while true {
      let name = try DomainName(number == 1 ? "\(moment)-\(kind.rawValue)" : "\(moment)-\(kind.rawValue)-\(number)")
      if self[name, domain] == nil { return name }
      number += 1
    }
  }

  /// How mail of these authors is signed: by each one's own domain, or by the nearest above it that has keys that sign,
  /// which is in alignment with it for DMARC (RFC 9989 §4.4.1). Each once, with one signature of each kind of key.
  ///
  /// - Parameter authors: in their ASCII form.
  public func signings(for authors: [DomainName]) -> [DKIMSigning] {
    var signings: [DKIMSigning] = []
    for author in authors {
      guard let domain = signer(of: author), !signings.contains(where: { $0.domain == domain }) else { continue }
      for selector in selectors(of: domain) where selector.standing == .signing {
        signings.append(DKIMSigning(domain: domain, selector: selector.name, key: selector.key))
      }
    }
    return signings
  }

  /// The domain in whose name an author's mail is signed; nil where none has a key that signs.
  public func signer(of author: DomainName) -> DomainName? {
    if let own = signing(domain: author) { return own }
    for parent in author.domainsAbove {
      if let found = signing(domain: parent) { return found }
    }
    return nil
  }

  /// The domain as its keys have it; nil where none of them signs.
  private func signing(domain: DomainName) -> DomainName? {
    byDomain[domain]?.first { $0.standing == .signing }?.domain
  }

  /// A step on a key's way.
  public struct Step: Hashable, Sendable {
    public enum Deed: Hashable, Sendable {
      case beganSigning
      case retired
      /// Nothing that it signed can be on its way any more, and its record is gone.
      case forgotten
    }
    public let domain: DomainName
    public let name: DomainName
    public let deed: Deed
  }

  /// Takes what the DNS shows at a selector, and goes on by it.
  ///
  /// - Parameter afterlife: how long a retired key's record is needed (`DKIMSelector.afterlife`).
  /// - Returns: what changed.
  public mutating func take(
    _ publication: DKIMPublication, of name: DomainName, _ domain: DomainName, afterlife: Duration, now: UTCInstant
  ) -> [Step] {
    var held = selectors(of: domain)
    guard let index = held.firstIndex(where: { $0.name == name }) else { return [] }
    switch (held[index].standing, publication) {
    case (.waiting, .published):
      var steps = [Step(domain: domain, name: name, deed: .beganSigning)]
      for other in held.indices where held[other].standing == .signing && held[other].key.kind == held[index].key.kind {
        held[other].move(to: .retired, at: now)
        steps.append(Step(domain: domain, name: held[other].name, deed: .retired))
      }
      held[index].move(to: .signing, at: now)
      byDomain[domain] = held
      return steps
    case (.retired, .absent) where held[index].since + afterlife <= now:
      _ = remove(name, domain)
      return [Step(domain: domain, name: name, deed: .forgotten)]
    case (.waiting, .absent), (.waiting, .differs), (.waiting, .unanswered), (.signing, .published),
      (.signing, .absent),
      (.signing, .differs), (.signing, .unanswered), (.retired, .published), (.retired, .absent), (.retired, .differs),
      (.retired, .unanswered):
      return []
    }
  }

  /// Takes a key away for good; nil where there is none of that name.
  public mutating func remove(_ name: DomainName, _ domain: DomainName) -> DKIMSelector? {
    guard var held = byDomain[domain], let index = held.firstIndex(where: { $0.name == name }) else { return nil }
    let removed = held.remove(at: index)
    byDomain[domain] = held.isEmpty ? nil : held
    count -= 1
    return removed
  }
}

extension DKIMSelector {
  fileprivate mutating func move(to standing: Standing, at now: UTCInstant) {
    self.standing = standing
    since = now
  }
}

public enum DKIMKeyringFault: Error, Hashable, Sendable, CustomStringConvertible {
  case tooMany
  case duplicate(DomainName, DomainName)
  case nameTooLong(DomainName, DomainName)

  public var description: String {
    switch self {
    case .tooMany: "there are \(DKIMKeyring.maximumSelectors) keys already, and there may be no more"
    case .duplicate(let name, let domain): "there is a key \(name) of \(domain) already"
    case .nameTooLong(let name, let domain): "\(name)._domainkey.\(domain) is longer than a name of the DNS may be"
    }
  }
}
