import MailMessage
import MailQueue
import MailSyntax
import OrderedCollections
import Relay
import SMTPGrammar

/// What the server's file says until it is read again.
struct SimulatedConfiguration: Sendable {
  let options: QueueRunner.Options
  /// Whether shop.example is ours. Else its mail goes out, and what is queued for its route waits for it.
  var servesShop = true
  /// Deliveries at once, by hop.
  private let concurrencies: [Int]

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
    self.options = options
    concurrencies = SimulatedInternet.hops.map { _ in 1 + random.below(4) }
  }

  func routes(to internet: SimulatedInternet, during life: Life) -> RouteTable {
    let routes = zip(SimulatedInternet.hops, concurrencies).map { key, concurrency in
      (
        key,
        Route(
          deliverer: SimulatedHop(name: key.rawValue, world: internet, life: life), maximumConcurrency: concurrency,
          ending: key == SimulatedInternet.outbound ? .relayed : .finalDelivery)
      )
    }
    return RouteTable(
      OrderedDictionary(uniqueKeysWithValues: routes.filter { servesShop || $0.0 != SimulatedInternet.shop }))
  }

  func routing() throws -> Routing {
    let example = LocalDomain(
      name: try DomainName("example.com"),
      recipients: ["anna", "bulk", "boss", "carl"].map { .init($0) },
      aliases: [
        .init("all", targets: [try Mailbox("anna@example.com"), try Mailbox("carl@example.com")]),
        .init("everywhere", targets: [try Mailbox("carl@example.com"), try Mailbox("desk@shop.example")]),
      ],
      delivery: SimulatedInternet.local, postmaster: try Mailbox("boss@example.com"))
    let shop = LocalDomain(
      name: try DomainName("shop.example"), recipients: [.init("shop"), .init("desk")],
      delivery: SimulatedInternet.shop, postmaster: try Mailbox("desk@shop.example"))
    return try Routing(domains: servesShop ? [example, shop] : [example], outbound: .route(SimulatedInternet.outbound))
  }
}
