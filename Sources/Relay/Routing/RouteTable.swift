public import MailQueue
public import OrderedCollections

/// One way out: who hands the mail over, and how much at once.
public struct Route: Sendable {
  public static let defaultConcurrency = 20

  public let deliverer: any Deliverer
  /// Deliveries at the same time.
  public let maximumConcurrency: Int
  public let ending: Ending

  /// What a success means for who asked to be told of it (RFC 3461 §5.2.2, §5.2.3).
  public enum Ending: Hashable, Sendable {
    /// The mailbox itself: `delivered`.
    case finalDelivery
    /// Another server that isn't asked to report: `relayed`, and no more is heard.
    case relayed
  }

  public init(
    deliverer: any Deliverer, maximumConcurrency: Int = Route.defaultConcurrency, ending: Ending = .finalDelivery
  ) {
    self.deliverer = deliverer
    self.maximumConcurrency = max(1, maximumConcurrency)
    self.ending = ending
  }
}

/// Every route by its key. A reload makes a new table and swaps it whole; mail in the queue follows, for a route is
/// looked up again at every attempt.
public struct RouteTable: Sendable {
  private let routes: OrderedDictionary<RouteKey, Route>
  public init(_ routes: OrderedDictionary<RouteKey, Route>) { self.routes = routes }
  public subscript(key: RouteKey) -> Route? { routes[key] }
  public var keys: [RouteKey] { Array(routes.keys) }
  /// Ends every deliverer.
  public func close() async {
    for route in routes.values { await route.deliverer.close() }
  }
}
