public import MailQueue
public import MailSyntax

/// Which route mail for an address takes. A value: a reload makes a new one and swaps it whole.
///
/// Every alias is followed once, when the value is made: a loop is a fault of the configuration, and no address a peer
/// sends makes the look-up longer than two probes. The envelope's sender never enters: an alias leaves it as it is
/// (RFC 5321 §3.9.1).
public struct Routing: Sendable {
  public static let maximumAliasDepth = 16
  public static let maximumAliasTargets = 1_000

  /// The way of mail for domains that aren't ours.
  public enum Outbound: Hashable, Sendable {
    /// One route takes all of it.
    case route(RouteKey)
    /// It goes to each domain's mail exchangers: a route a domain, so that each has limits and rests of its own.
    case exchangers

    func route(to domain: MailDomain) -> RouteKey {
      switch self {
      case .route(let key): key
      case .exchangers: .exchangers(of: domain)
      }
    }
  }

  private let entries: [DomainName: DomainEntries]
  private let outbound: Outbound?
  private let firstDomain: DomainName?
  private let converter: any IDNAConverter

  /// - Parameters:
  ///   - domains: ours; the first is the primary one, whose postmaster hears of what can't be told to anybody else.
  ///   - outbound: the way of mail for all other domains; nil when we carry none.
  ///   - converter: finds a domain however it is spelled, in A-labels or in letters of its own (RFC 6531 §3.2).
  public init(
    domains: [LocalDomain], outbound: Outbound?, converter: any IDNAConverter = UnchangedNames()
  ) throws(RoutingFaults) {
    var expander = AliasExpander(domains: domains, outbound: outbound, converter: converter)
    var entries: [DomainName: DomainEntries] = [:]
    for domain in domains { entries[converter.canonicalForm(of: domain.name)] = expander.entries(of: domain) }
    guard expander.faults.isEmpty else { throw RoutingFaults(faults: expander.faults) }
    self.entries = entries
    self.outbound = outbound
    firstDomain = domains.first?.name
    self.converter = converter
  }

  public func isOwn(_ domain: MailDomain) -> Bool { entries(of: domain) != nil }

  private func entries(of domain: MailDomain) -> DomainEntries? {
    domain.name.flatMap { entries[converter.canonicalForm(of: $0)] }
  }

  public func route(_ path: ForwardPath, reach: RoutingReach) -> RoutingAnswer {
    switch path {
    case .mailbox(let mailbox):
      return route(mailbox, reach: reach)
    case .postmaster:
      // RFC 5321 §4.5.1: `<postmaster>` without a domain is always taken.
      let recipients = primaryPostmaster
      return recipients.isEmpty ? .unknownUser : .deliver(recipients)
    }
  }

  public func route(_ mailbox: Mailbox, reach: RoutingReach) -> RoutingAnswer {
    guard let domain = entries(of: mailbox.domain) else {
      guard reach == .anywhere else { return .notOurs }
      guard let outbound else { return .noRoute }
      let route = outbound.route(to: converter.canonicalForm(of: mailbox.domain))
      return .deliver([ResolvedRecipient(address: mailbox, route: route)])
    }
    return domain.recipients(for: mailbox.localPart).map { .deliver($0) } ?? .unknownUser
  }

  /// Whom to ask another server about before the path is taken: a name of a domain whose recipients aren't listed.
  public func question(_ path: ForwardPath) -> ResolvedRecipient? {
    guard case .mailbox(let mailbox) = path else { return nil }
    return entries(of: mailbox.domain)?.question(for: mailbox.localPart)
  }

  /// The address that stands for others, as this house writes it; nil where the path names a recipient itself, or
  /// nobody of ours. What only a catch-all takes stands for where that leads.
  public func alias(_ path: ForwardPath) -> Mailbox? {
    let named: Mailbox
    switch path {
    case .mailbox(let mailbox): named = mailbox
    case .postmaster:
      guard let primary = primaryPostmasterAddress else { return nil }
      named = primary
    }
    return entries(of: named.domain)?.alias(for: named.localPart)
  }

  /// Where mail for the postmaster of the first domain goes; empty without a domain of ours.
  public var primaryPostmaster: [ResolvedRecipient] {
    guard let firstDomain, let domain = entries(of: .name(firstDomain)) else { return [] }
    return domain.recipients(for: Routing.postmaster) ?? []
  }

  /// Whom a person writes to about this mail system: the postmaster of the first domain, as an address.
  var primaryPostmasterAddress: Mailbox? {
    firstDomain.flatMap { try? Mailbox("\(Routing.postmaster)@\($0)") }
  }

  /// Where people write who can't reach us otherwise: the postmaster (RFC 5321 §4.5.1) and the abuse desk (RFC 2142 §2)
  /// of any domain of ours.
  func hearsComplaints(_ path: ForwardPath) -> Bool {
    guard case .mailbox(let mailbox) = path else { return true }
    guard let domain = entries(of: mailbox.domain) else { return false }
    let base = Routing.split(mailbox.localPart, at: domain.delimiter)?.base ?? mailbox.localPart.lowercasedASCII()
    return base == Routing.postmaster || base == Routing.abuse
  }

  static let postmaster = "postmaster"
  static let abuse = "abuse"

  /// `Anna+Lists` as `anna` and `+Lists`; nil without a delimiter behind the first octet.
  static func split(_ localPart: String, at delimiter: UInt8?) -> (base: String, tag: String)? {
    guard let delimiter, let (user, detail) = Mailbox.splitDetail(of: localPart, at: delimiter) else { return nil }
    return (user.lowercasedASCII(), String(detail))
  }
}

/// The answers of one domain, by local part in lower case.
struct DomainEntries: Sendable {
  enum Entry: Hashable, Sendable {
    case recipient(localPart: String, route: RouteKey)
    case targets([ResolvedRecipient])
  }
  let name: DomainName
  let delimiter: UInt8?
  var byLocalPart: [String: Entry] = [:]
  var catchAll: [ResolvedRecipient]?
  /// The route of those who live here by another server's word.
  var asked: RouteKey?

  func recipients(for localPart: String) -> [ResolvedRecipient]? {
    guard let found = entry(for: localPart) else { return question(for: localPart).map { [$0] } ?? catchAll }
    return resolved(found.entry, tag: found.tag)
  }

  func question(for localPart: String) -> ResolvedRecipient? {
    guard let asked, entry(for: localPart) == nil else { return nil }
    let (base, tag) = Routing.split(localPart, at: delimiter) ?? (localPart.lowercasedASCII(), "")
    return ResolvedRecipient(address: Mailbox(localPart: base + tag, domain: .name(name)), route: asked)
  }

  func alias(for localPart: String) -> Mailbox? {
    switch entry(for: localPart) {
    case (let base, .targets, _)?: Mailbox(localPart: base, domain: .name(name))
    case (_, .recipient, _)?: nil
    case nil:
      catchAll == nil || asked != nil ? nil : Mailbox(localPart: localPart.lowercasedASCII(), domain: .name(name))
    }
  }

  /// With the name as it is configured, in lower case.
  private func entry(for localPart: String) -> (base: String, entry: Entry, tag: String)? {
    if let known = byLocalPart.index(forKey: localPart.lowercasedASCII()) {
      return (byLocalPart[known].key, byLocalPart[known].value, "")
    }
    guard let (base, tag) = Routing.split(localPart, at: delimiter), let known = byLocalPart.index(forKey: base) else {
      return nil
    }
    return (byLocalPart[known].key, byLocalPart[known].value, tag)
  }

  private func resolved(_ entry: Entry, tag: String) -> [ResolvedRecipient] {
    switch entry {
    case .recipient(let localPart, let route):
      [ResolvedRecipient(address: Mailbox(localPart: localPart + tag, domain: .name(name)), route: route)]
    case .targets(let targets): targets
    }
  }
}
