import MailQueue
import MailSyntax
import OrderedCollections

/// Follows every alias of the configured domains to where its mail ends, and collects what is wrong with them.
struct AliasExpander {
  private(set) var faults: [RoutingFault] = []
  private let outbound: Routing.Outbound?
  private let converter: any IDNAConverter
  /// By the domain's one form.
  private var domains: OrderedDictionary<DomainName, Index> = [:]

  private struct Index {
    let domain: LocalDomain
    var recipients: OrderedDictionary<String, LocalDomain.Recipient> = [:]
    var aliases: OrderedDictionary<String, [Mailbox]> = [:]
  }

  init(domains: [LocalDomain], outbound: Routing.Outbound?, converter: any IDNAConverter) {
    self.outbound = outbound
    self.converter = converter
    for domain in domains { add(domain) }
  }

  private mutating func add(_ domain: LocalDomain) {
    let name = converter.canonicalForm(of: domain.name)
    guard domains[name] == nil else { return faults.append(.duplicateDomain(domain.name)) }
    var index = Index(domain: domain)
    for recipient in domain.recipients {
      let folded = recipient.localPart.lowercasedASCII()
      if index.recipients.updateValue(recipient, forKey: folded) != nil {
        faults.append(.duplicateRecipient(mailbox(recipient.localPart, at: domain)))
      }
    }
    for alias in domain.aliases {
      let source = mailbox(alias.localPart, at: domain)
      if alias.targets.isEmpty { faults.append(.emptyAlias(source)) }
      if index.aliases.updateValue(alias.targets, forKey: alias.localPart.lowercasedASCII()) != nil {
        faults.append(.duplicateAlias(source))
      }
    }
    for (role, target) in [
      (Routing.postmaster, domain.postmaster), (Routing.abuse, domain.abuse ?? domain.postmaster),
    ] where index.recipients[role] == nil && index.aliases[role] == nil {
      index.aliases[role] = [target]
    }
    domains[name] = index
  }

  /// The finished answers of one domain.
  mutating func entries(of domain: LocalDomain) -> DomainEntries {
    var entries = DomainEntries(
      name: domain.name, delimiter: domain.recipientDelimiter?.asciiValue,
      asked: domain.asksForRecipients ? domain.delivery : nil)
    guard let index = domains[converter.canonicalForm(of: domain.name)] else { return entries }
    for (folded, recipient) in index.recipients {
      entries.byLocalPart[folded] = .recipient(
        localPart: recipient.localPart, route: recipient.delivery ?? domain.delivery)
    }
    for (folded, targets) in index.aliases {
      entries.byLocalPart[folded] = .targets(expand(targets, of: mailbox(folded, at: domain)))
    }
    if let catchAll = domain.catchAll {
      entries.catchAll = expand([catchAll], of: mailbox("*", at: domain))
    }
    return entries
  }

  private mutating func expand(_ targets: [Mailbox], of source: Mailbox) -> [ResolvedRecipient] {
    let known = faults.count
    var walk = Walk(source: source)
    follow(targets, by: &walk)
    return faults.count == known ? Array(walk.found) : []
  }

  /// The way from one alias to all its ends.
  private struct Walk {
    let source: Mailbox
    /// The aliases between the source and here.
    var path: OrderedSet<Key>
    /// Followed to the end already: two ways to one alias cost no more than one.
    var done: Set<Key> = []
    var found: OrderedSet<ResolvedRecipient> = []

    init(source: Mailbox) {
      self.source = source
      path = [Key(domain: source.domain, localPart: source.localPart.lowercasedASCII())]
    }
  }

  /// A domain and a local part in lower case: what all spellings of one address of ours share.
  private struct Key: Hashable {
    let domain: MailDomain
    let localPart: String
  }

  private mutating func follow(_ targets: [Mailbox], by walk: inout Walk) {
    guard walk.path.count <= Routing.maximumAliasDepth else { return faults.append(.tooDeep(source: walk.source)) }
    for target in targets {
      guard walk.found.count < Routing.maximumAliasTargets else {
        return faults.append(.tooManyTargets(source: walk.source))
      }
      let domain = converter.canonicalForm(of: target.domain)
      guard let name = domain.name, let index = domains[name] else {
        guard let outbound else {
          faults.append(.unroutableTarget(source: walk.source, target: target))
          continue
        }
        walk.found.append(ResolvedRecipient(address: target, route: outbound.route(to: domain)))
        continue
      }
      follow(target, in: index, by: &walk)
    }
  }

  private mutating func follow(_ target: Mailbox, in index: Index, by walk: inout Walk) {
    let (base, tag) = split(target.localPart, at: index)
    let step = Key(domain: .name(index.domain.name), localPart: base)
    guard !walk.done.contains(step) || index.aliases[base] == nil else { return }
    // An alias that names itself keeps a copy: the second time round the recipient is meant.
    if let next = index.aliases[base], !walk.path.contains(step) {
      walk.path.append(step)
      follow(next, by: &walk)
      walk.path.removeLast()
      walk.done.insert(step)
    } else if let recipient = index.recipients[base] {
      let address = Mailbox(localPart: recipient.localPart + tag, domain: .name(index.domain.name))
      walk.found.append(ResolvedRecipient(address: address, route: recipient.delivery ?? index.domain.delivery))
    } else if index.domain.asksForRecipients {
      let address = Mailbox(localPart: base + tag, domain: .name(index.domain.name))
      walk.found.append(ResolvedRecipient(address: address, route: index.domain.delivery))
    } else if index.aliases[base] != nil {
      faults.append(.loop(source: walk.source, at: target))
    } else {
      // The catch-all is for strangers: a target of ours that nobody has is a mistake, not a wish.
      faults.append(.unknownTarget(source: walk.source, target: target))
    }
  }

  /// The local part as the index knows it, in lower case, and the tag behind it.
  private func split(_ localPart: String, at index: Index) -> (base: String, tag: String) {
    let folded = localPart.lowercasedASCII()
    guard index.recipients[folded] == nil, index.aliases[folded] == nil else { return (folded, "") }
    return Routing.split(localPart, at: index.domain.recipientDelimiter?.asciiValue) ?? (folded, "")
  }

  private func mailbox(_ localPart: String, at domain: LocalDomain) -> Mailbox {
    Mailbox(localPart: localPart, domain: .name(domain.name))
  }
}
