public import MailQueue
public import MailSyntax

/// A route that rests after its host or destination failed.
public struct RestingRoute: Hashable, Sendable {
  public let route: RouteKey
  public let until: UTCInstant
  /// In a row, as far as they made the rest longer.
  public let failures: Int
}

extension QueueRunner {
  /// Routes that are named; more are counted only.
  public static let maximumNamedRestingRoutes = 100

  /// The routes at rest at this moment, those that end soonest first, and how many more there are.
  public var restingRoutes: (named: [RestingRoute], more: Int) {
    let (now, uptime) = (clock.now, clock.uptime)
    let resting = withState { state in
      state.window.routeStates.compactMap { key, route -> RestingRoute? in
        guard let until = route.backOff.until, until > uptime else { return nil }
        return RestingRoute(route: key, until: now + (until - uptime), failures: route.backOff.failures)
      }
    }.sorted { ($0.until, $0.route) < ($1.until, $1.route) }
    let named = Array(resting.prefix(QueueRunner.maximumNamedRestingRoutes))
    return (named, resting.count - named.count)
  }
}
