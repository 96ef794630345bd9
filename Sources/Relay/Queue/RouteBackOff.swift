import MailSyntax

/// How a route rests after its host or destination failed, so that the other mail of the route isn't spent on it.
///
/// The rest doubles with every failure up to a bound. When it is over one delivery probes the route; a success opens it
/// again. Only a delivery that began after the last change counts, so that twenty deliveries that meet one outage make
/// one step and not twenty.
struct RouteBackOff: Hashable, Sendable {
  private(set) var failures = 0
  /// Grows with every change; a delivery remembers the one it began under.
  private(set) var generation: Int
  private(set) var until: Uptime?
  private(set) var isProbing = false

  init(generation: Int = 0) { self.generation = generation }

  var isOpen: Bool { failures == 0 }
  func isResting(at uptime: Uptime) -> Bool { until.map { $0 > uptime } ?? false }

  /// A delivery begins. Returns the generation it belongs to.
  mutating func begin() -> Int {
    isProbing = !isOpen
    return generation
  }

  /// A delivery ended without a word of the host.
  mutating func endedWithoutAnswer(of generation: Int) {
    if generation == self.generation { isProbing = false }
  }

  mutating func failed(of generation: Int, at uptime: Uptime, initial: Duration, maximum: Duration) {
    guard generation == self.generation else { return }
    var rest = initial
    for _ in 0..<failures where rest < maximum { rest = rest * 2 }
    failures += 1
    self.generation += 1
    isProbing = false
    until = uptime + min(rest, maximum)
  }

  mutating func answered(of generation: Int) {
    guard generation == self.generation else { return }
    open()
  }

  mutating func open() {
    if failures > 0 { renew() }
  }

  /// Starts anew: no delivery that has begun counts any more.
  mutating func renew() {
    failures = 0
    generation += 1
    isProbing = false
    until = nil
  }
}
