import MailQueue
import MailSyntax
import OrderedCollections
import Relay

/// What stands around the server in a simulated world: the clock, the randomness, the moods of the next hops, and the
/// ledger that knows what really happened.
final class SimulatedInternet: @unchecked Sendable {
  static let outbound = RouteKey(rawValue: "outbound")
  static let local = RouteKey(rawValue: "domain/example.com")
  static let shop = RouteKey(rawValue: "domain/shop.example")
  static let hops: [RouteKey] = [outbound, local, shop]

  let world: World
  let clock: VirtualClock
  let random: SeededRandom
  let trace: Trace
  let ledger = Ledger()
  /// From then on everything works: what is queued must leave.
  let faultsEnd: Uptime
  private var moods: OrderedDictionary<String, [(until: Uptime, mood: Mood)]> = [:]

  init(_ world: World, seed: UInt64, keepsTrace: Bool) {
    self.world = world
    clock = VirtualClock(world)
    random = SeededRandom(seed: seed)
    trace = Trace(clock: clock, keepsLines: keepsTrace)
    faultsEnd = clock.uptime + .seconds(3_600 + random.below(7_200))
    for hop in SimulatedInternet.hops { moods[hop.rawValue] = drawMoods() }
    trace.follow { [ledger] in ledger.happened($0) }
  }

  func mood(of hop: String) -> Mood {
    guard clock.uptime < faultsEnd else { return .well }
    return moods[hop]?.first { clock.uptime < $0.until }?.mood ?? .well
  }

  /// A mood lasts up to half an hour.
  private func drawMoods() -> [(until: Uptime, mood: Mood)] {
    var moods: [(until: Uptime, mood: Mood)] = []
    var until = clock.uptime
    while until < faultsEnd {
      until = until + .seconds(60 + random.below(1_800))
      moods.append((until, drawMood()))
    }
    return moods
  }

  private func drawMood() -> Mood {
    switch random.below(6) {
    case 0: .well
    case 1: Mood(refusesSessions: 100)
    case 2: Mood(refusesSessions: 20, refusesRecipients: 40)
    case 3: Mood(refusesRecipients: 15, losesWords: 20)
    case 4: Mood(refusesSessions: 5, recipientLimit: 1 + random.below(2))
    case _: Mood(refusesRecipients: 10, slowest: .seconds(120))
    }
  }
}
