public import MailQueue
public import OrderedCollections

/// One way out: who hands the mail over, and how much at once.
public struct Route: Sendable {
  public static let defaultConcurrency = 20

  public let deliverer: any Deliverer
  /// Deliveries at the same time.
  public let maximumConcurrency: Int
  public let ending: Ending
  public let origin: HostOrigin

  /// What a success means for who asked to be told of it (RFC 3461 §5.2.2, §5.2.3).
  public enum Ending: Hashable, Sendable {
    /// The mailbox itself: `delivered`.
    case finalDelivery
    /// Another server that isn't asked to report: `relayed`, and no more is heard.
    case relayed
  }

  public init(
    deliverer: any Deliverer, maximumConcurrency: Int = Route.defaultConcurrency, ending: Ending = .finalDelivery,
    origin: HostOrigin = .configured
  ) {
    self.deliverer = deliverer
    self.maximumConcurrency = max(1, maximumConcurrency)
    self.ending = ending
    self.origin = origin
  }
}

/// Who named the hosts of a route. What a host's refusal means depends on it.
public enum HostOrigin: String, Hashable, Sendable, CaseIterable {
  /// Our own operator: that it is the wrong one is a fault of ours, and no reason to bounce mail.
  case configured
  /// The MX records of the recipient's domain.
  case exchanger = "mx"
}

/// Every route by its key. A reload makes a new table and swaps it whole; mail in the queue follows, for a route is
/// looked up again at every attempt.
///
/// Beside the named routes one route may stand for all mail exchangers, every `mx/…` key: thousands of destinations, each
/// with a concurrency and a rest of its own. Mail that was queued under another configuration finds its way too: where
/// there are no exchangers `mx/…` goes by the route `outbound`, and where only they are, `outbound` goes to them; their
/// deliverer parts the recipients by domain.
public struct RouteTable: Sendable {
  private let routes: OrderedDictionary<RouteKey, Route>
  private let exchangers: Route?
  private let perDomain: TrafficLimit

  /// - Parameters:
  ///   - exchangers: the route of every `mx/…` key.
  ///   - perDomain: what single destinations may have at the same time, in place of the exchangers' route's.
  public init(
    _ routes: OrderedDictionary<RouteKey, Route>, exchangers: Route? = nil, perDomain: TrafficLimit = TrafficLimit()
  ) {
    self.routes = routes
    self.exchangers = exchangers
    self.perDomain = perDomain
  }

  public subscript(key: RouteKey) -> Route? {
    if let route = routes[key] { return route }
    if key.leadsToExchangers { return exchangers ?? routes[.outbound] }
    return key == .outbound ? exchangers : nil
  }

  /// How many deliveries the key may have at the same time; 1 without a route, where each ends at once.
  public func concurrency(of key: RouteKey) -> Int {
    let route = self[key]?.maximumConcurrency ?? 1
    guard !perDomain.rules.isEmpty, let domain = key.destination else { return route }
    return perDomain.rules[domain]?.atOnce ?? route
  }

  /// The key under which its deliveries are counted and its failures remembered: `outbound` for all the `mx/…` that go
  /// by that route, else its own.
  func counted(_ key: RouteKey) -> RouteKey {
    key.leadsToExchangers && exchangers == nil && routes[key] == nil && routes[.outbound] != nil ? .outbound : key
  }

  /// The named routes.
  public var keys: [RouteKey] { Array(routes.keys) }

  /// Ends every deliverer.
  public func close() async {
    for route in routes.values { await route.deliverer.close() }
    await exchangers?.deliverer.close()
  }
}
