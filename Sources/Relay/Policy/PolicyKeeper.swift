import Accounts
public import DNSRecords
public import MailQueue
public import MailSyntax
public import TransportSecurity

/// Knows each domain's MTA-STS policy: finds it, keeps it, looks after it. Source: RFC 8461 §3.3, §5.1, §10.2.
///
/// What was fetched is in the store before it counts, so that no restart forgets it (Law 2). A policy holds until it
/// expires, whatever the network says meanwhile. All that changes a domain's policy happens in that domain's turn: of many
/// deliveries that need a policy one fetches it, and the others find it.
public actor PolicyKeeper: STSPolicySource {
  /// Of a look-up; the resolver's cache answers most at once.
  public static let lookUpTime: Duration = .seconds(20)
  /// Of a fetch, the wait for its turn among others included.
  public static let fetchTime: Duration = .seconds(90)
  /// The wait for a domain's turn, in which at most one fetch is ahead that others don't find the answer of.
  public static let turnTime: Duration = .seconds(120)
  /// No second fetch so soon after one that failed. RFC 8461 §3.3 asks for as much for each id; here it holds whatever the
  /// id, or a domain that changes it with every answer would be fetched from for every message.
  public static let restAfterFailure: Duration = .seconds(300)
  /// What was fetched so lately is news enough where a policy is asked for anew.
  public static let freshness: Duration = .seconds(300)
  /// Domains whose last failure is remembered.
  static let maximumRests = 10_000

  /// Why a policy is looked at.
  enum Occasion: Sendable {
    case delivery, lastAttempt, upkeep, operatorsWord

    var need: PolicyNeed {
      switch self {
      case .delivery, .lastAttempt, .operatorsWord: .mail
      case .upkeep: .upkeep
      }
    }
  }

  struct Rest: Sendable {
    let recordID: String
    let until: Uptime
    let trouble: STSTrouble
  }

  let store: any PolicyStore
  let resolver: any Resolver
  let fetcher: any PolicyFetcher
  let clock: any MailClock
  let events: any EventSink
  var random: RandomSourceGenerator
  let turns = Turns<DomainName>()
  var kept = KeptPolicies()
  var rests = RecencyTable<DomainName, Rest>(capacity: PolicyKeeper.maximumRests)
  var alarms = PolicyAlarms()

  /// Reads what the store keeps: where that can't be had there is no keeper, for it would apply less than it should.
  public init(
    store: any PolicyStore, resolver: any Resolver, fetcher: any PolicyFetcher, clock: any MailClock,
    random: any RandomSource, events: any EventSink
  ) async throws(StoreFault) {
    self.store = store
    self.resolver = resolver
    self.fetcher = fetcher
    self.clock = clock
    self.random = RandomSourceGenerator(random)
    self.events = events
    let (now, uptime) = (clock.now, clock.uptime)
    for stored in try await store.policies() {
      let remaining = KeptPolicies.remaining(of: stored.known, at: now)
      // Work that fell due while the process was down is spread out; what can't be read is fetched at once.
      let due = max(.zero, stored.known.fetchedAt + PolicyKeeper.refreshInterval - now)
      let spread = min(PolicyKeeper.catchUpTime, remaining / 4) * self.random.fraction()
      let wait = stored.known.recordID.isEmpty ? .zero : min(due + spread, remaining / 2)
      kept[stored.domain] = KeptPolicies.Entry(
        stored: stored, expires: uptime + remaining, refreshDue: uptime + wait,
        latestEnd: uptime + stored.known.policy.maxAge)
    }
  }

  // MARK: For deliveries

  /// What is known of the policy of a domain that mail is about to go to.
  ///
  /// Asks the DNS, and fetches where that announces a policy that isn't known (STS-001 to STS-003): otherwise it takes as
  /// long as a cached answer. With a smart host the domain is the smart host's (§3.4).
  ///
  /// - Parameter domain: in A-labels.
  public func evidence(for domain: DomainName) async -> STSEvidence {
    let asked = clock.uptime
    let discovery = await discover(domain, takesAnswerAtHand: true)
    kept.noteUse(of: domain, at: clock.now)
    guard case .announced(let record) = discovery else { return unannounced(domain, discovery) }
    if let entry = entryInForce(domain), entry.isSaved, entry.known.recordID == record.id {
      return .inForce(entry.known)
    }
    guard await takeTurn(of: domain) else { return held(domain, .noTurn) }
    defer { turns.giveBack(domain) }
    return await follow(record, of: domain, since: asked)
  }

  /// Looks anew before a message is given up for a policy's sake: for a new id, and for what the file says now
  /// (RFC 8461 §5.1). What was fetched within `freshness` is new enough.
  public func recheck(_ domain: DomainName) async -> STSEvidence {
    await lookAnew(domain, since: clock.uptime + (.zero - PolicyKeeper.freshness), on: .lastAttempt)
  }

  /// Looks at the TXT record and the file, whatever is known of either.
  ///
  /// - Parameter since: a fetch that ended later is enough.
  func lookAnew(_ domain: DomainName, since: Uptime, on occasion: Occasion) async -> STSEvidence {
    let discovery = await discover(domain, takesAnswerAtHand: false)
    guard await takeTurn(of: domain) else { return held(domain, .noTurn) }
    defer { turns.giveBack(domain) }
    // RFC 8461 §3.3: a policy that is kept is refreshed even where nothing announces it any more.
    guard let id = discovery.record?.id ?? entryInForce(domain)?.known.recordID else {
      return unannounced(domain, discovery)
    }
    if let entry = entryInForce(domain), entry.isSaved, entry.known.recordID == id, let fetched = entry.fetched,
      fetched >= since
    {
      return .inForce(entry.known)
    }
    if let rest = rest(of: domain, id, on: occasion) { return held(domain, rest.trouble) }
    return await fetch(domain, id, on: occasion)
  }

  /// In the domain's turn: the policy that a record announces.
  private func follow(_ record: STSRecord, of domain: DomainName, since asked: Uptime) async -> STSEvidence {
    if let entry = kept[domain], entry.known.recordID == record.id {
      // One that expires at once (max_age 0) still counts for those who waited for it.
      let isFresh = entry.fetched.map { $0 >= asked } ?? false
      if isFresh || entry.isInForce(at: clock.uptime) {
        if !entry.isSaved { await saveAgain(entry) }
        return .inForce(entry.known)
      }
    }
    if let rest = rest(of: domain, record.id, on: .delivery) { return held(domain, rest.trouble) }
    return await fetch(domain, record.id, on: .delivery)
  }

  // MARK: What is known

  func entryInForce(_ domain: DomainName) -> KeptPolicies.Entry? {
    let uptime = clock.uptime
    guard let entry = kept[domain] else { return nil }
    guard !entry.isInForce(at: uptime) else { return entry }
    kept.reviveByWallClock(domain, now: clock.now, uptime: uptime)
    return kept[domain].flatMap { $0.isInForce(at: uptime) ? $0 : nil }
  }

  /// The policy can't be looked after: one that is kept holds (STS-018), else there is none to apply (STS-017).
  func held(_ domain: DomainName, _ trouble: STSTrouble) -> STSEvidence {
    entryInForce(domain).map { .inForce($0.known, trouble: trouble) } ?? .unavailable(trouble)
  }

  /// Nothing is announced, or nobody could say: what is kept holds all the same (RFC 8461 §3.1). That nobody could say
  /// is no absence: whoever suppresses an answer must not be able to have mail returned for the want of a policy.
  private func unannounced(_ domain: DomainName, _ discovery: Discovery) -> STSEvidence {
    if let entry = entryInForce(domain) { return .inForce(entry.known, trouble: discovery.trouble(with: domain)) }
    guard case .failed = discovery, let trouble = discovery.trouble(with: domain) else { return .absent }
    return .unavailable(trouble)
  }

  /// The failure behind which no fetch may follow yet.
  private func rest(of domain: DomainName, _ recordID: String, on occasion: Occasion) -> Rest? {
    guard let rest = rests.value(for: domain), clock.uptime < rest.until else { return nil }
    switch occasion {
    case .delivery, .upkeep: return rest
    // RFC 8461 §5.1: no mail is given up before a new id was looked at.
    case .lastAttempt: return rest.recordID == recordID ? rest : nil
    case .operatorsWord: return nil
    }
  }

  func takeTurn(of domain: DomainName) async -> Bool {
    await turns.take(domain, within: PolicyKeeper.turnTime, of: clock)
  }

  // MARK: Discovery

  enum Discovery: Sendable {
    case announced(STSRecord)
    case unannounced(STSDiscovery)
    case failed(reason: String)

    var record: STSRecord? {
      guard case .announced(let record) = self else { return nil }
      return record
    }

    func trouble(with domain: DomainName) -> STSTrouble? {
      let place = "_mta-sts.\(domain.folded)"
      let words: String
      switch self {
      case .announced, .unannounced(.announced): return nil
      case .unannounced(.absent): words = "no TXT record at \(place) announces it any more"
      case .unannounced(.ambiguous(let count)):
        words = "\(count) TXT records at \(place) begin with v=STSv1, and only one may"
      case .unannounced(.malformed(let fault)): words = "the TXT record at \(place) can't be read: \(fault)"
      case .failed(let reason): words = "the TXT record at \(place) can't be looked up: \(reason)"
      }
      return STSTrouble(.stsPolicyFetchError, words)
    }
  }

  /// The domain's own record, and never its parent's (RFC 8461 §3.4).
  ///
  /// - Parameter takesAnswerAtHand: one that was given to another delivery a moment ago is enough.
  private func discover(_ domain: DomainName, takesAnswerAtHand: Bool) async -> Discovery {
    let name: DomainName
    do throws(MailSyntaxError) {
      name = try DomainName("_mta-sts", under: domain)
    } catch {
      // There can't be such a name in the DNS.
      return .unannounced(.absent)
    }
    if takesAnswerAtHand, let answer = resolver.textsAtHand(of: name) { return PolicyKeeper.discovery(in: answer) }
    let answer = await clock.within(PolicyKeeper.lookUpTime) { [resolver] in await resolver.texts(of: name) }
    guard let answer else { return .failed(reason: "no answer in time") }
    return PolicyKeeper.discovery(in: answer)
  }

  private static func discovery(in answer: DNSAnswer<[UInt8]>) -> Discovery {
    switch answer {
    case .records(let set):
      let discovery = STSDiscovery(texts: set.records)
      return discovery.record.map { .announced($0) } ?? .unannounced(discovery)
    case .none, .noSuchName: return .unannounced(.absent)
    case .failed(let reason), .bogus(let reason): return .failed(reason: reason)
    }
  }
}

extension STSTrouble {
  /// What is kept holds then. Where nothing is, mail waits: nobody has asked the domain.
  fileprivate static let noTurn = STSTrouble(
    .stsPolicyFetchError, "others have looked at the domain's policy for too long", isOurs: true)
}

extension RandomSourceGenerator {
  /// From 0 up to 1.
  mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }
}
