import MailQueue
import MailSyntax
import OrderedCollections
import Relay

/// What stands around the server in a simulated world: the clock, the randomness, the moods of the next hops, and the
/// ledger that knows what really happened.
final class SimulatedInternet: @unchecked Sendable {
  static let outbound = RouteKey.outbound
  static let local = RouteKey(rawValue: "domain/example.com")
  static let shop = RouteKey(rawValue: "domain/shop.example")
  static let hops: [RouteKey] = [outbound, local, shop]

  /// What a run looks at.
  enum Weather: Sendable {
    /// Everything fails.
    case storm
    /// Nothing fails but some destinations, for which there is much mail: no other may wait for them.
    case uneven(UnevenDestinations)
  }

  let weather: Weather
  let world: World
  let clock: VirtualClock
  let random: SeededRandom
  let trace: Trace
  let ledger = Ledger()
  /// The domains and mail hosts that aren't ours.
  let foreign: ForeignInternet
  let visits = ExchangerVisits()
  let oracle: WireOracle
  private let attacker: Attacker
  /// The domains of which the attacker once said that his host takes their mail.
  var misled: Set<DomainName> = []
  /// Those whose policy an operator has forgotten right now.
  private var forgetting: Set<DomainName> = []
  /// Cuts the server's power at once.
  var cutPower: (() -> Void)?
  /// From then on everything works: what is queued must leave.
  let faultsEnd: Uptime
  /// How often each kind of fault was met. Looked up only.
  private(set) var injected: [InjectedFault: Int] = [:]
  private var nextFault: OrderedDictionary<[DeliveryStage], Int> = [:]
  private let seed: UInt64
  private var moods: OrderedDictionary<String, [(until: Uptime, mood: Mood)]> = [:]

  private var dnsMoods: [(until: Uptime, chance: Int, trouble: InjectedFault.DNSTrouble)] = []
  private var nextRefusal: OrderedDictionary<DeliveryStage, Int> = [:]

  init(_ world: World, seed: UInt64, keepsTrace: Bool) throws {
    self.world = world
    clock = VirtualClock(world)
    random = SeededRandom(seed: seed)
    trace = Trace(clock: clock, keepsLines: keepsTrace)
    self.seed = seed
    // Every eighth.
    weather = seed % 8 == 0 ? .uneven(try UnevenDestinations(random)) : .storm
    faultsEnd = clock.uptime + .seconds(3_600 + random.below(7_200))
    let own = try DomainName("mx.example.com")
    switch weather {
    case .storm: foreign = try ForeignInternet(random, now: clock.uptime, faultsEnd: faultsEnd, own: own)
    case .uneven(let destinations):
      foreign = try ForeignInternet(destinations.domains.mapValues(\.mood), faultsEnd: faultsEnd, own: own)
    }
    ledger.foreign = foreign
    oracle = WireOracle(clock: clock)
    switch weather {
    case .storm: attacker = Attacker(from: clock.uptime, to: faultsEnd, random)
    case .uneven: attacker = .nobody
    }
    trace.follow { [ledger] in ledger.happened($0) }
    guard case .storm = weather else { return }
    for hop in SimulatedInternet.hops { moods[hop.rawValue] = drawMoods() }
    var until = clock.uptime
    while until < faultsEnd {
      until = until + .seconds(30 + random.below(900))
      dnsMoods.append((until, random.pick([0, 0, 10, 60]), random.pick(InjectedFault.DNSTrouble.allCases)))
    }
  }

  func mood(of hop: String) -> Mood {
    guard clock.uptime < faultsEnd else { return .well }
    return moods[hop]?.first { clock.uptime < $0.until }?.mood ?? .well
  }

  func inject(_ chaos: InjectedFault.Chaos) { injected[.chaos(chaos), default: 0] += 1 }

  func inject(_ fault: InjectedFault.HostFault) { injected[.host(fault), default: 0] += 1 }
  func inject(_ fault: InjectedFault) { injected[fault, default: 0] += 1 }

  /// The fault that the DNS's next answer is; nil where it answers.
  func dnsTrouble() -> InjectedFault.DNSTrouble? {
    guard let mood = dnsMoods.first(where: { clock.uptime < $0.until }),
      random.chance(mood.chance)
    else { return nil }
    inject(.dns(mood.trouble))
    return mood.trouble
  }

  /// What the attacker does to a connection to a host.
  func attackOnWire(to host: MailHost) -> InjectedFault.Attack? {
    guard host.key != .attackers else { return nil }
    return attacker.attackOnWire(at: clock.uptime, random)
  }

  /// Whether the attacker does this to a question that is asked now.
  func suffers(_ attack: InjectedFault.Attack) -> Bool {
    guard attacker.makes(attack, at: clock.uptime, random) else { return false }
    inject(.attack(attack))
    return true
  }

  func forgets(_ domain: DomainName, _ isForgetting: Bool) {
    if isForgetting { forgetting.insert(domain) } else { forgetting.remove(domain) }
  }
  func isForgetting(_ domain: DomainName) -> Bool { forgetting.contains(domain) }

  /// A delivery to a mail host reaches a stage: now and then the power is cut right there.
  func passes(_ stage: DeliveryStage) {
    guard case .storm = weather, clock.uptime < faultsEnd, random.below(SimulatedInternet.passesPerCut) == 0 else {
      return
    }
    inject(.cutDuring(stage))
    cutPower?()
  }
  private static let passesPerCut = 500

  /// A refusal of the golden table, each in turn.
  func nextRefusal(at stage: DeliveryStage) -> String {
    let all = InjectedFault.refusals
    let place = nextRefusal[stage] ?? Int(seed &* 13 % UInt64(all.count))
    nextRefusal[stage] = (place + 1) % all.count
    inject(.refusal(stage, reply: all[place]))
    return "\(all[place]) words that decide nothing"
  }

  /// The next fault of the golden table at one of these stages. All combinations come in turn, in an order that has
  /// nothing to do with the table's, and each seed begins elsewhere, by steps near the golden section: together some
  /// hundred seeds meet every one.
  func nextFault(at stages: [DeliveryStage]) -> DeliveryFault {
    let combinations = stages.count * FaultCatalogue.causes.count
    let place = nextFault[stages] ?? Int(seed &* 229 % UInt64(combinations))
    nextFault[stages] = (place + 1) % combinations
    // 101 is prime and divides no such number, so the step visits all.
    let number = place * 101 % combinations
    let stage = stages[number % stages.count]
    let (name, cause) = FaultCatalogue.causes[number / stages.count]
    injected[.answer(stage, cause: name), default: 0] += 1
    return DeliveryFault(stage: stage, cause: cause)
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
    switch random.below(7) {
    case 0: .well
    case 1: Mood(refusesSessions: 100)
    case 2: Mood(refusesSessions: 20, refusesRecipients: 40)
    case 3: Mood(refusesRecipients: 15, losesWords: 20)
    case 4: Mood(refusesRecipients: 60)
    case 5: Mood(refusesSessions: 5, recipientLimit: 1 + random.below(2))
    case _: Mood(refusesRecipients: 10, slowest: .seconds(120))
    }
  }
}
