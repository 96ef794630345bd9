import MailSyntax

/// Somebody who owns the network until the faults stop: what passes in clear, the DNS where nothing is signed, and the
/// way to everybody's policy host. What he can't do is make a signature that isn't his: no proven DNS data, no
/// certificate of an authority but for his own name, no other machine's key.
struct Attacker: Sendable {
  /// His own mail host, which proves itself as well as any: with a certificate for its name, and TLSA records in a signed
  /// zone.
  static let hostName = "mx.mallory.example"

  typealias Attack = InjectedFault.Attack

  private struct Intent: Sendable {
    let attack: Attack?
    let chance: Int
  }
  /// Both at a time, as it comes.
  private let onWires: Phases<Intent>
  private let onNames: Phases<Intent>

  /// At a peaceful place.
  static let nobody = Attacker()

  private init() {
    onWires = Phases(always: Intent(attack: nil, chance: 0))
    onNames = Phases(always: Intent(attack: nil, chance: 0))
  }

  init(from now: Uptime, to end: Uptime, _ random: SeededRandom) {
    func phases(_ attacks: [Attack]) -> Phases<Intent> {
      Phases(from: now, to: end, upTo: 2_400, random, last: Intent(attack: nil, chance: 0)) { _ in
        Intent(attack: random.chance(60) ? random.pick(attacks) : nil, chance: random.pick([30, 70, 100]))
      }
    }
    onWires = phases(Attack.onWires)
    onNames = phases(Attack.onNames)
  }

  /// What he does to a connection that is made now.
  func attackOnWire(at moment: Uptime, _ random: SeededRandom) -> Attack? {
    let intent = onWires.value(at: moment)
    return random.chance(intent.chance) ? intent.attack : nil
  }

  /// Whether he does this to a question that is asked now.
  func makes(_ attack: Attack, at moment: Uptime, _ random: SeededRandom) -> Bool {
    let intent = onNames.value(at: moment)
    return intent.attack == attack && random.chance(intent.chance)
  }
}
