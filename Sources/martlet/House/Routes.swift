import Configuration
import DNSRecords
import InternationalDomainNames
import LocalDelivery
import MailQueue
import MailSyntax
import NIOPosix
import OrderedCollections
import Relay
import SASLMechanisms
import SMTPSessions
import SMTPTransport
import SystemWorld

extension RouteTable {
  /// Every route that the configuration names, with the deliverer behind it.
  init(
    _ configuration: Configuration, foundation: HouseFoundation, resolver: (any DNSRecords.Resolver)?,
    memory: PolicyMemory, clock: SystemClock, random: SystemRandom, events: any EventSink
  ) throws {
    var routes: OrderedDictionary<RouteKey, Route> = [:]
    let concurrency = configuration.queue.routeConcurrency
    let dialer = try NIODialer(
      loops: foundation.loops, roots: try TrustRoots(for: configuration), sources: SourceAlarms(events: events),
      now: { clock.now })
    let hashing = foundation.hashingPool
    let identity = HostIdentity.name(configuration.hostName)
    let egress = Egress(configuration)
    var exchangers: Route?

    func deliverer(
      to destination: Configuration.Destination, delimiter: Character? = nil
    ) throws -> any Deliverer {
      switch destination {
      case .maildir(let path):
        MaildirDeliverer(
          template: try MaildirTemplate(path, recipientDelimiter: delimiter),
          hostName: configuration.hostName.description, clock: clock,
          threads: foundation.deliveryThreads)
      case .lmtp(let target):
        try LMTPDeliverer(
          LMTPDeliverer.Settings(target: target, identity: identity), dialer: dialer, watch: foundation.dialogues)
      case .discard: DiscardDeliverer()
      }
    }

    for domain in configuration.domains {
      routes[.domain(domain.name)] = Route(
        deliverer: try deliverer(to: domain.deliver, delimiter: domain.recipientDelimiter),
        maximumConcurrency: concurrency)
    }
    switch configuration.outbound.route {
    case .none: break
    case .exchangers:
      guard let resolver else { throw FileTrouble("the route mx needs a resolver") }
      exchangers = Route(
        deliverer: ExchangerDeliverer(
          ExchangerSettings(configuration), resolver: resolver, memory: memory, dialer: dialer, clock: clock,
          random: random, events: events, watch: foundation.dialogues),
        maximumConcurrency: concurrency, ending: .relayed, origin: .exchanger)
    case .local(let destination):
      routes[.outbound] = Route(deliverer: try deliverer(to: destination), maximumConcurrency: concurrency)
    case .smarthost(let smarthost):
      routes[.outbound] = Route(
        deliverer: SmarthostDeliverer(
          try SmarthostDeliverer.Settings(smarthost, egress: egress),
          dialer: dialer, random: random,
          // Up to tenths of a second of work: no event loop waits for it.
          derive: { derivation in
            (try? await hashing.runIfActive { derivation.run() }) ?? derivation.run()
          }, watch: foundation.dialogues),
        maximumConcurrency: concurrency, ending: .relayed)
    }
    var perDomain = configuration.outbound.exchangers.perDomain
    perDomain.rules = perDomain.rules.spelled(by: LibraryIDNAConverter())
    self.init(routes, exchangers: exchangers, perDomain: perDomain)
  }
}

extension Egress {
  init(_ configuration: Configuration) {
    let sources = [configuration.outbound.egress.v4, configuration.outbound.egress.v6].compactMap { $0 }
    self.init(
      name: .name(configuration.hostName),
      sources: sources.map { Source($0.address, name: $0.ehlo.map { .name($0) }) })
  }
}

extension ExchangerSettings {
  init(_ configuration: Configuration) {
    let outbound = configuration.outbound
    let names = [configuration.hostName] + outbound.exchangers.ownNames
    let ehlo = [outbound.egress.v4?.ehlo, outbound.egress.v6?.ehlo].compactMap { $0 }
    self.init(
      egress: Egress(configuration), ownNames: Set(names + ehlo), rules: outbound.rules,
      perDomain: outbound.exchangers.perDomain, perHost: outbound.exchangers.perHost, converter: LibraryIDNAConverter())
    port = outbound.exchangers.port
  }
}

extension RouteTable {
  /// For the domains whose recipients aren't listed: the server behind the domain's route, and what it has said. A new
  /// table has forgotten all of it, so that a reload lets a new mailbox in at once.
  func recipientChecks(
    _ configuration: Configuration, clock: SystemClock, events: any EventSink
  ) -> [RouteKey: RecipientCheck] {
    var checks: [RouteKey: RecipientCheck] = [:]
    for domain in configuration.domains where domain.asksForRecipients {
      let key = RouteKey.domain(domain.name)
      guard let authority = self[key]?.deliverer as? any RecipientAuthority else { continue }
      checks[key] = RecipientCheck(authority, route: key, clock: clock, events: events)
    }
    return checks
  }
}

extension SmarthostDeliverer.Settings {
  init(_ smarthost: Configuration.Smarthost, egress: Egress) throws {
    self.init(
      host: smarthost.host, port: smarthost.port, tls: smarthost.tls == .implicit ? .implicit : .startTLS,
      egress: egress)
    usesChunking = smarthost.usesChunking
    switch smarthost.authentication {
    case .none: break
    case .password(let user, let file): credentials = .password(user: user, try SecretFile.read(file))
    case .tokenCommand(let user, let command):
      credentials = .token(user: user, TokenCommand(words: command))
    }
  }
}

extension Configuration {
  /// How mail of strangers is authenticated, by a resolver that need not be proven: SPF, DKIM and DMARC go by records that
  /// need not be signed.
  func inboundAuthentication(
    _ foundation: HouseFoundation, resolver: (any DNSRecords.Resolver)?, ledger: AuthenticationLedger
  ) -> InboundAuthentication? {
    guard let mode = inbound.authentication else { return nil }
    let converter = LibraryIDNAConverter()
    var settings = InboundAuthentication.Settings(mode: mode, uncheckedNetworks: inbound.lists.uncheckedNetworks)
    for domain in domains { settings.modes[converter.canonicalForm(of: domain.name)] = domain.authentication }
    let (configuration, resolvers) = (self, foundation.resolvers)
    return InboundAuthentication(settings, converter: converter, ledger: ledger) {
      resolver ?? resolvers.strangersResolver(for: configuration)
    }
  }

  /// Where mail goes by MX, addresses of domains that take none are refused while the client is there.
  func nullExchangers(_ resolver: (any DNSRecords.Resolver)?, clock: SystemClock) -> NullExchangerCheck? {
    guard outbound.route == .exchangers else { return nil }
    return resolver.map { NullExchangerCheck($0, clock: clock) }
  }
}

extension TrustRoots {
  /// Whom a next hop's certificate is judged by. Nil where none shows one and no file is named: a system without
  /// authorities can serve too.
  init?(for configuration: Configuration) throws(TrustRootsFault) {
    guard configuration.hasVerifiedNextHop || !configuration.trustRoots.isEmpty else { return nil }
    self = try .files(configuration.trustRoots)
  }
}
