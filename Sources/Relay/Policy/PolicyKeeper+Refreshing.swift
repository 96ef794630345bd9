import Accounts
public import MailQueue
public import MailSyntax
import TransportSecurity

extension PolicyKeeper {
  /// How often a policy is fetched again, whatever its TXT record says, give or take a quarter (RFC 8461 §10.2). One
  /// that lives shorter is fetched at half its life.
  public static let refreshInterval: Duration = .seconds(86_400)
  /// A policy that no mail has asked for in this time is left to expire. An attacker who cuts us off from a policy host
  /// gets nowhere with domains that are mailed to now and then, and a server doesn't fetch for ever for the one message it
  /// had for a domain.
  public static let careTime: Duration = .seconds(90 * 86_400)
  /// Between rounds: the least time between two fetches of a policy that lives very shortly, too.
  public static let roundInterval: Duration = .seconds(300)
  /// After a failure; sooner where the policy expires sooner.
  static let retryInterval: Duration = .seconds(3_600)
  /// Over how much time the refreshes are spread that fell due while the process was down.
  static let catchUpTime: Duration = .seconds(3_600)
  static let refreshesAtOnce = 8
  static let refreshesInARound = 2_000
  /// So many failures, and so much time since the first, before an operator hears of it (§3.3).
  static let failuresBeforeAlarm = 3
  static let alarmTime: Duration = .seconds(3_600)
  /// How long an expired policy stays in the store and in memory. A process that was started under a clock gone wrong
  /// forgets nothing that it should apply itself once the clock is right, or else the next process.
  static let timeToForget: Duration = .seconds(14 * 86_400)

  /// Looks after what is kept until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      await round()
      await clock.sleep(until: clock.uptime + PolicyKeeper.roundInterval)
    }
  }

  /// Fetches each policy whose time has come, a few at once, and forgets those that expired a while ago.
  func round() async {
    let (now, uptime) = (clock.now, clock.uptime)
    let due = kept.entries { entry in
      entry.isInForce(at: uptime) && entry.refreshDue <= uptime && now - entry.stored.usedAt < PolicyKeeper.careTime
    }.sorted { $0.refreshDue < $1.refreshDue }.prefix(PolicyKeeper.refreshesInARound).map(\.stored.domain)
    await withTaskGroup(of: Void.self) { group in
      for (place, domain) in due.enumerated() {
        if place >= PolicyKeeper.refreshesAtOnce { await group.next() }
        guard !Task.isCancelled else { return group.cancelAll() }
        group.addTask { await self.refreshDue(domain, at: uptime) }
      }
    }
    guard !Task.isCancelled else { return }
    for entry in kept.entries(where: { !$0.isInForce(at: uptime) }) {
      let domain = entry.stored.domain
      guard entryInForce(domain) == nil else { continue }
      clearAlarm(of: domain, "the policy of \(domain) has expired: mail to it goes as if there were none")
      if uptime - entry.expires >= PolicyKeeper.timeToForget { await forgetExpired(domain) }
    }
  }

  /// A delivery may have been there first: what was fetched since the round began is enough.
  private func refreshDue(_ domain: DomainName, at moment: Uptime) async {
    let evidence = await lookAnew(domain, since: moment, on: .upkeep)
    guard !Task.isCancelled, case .inForce(_, .some) = evidence, await takeTurn(of: domain) else { return }
    defer { turns.giveBack(domain) }
    guard var entry = entryInForce(domain) else { return }
    // Where another fetch had failed a moment ago there was none now.
    entry.refreshDue = max(entry.refreshDue, nextRetry(within: entry.expires - clock.uptime))
    kept[domain] = entry
    // A successful fetch writes down when the policy was last asked for; this does it in the place of one.
    if entry.isSaved { _ = await save(entry.stored) }
  }

  private func forgetExpired(_ domain: DomainName) async {
    guard await takeTurn(of: domain) else { return }
    defer { turns.giveBack(domain) }
    guard kept[domain] != nil, entryInForce(domain) == nil else { return }
    // One that can't be taken away stays, and expires again at the next start.
    try? await store.removePolicy(of: domain)
    kept[domain] = nil
  }

  /// Jittered, so that policies that were fetched together aren't for ever.
  func nextRefresh(within life: Duration) -> Uptime {
    clock.uptime + min(PolicyKeeper.refreshInterval * (0.75 + random.fraction() / 2), life / 2)
  }

  func nextRetry(within life: Duration) -> Uptime {
    let wait = min(PolicyKeeper.retryInterval * (0.75 + random.fraction() / 2), life / 4)
    return clock.uptime + max(PolicyKeeper.restAfterFailure, wait)
  }
}

// MARK: For operators

extension PolicyKeeper: PolicyDesk {
  public func policies() -> [PolicyStanding] { kept.entries { _ in true }.map(standing) }

  public func policy(of domain: DomainName) -> PolicyStanding? { kept[domain].map(standing) }

  /// Also where that has failed a moment ago.
  public func refresh(_ domain: DomainName) async throws(PolicyDeskFault) -> PolicyStanding? {
    switch await lookAnew(domain, since: clock.uptime + .nanoseconds(1), on: .operatorsWord) {
    case .inForce(_, nil): return policy(of: domain)
    case .inForce(_, let trouble?), .unavailable(let trouble): throw .trouble(trouble)
    case .absent: return nil
    }
  }

  /// Takes a policy out of the store and out of force. The next message to the domain looks for one as if for the first
  /// time.
  ///
  /// - Returns: false where none was kept.
  /// - Throws: where it could not be taken out of the store; it holds on then.
  public func forget(_ domain: DomainName) async throws(StoreFault) -> Bool {
    await turns.take(domain)
    defer { turns.giveBack(domain) }
    guard kept[domain] != nil else { return false }
    try await store.removePolicy(of: domain)
    kept[domain] = nil
    rests.remove(domain)
    clearAlarm(of: domain, "the policy of \(domain) was forgotten by an operator's word")
    return true
  }

  private func standing(_ entry: KeptPolicies.Entry) -> PolicyStanding {
    let entry = entryInForce(entry.stored.domain) ?? entry
    let (now, uptime) = (clock.now, clock.uptime)
    let isInForce = entry.isInForce(at: uptime)
    let isCaredFor = isInForce && now - entry.stored.usedAt < PolicyKeeper.careTime
    return PolicyStanding(
      entry.stored, refreshAt: isCaredFor ? now + max(.zero, entry.refreshDue - uptime) : nil, trouble: entry.trouble,
      isInForce: isInForce)
  }
}
