import MailMessage
import MailQueue
import MailSyntax
import OrderedCollections
import Relay
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// What the server's file says until it is read again.
struct SimulatedConfiguration: Sendable {
  private(set) var options: QueueRunner.Options
  /// Whether shop.example is ours. Else its mail goes out, and what is queued for its route waits for it.
  var servesShop = true
  /// Whether mail for other domains goes to their mail exchangers, else all of it to one hop.
  var usesExchangers: Bool
  private let exchangerConcurrency: Int
  private var domainPace: Int?
  private var hostPace: Int?
  private var pool: PoolLimits
  private let usesChunking: Bool
  let onDowngrade: SteadyTLS.Conduct
  /// Deliveries at once, by hop.
  private let concurrencies: [Int]

  /// For days that ask who has his turn when: there is memory enough, and the hands are few.
  static func even(_ random: SeededRandom) throws -> SimulatedConfiguration {
    var configuration = try SimulatedConfiguration(random)
    configuration.usesExchangers = true
    configuration.domainPace = nil
    configuration.hostPace = nil
    configuration.options.maximumLanes = 64
    // All of a destination's mail may be in memory.
    configuration.options.window = 100
    configuration.options.maximumErrands = 2_000
    configuration.options.maximumConcurrency = 4 + random.below(5)
    // Only the turns of the queue keep one destination from having every hand.
    configuration.pool = PoolLimits(
      maximumConnections: configuration.options.maximumConcurrency, maximumTransactions: 5, idleTime: .seconds(20))
    return configuration
  }

  /// Draws small bounds, so that every one of them is met.
  init(_ random: SeededRandom) throws {
    var options = QueueRunner.Options(
      hostName: try DomainName("mx.example.com"),
      schedule: try RetrySchedule(delays: [.seconds(60), .seconds(300), .seconds(900)], jitterPercent: 20))
    options.giveUpAfter = random.chance(50) ? .seconds(2 * 3_600) : .seconds(5 * 86_400)
    options.delayReportAfter = .seconds(3_600)
    options.window = 1 + random.below(4)
    options.maximumHeldMessages = random.below(4)
    options.maximumRecipients = 1 + random.below(4)
    options.maximumConcurrency = 2 + random.below(6)
    options.surveyInterval = .seconds(60 + random.below(600))
    options.drainTime = .seconds(10)
    usesExchangers = random.chance(75)
    exchangerConcurrency = 1 + random.below(4)
    let isPaced = random.chance(30)
    domainPace = isPaced ? 6 + random.below(30) : nil
    hostPace = isPaced ? 6 + random.below(60) : nil
    pool = PoolLimits(
      maximumConnections: 1 + random.below(4), maximumTransactions: 1 + random.below(5), idleTime: .seconds(20))
    usesChunking = random.chance(70)
    onDowngrade = random.pick([.alert, .hold])
    concurrencies = SimulatedInternet.hops.map { _ in 1 + random.below(4) }
    // Fewer places than there are lanes, so that mail is left to the store and must be found again.
    options.maximumLanes = 1 + random.below(4)
    options.maximumErrands = random.below(6)
    options.surveyPage = 1 + random.below(3)
    self.options = options
  }

  func routes(to internet: SimulatedInternet, during life: Life, _ memory: PolicyMemory, _ random: any RandomSource)
    -> RouteTable
  {
    let routes = zip(SimulatedInternet.hops, concurrencies).map { key, concurrency in
      (
        key,
        Route(
          deliverer: SimulatedHop(name: key.rawValue, world: internet, life: life), maximumConcurrency: concurrency,
          ending: key == SimulatedInternet.outbound ? .relayed : .finalDelivery)
      )
    }
    let named = routes.filter { key, _ in
      (servesShop || key != SimulatedInternet.shop) && (!usesExchangers || key != SimulatedInternet.outbound)
    }
    return RouteTable(
      OrderedDictionary(uniqueKeysWithValues: named),
      exchangers: usesExchangers ? exchangers(of: internet, during: life, memory, random) : nil)
  }

  private func exchangers(
    of internet: SimulatedInternet, during life: Life, _ memory: PolicyMemory, _ random: any RandomSource
  ) -> Route {
    let own = internet.foreign.own
    var rules = DestinationRules()
    for domain in internet.foreign.domains.values { rules.floors.set(domain.floor, for: domain.name) }
    var settings = ExchangerSettings(
      egress: Egress(name: .name(own)), ownNames: [own], rules: rules, perDomain: TrafficLimit(perMinute: domainPace),
      perHost: TrafficLimit(perMinute: hostPace), pool: pool)
    settings.usesChunking = usesChunking
    let deliverer = ExchangerDeliverer(
      settings, resolver: SimulatedResolver(internet: internet), memory: memory,
      dialer: SimulatedDialer(internet: internet, life: life),
      clock: internet.clock, random: random, events: internet.trace)
    return Route(
      deliverer: VisitingDeliverer(deliverer: deliverer, visits: internet.visits, clock: internet.clock),
      maximumConcurrency: exchangerConcurrency, ending: .relayed,
      origin: .exchanger)
  }

  /// The way of mail for a domain that isn't ours.
  private var outbound: Routing.Outbound { usesExchangers ? .exchangers : .route(SimulatedInternet.outbound) }

  func routing() throws -> Routing {
    let example = LocalDomain(
      name: try DomainName("example.com"),
      recipients: ["anna", "bulk", "boss", "carl"].map { .init($0) },
      aliases: [
        .init("all", targets: [try Mailbox("anna@example.com"), try Mailbox("carl@example.com")]),
        .init(
          "everywhere",
          targets: [
            try Mailbox("carl@example.com"), try Mailbox("desk@shop.example"), try Mailbox("all@far.example"),
          ]),
      ],
      delivery: SimulatedInternet.local, postmaster: try Mailbox("boss@example.com"))
    let shop = LocalDomain(
      name: try DomainName("shop.example"), recipients: [.init("shop"), .init("desk")],
      delivery: SimulatedInternet.shop, postmaster: try Mailbox("desk@shop.example"))
    return try Routing(domains: servesShop ? [example, shop] : [example], outbound: outbound)
  }
}
