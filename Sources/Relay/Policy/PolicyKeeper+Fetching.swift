import Accounts
import MailQueue
import MailSyntax
import TransportSecurity

extension PolicyKeeper {
  /// In the domain's turn: fetches the policy and learns what comes of it.
  func fetch(_ domain: DomainName, _ recordID: String, on occasion: Occasion) async -> STSEvidence {
    let need = occasion.need
    let outcome = await clock.within(PolicyKeeper.fetchTime) { [fetcher] () -> Result<STSPolicy, STSTrouble> in
      do throws(STSTrouble) {
        return .success(try await fetcher.fetch(domain, for: need))
      } catch {
        return .failure(error)
      }
    }
    switch outcome ?? .failure(STSTrouble(.stsPolicyFetchError, "the policy didn't come in time")) {
    case .success(let policy): return await learn(policy, of: domain, recordID)
    case .failure(let trouble):
      // Who gave up waiting, or never had a turn, has learned nothing: the next one may ask at once.
      if !Task.isCancelled, !trouble.isOurs { note(trouble, with: domain, recordID) }
      return held(domain, trouble)
    }
  }

  /// Writes a policy down, and from then on goes by it.
  ///
  /// Where it can't be written, one that enforces goes on holding, for a restart would bring it back anyhow and this one
  /// may ask for less. Where none enforces, the new one can only be the stricter: it holds, and is written with the next
  /// delivery.
  private func learn(_ policy: STSPolicy, of domain: DomainName, _ recordID: String) async -> STSEvidence {
    let uptime = clock.uptime
    let known = KnownSTSPolicy(policy: policy, recordID: recordID, fetchedAt: clock.now)
    let usedAt = kept[domain]?.stored.usedAt ?? known.fetchedAt
    let stored = StoredSTSPolicy(domain: domain, known: known, usedAt: usedAt)
    var entry = KeptPolicies.Entry(
      stored: stored, expires: uptime + policy.maxAge, refreshDue: nextRefresh(within: policy.maxAge), fetched: uptime)
    if let fault = await save(stored) {
      let trouble = STSTrouble(.stsPolicyFetchError, "it can't be written down here: \(fault)")
      if let old = entryInForce(domain), old.enforces {
        rests.set(
          Rest(recordID: recordID, until: clock.uptime + PolicyKeeper.restAfterFailure, trouble: trouble), for: domain)
        return .inForce(old.known, trouble: trouble)
      }
      entry.isSaved = false
    }
    kept[domain] = entry
    rests.remove(domain)
    clearAlarm(of: domain, "the policy of \(domain) can be fetched again")
    return .inForce(known)
  }

  /// In the domain's turn: a policy that could not be written is tried again.
  func saveAgain(_ entry: KeptPolicies.Entry) async {
    if await save(entry.stored) == nil { kept[entry.stored.domain]?.isSaved = true }
  }

  /// In the domain's turn.
  func save(_ stored: StoredSTSPolicy) async -> StoreFault? {
    do throws(StoreFault) {
      try await store.put(stored)
      if alarms.saved() { events.record(.policiesSaved()) }
      return nil
    } catch {
      if alarms.notSaved() { events.record(.policyNotSaved(stored.domain, "\(error)")) }
      return error
    }
  }

  /// A fetch has failed: no other for a while, and after several an operator hears of it.
  private func note(_ trouble: STSTrouble, with domain: DomainName, _ recordID: String) {
    let now = clock.uptime
    rests.set(Rest(recordID: recordID, until: now + PolicyKeeper.restAfterFailure, trouble: trouble), for: domain)
    guard var entry = entryInForce(domain) else { return }
    entry.failures += 1
    entry.firstFailure = entry.firstFailure ?? now
    entry.trouble = trouble
    entry.refreshDue = nextRetry(within: entry.expires - now)
    let isOld =
      entry.firstFailure.map { now - $0 >= min(PolicyKeeper.alarmTime, entry.known.policy.maxAge / 8) } ?? false
    // RFC 8461 §3.3, §8.3: a policy of mode none is being taken away, and nobody needs to hear that it has gone.
    if isOld, entry.failures >= PolicyKeeper.failuresBeforeAlarm, entry.known.policy.mode != .none,
      alarms.raise(for: domain)
    {
      events.record(.policyNotRefreshed(entry.stored, trouble))
    }
    kept[domain] = entry
  }

  func clearAlarm(of domain: DomainName, _ reason: String) {
    if alarms.lower(for: domain) { events.record(.policyRefreshed(domain, reason)) }
  }
}
