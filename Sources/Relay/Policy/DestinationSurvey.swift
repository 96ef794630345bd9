public import DNSRecords
public import MailSyntax
import TransportSecurity

/// Finds out what a delivery to a domain would go by, and sends nothing. It asks what `ExchangerDeliverer` asks, of the
/// same look-up, the same gatherer and the same `decide` (Law 6).
public struct DestinationSurvey: Sendable {
  private let settings: ExchangerSettings
  private let lookup: ExchangerLookup
  private let gatherer: EvidenceGatherer
  private let resolver: any Resolver
  private let looksAtPolicies: Bool
  private let clock: any MailClock

  /// - Parameter memory: what is known of domains beside the DNS and the configuration. Without a source of MTA-STS
  ///   policies the account has none.
  public init(
    _ settings: ExchangerSettings, resolver: any Resolver, memory: PolicyMemory = PolicyMemory(),
    clock: any MailClock, random: any RandomSource
  ) {
    var settings = settings
    settings.spellOnce()
    self.settings = settings
    self.resolver = resolver
    self.clock = clock
    lookup = ExchangerLookup(resolver: resolver, own: settings.ownNames, random: random)
    gatherer = EvidenceGatherer(settings, resolver: resolver, memory: memory, clock: clock)
    looksAtPolicies = memory.policies != nil
  }

  /// - Parameters:
  ///   - written: the recipients' domain, however it is spelled.
  ///   - wish: what the sender asks for.
  /// - Returns: never throws; as long as its look-ups take, each of which is bounded.
  public func survey(_ written: MailDomain, wish: TLSWish) async -> DestinationAccount {
    let domain = settings.converter.canonicalForm(of: written)
    let selection = await lookup.hosts(of: domain)
    let now = clock.now
    switch selection {
    case .fault(let fault):
      var account = DestinationAccount(
        domain, wish: wish, floor: gatherer.floor(for: domain), port: settings.port, at: now)
      account.fault = fault
      return account
    case .hosts(let hosts, let names, _):
      let evidence = await gatherer.evidence(
        of: domain, names: names, wish: wish, leastFloor: nil, isLastAttempt: false, from: .anySender)
      var account = DestinationAccount(
        domain, wish: wish, floor: gatherer.floor(of: evidence), port: settings.port, at: now)
      account.history = gatherer.history(of: evidence)
      if looksAtPolicies { account.sts = evidence.sts }
      account.alias = names.count > 1 ? names.last : nil
      if let name = domain.name {
        account.announcement = await announcement("v=STSv1", at: "_mta-sts.\(name.folded)")
        account.reporting = await announcement("v=TLSRPTv1", at: "_smtp._tls.\(name.folded)")
      }
      for host in hosts { account.hosts.append(await look(at: host, of: evidence)) }
      return account
    }
  }

  private func look(at host: ExchangerHost, of domain: EvidenceGatherer.OfDomain) async -> HostAccount {
    let addresses = await lookup.addresses(of: host)
    let fault = addresses.fault(isImplicit: host.isImplicit)
    let policy = fault == nil ? await gatherer.policy(for: host, of: domain, addresses: addresses) : nil
    return HostAccount(
      name: host.name, preference: host.preference, isImplicit: host.isImplicit, security: host.security,
      addresses: addresses.proven, fault: fault, policy: policy, tlsName: host.tlsName)
  }

  /// - Parameter version: what a record of the kind begins with. Others are another's.
  private func announcement(_ version: String, at place: String) async -> TextAnnouncement {
    // A name too long for the DNS has no records.
    guard let name = try? DomainName(place) else { return .absent }
    switch await resolver.texts(of: name) {
    case .records(let set):
      let texts = set.records.filter { $0.starts(with: version.utf8) }.prefix(TextAnnouncement.maximumTexts)
      guard !texts.isEmpty else { return .absent }
      // An answer has its records in no order.
      let read = texts.map { String(decoding: $0.prefix(TextAnnouncement.maximumOctets), as: UTF8.self) }.sorted()
      return .published(read, set.security)
    case .none, .noSuchName: return .absent
    case .failed(let reason), .bogus(let reason): return .failed(reason: reason)
    }
  }
}

extension ReversePath {
  /// Stands for any sender, where nobody sends: what was steady holds for everybody's mail but our own reports.
  public static var anySender: ReversePath {
    (try? Mailbox("sender@example.org")).map(ReversePath.mailbox) ?? .null
  }
}

extension EvidenceGatherer {
  /// The one that goes by these settings and this memory, for deliveries and for those who look ahead of them.
  init(_ settings: ExchangerSettings, resolver: any Resolver, memory: PolicyMemory, clock: any MailClock) {
    self.init(
      rules: settings.rules, policies: memory.policies, tlsa: TLSALookup(resolver), overrides: memory.overrides,
      ratchet: memory.ratchet, port: settings.port, clock: clock)
  }
}

extension HostAddresses {
  /// Each with the state of the answer that it stands in.
  fileprivate var proven: [HostAccount.Address] {
    switch self {
    case .literal(let address): [HostAccount.Address(address: address, security: .insecure)]
    case .answers(_, let v6, let v4):
      [v6, v4].flatMap { answer -> [HostAccount.Address] in
        guard case .records(let set) = answer else { return [] }
        return set.records.prefix(ExchangerLookup.maximumAddresses).map {
          HostAccount.Address(address: $0, security: set.security)
        }
      }
    }
  }
}
