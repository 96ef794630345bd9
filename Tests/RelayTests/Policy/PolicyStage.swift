import DNSRecords
import MailQueue
import MailSyntax
import QueueModel
import Relay
import Simulation
import Synchronization
import Testing
import TransportSecurity

/// One domain, its TXT records, its policy host and a keeper of its policy, in a world of virtual time.
final class PolicyStage: Sendable {
  static let domain = constantName("far.example")

  let clock: VirtualClock
  let texts: ScriptedTexts
  let fetcher: ScriptedFetcher
  let events = EventLog()
  private let current: Mutex<ModelPolicyStore>
  private let random: SeededRandom

  private init(_ world: World, seed: UInt64) {
    clock = VirtualClock(world)
    texts = ScriptedTexts(clock)
    fetcher = ScriptedFetcher(clock)
    current = Mutex(ModelPolicyStore(clock: clock))
    random = SeededRandom(seed: seed)
  }

  /// Runs the scene to its end.
  static func play(
    seed: UInt64 = 1, sourceLocation: SourceLocation = #_sourceLocation,
    _ scene: @escaping @Sendable (PolicyStage) async throws -> Void
  ) {
    let world = World(seed: seed)
    let stage = PolicyStage(world, seed: seed)
    let hasEnded = world.run {
      do { try await scene(stage) } catch { Issue.record(error, sourceLocation: sourceLocation) }
      return true
    }
    #expect(hasEnded == true, "somebody waits for what never comes", sourceLocation: sourceLocation)
  }

  var store: ModelPolicyStore { current.withLock { $0 } }

  func keeper() async throws -> PolicyKeeper {
    try await PolicyKeeper(
      store: store, resolver: texts, fetcher: fetcher, clock: clock, random: random, events: events)
  }

  /// The power is cut and the process started anew.
  func restart(seed: UInt64 = 1) async throws -> PolicyKeeper {
    var generator = RandomSourceGenerator(SeededRandom(seed: seed))
    current.withLock { $0 = $0.crash(using: &generator) }
    return try await keeper()
  }

  /// The policy that the store would give after a power cut.
  func stored() async throws -> StoredSTSPolicy? {
    try await store.policies().first { $0.domain == PolicyStage.domain }
  }

  /// The texts of alarms, by `what`.
  func alarms(_ what: String) -> [MailEvent] { events.events.filter { $0["what"] == .text(what) } }

  /// Lets a keeper look after its policies meanwhile.
  func running(_ keeper: PolicyKeeper, _ scene: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await keeper.run() }
      try await scene()
      group.cancelAll()
    }
  }
}

extension STSPolicy {
  static func sample(
    _ mode: Mode = .enforce, days: Int64 = 7, _ patterns: String...
  ) -> STSPolicy {
    let patterns = patterns.isEmpty ? ["mx.far.example"] : patterns
    return STSPolicy(mode: mode, maxAge: .days(days), patterns: patterns.map { STSPattern($0) })
  }
}

extension Duration {
  static func days(_ count: Int64) -> Duration { .seconds(count * 86_400) }
}

extension STSEvidence {
  var policy: STSPolicy? {
    guard case .inForce(let known, _) = self else { return nil }
    return known.policy
  }
  var trouble: STSTrouble? {
    switch self {
    case .absent: nil
    case .inForce(_, let trouble): trouble
    case .unavailable(let trouble): trouble
    }
  }
  var isUnavailable: Bool {
    guard case .unavailable = self else { return false }
    return true
  }
}

/// The TXT records at one name.
final class ScriptedTexts: Resolver {
  private struct State {
    var answer: DNSAnswer<[UInt8]> = .noSuchName(.insecure)
    var asked: [String] = []
    var delay = Duration.zero
    var atHand: DNSAnswer<[UInt8]>?
  }
  private let clock: VirtualClock
  private let state = Mutex(State())
  init(_ clock: VirtualClock) { self.clock = clock }

  var asked: [String] { state.withLock { $0.asked } }

  func announce(_ ids: String...) { publish(ids.map { "v=STSv1; id=\($0);" }) }
  func publish(_ texts: [String]) {
    answer(
      texts.isEmpty
        ? .none(.insecure)
        : .records(
          DNSRecordSet(
            records: texts.map { Array($0.utf8) }, canonicalName: constantName("_mta-sts.far.example"),
            security: .insecure, timeToLive: .seconds(60))))
  }
  func answer(_ answer: DNSAnswer<[UInt8]>) { state.withLock { $0.answer = answer } }
  /// What is answered now stays at hand, whatever is published later.
  func keepAtHand() { state.withLock { $0.atHand = $0.answer } }
  func delay(_ delay: Duration) { state.withLock { $0.delay = delay } }

  func textsAtHand(of name: DomainName) -> DNSAnswer<[UInt8]>? {
    name.folded == "_mta-sts.far.example" ? state.withLock { $0.atHand } : nil
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    let delay = state.withLock { state in
      state.asked.append(name.description)
      return state.delay
    }
    await clock.sleep(for: delay)
    return name.folded == "_mta-sts.far.example" ? state.withLock { $0.answer } : .noSuchName(.insecure)
  }
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { .none(.insecure) }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> { .none(.insecure) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { .none(.insecure) }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { .none(.insecure) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { .none(.insecure) }
}

/// A policy host.
final class ScriptedFetcher: PolicyFetcher {
  static let trouble = STSTrouble(.stsPolicyFetchError, "the host is down")

  private struct State {
    var answer: Result<STSPolicy, STSTrouble> = .failure(ScriptedFetcher.trouble)
    var fetched: [String] = []
    var needs: [PolicyNeed] = []
    var time = Duration.milliseconds(80)
  }
  private let clock: VirtualClock
  private let state = Mutex(State())
  init(_ clock: VirtualClock) { self.clock = clock }

  var count: Int { state.withLock { $0.fetched.count } }
  var fetched: [String] { state.withLock { $0.fetched } }
  var needs: [PolicyNeed] { state.withLock { $0.needs } }
  func publish(_ policy: STSPolicy) { state.withLock { $0.answer = .success(policy) } }
  func fail(_ trouble: STSTrouble = trouble) { state.withLock { $0.answer = .failure(trouble) } }
  func take(_ time: Duration) { state.withLock { $0.time = time } }

  func fetch(_ domain: DomainName, for need: PolicyNeed) async throws(STSTrouble) -> STSPolicy {
    let time = state.withLock { state in
      state.fetched.append(domain.description)
      state.needs.append(need)
      return state.time
    }
    await clock.sleep(for: time)
    guard !Task.isCancelled else { throw STSTrouble(.stsPolicyFetchError, "the fetch was cut off") }
    return try state.withLock { $0.answer }.get()
  }
}
