import Accounts
public import DNSRecords
import MailQueue
import MailSyntax
import Synchronization

extension DNSListCheck {
  /// How long a proof holds before it is tried again; a failed one is tried sooner.
  public static let proofHolds: Duration = .seconds(3_600)
  public static let proofIsRepeated: Duration = .seconds(60)

  /// Puts other lists in place of the old. One that stays is gone by meanwhile as it was; all are proven anew.
  public func replace(_ settings: DNSListSettings, resolver: (any Resolver)?) {
    let now = clock.uptime
    let gone = state.withLock { state -> [DNSList] in
      let old = Array(zip(state.settings.lists, state.standings))
      state.standings = settings.lists.map { list in
        old.first { $0.0.zone == list.zone }?.1.map { Standing(proof: $0.proof, due: now) }
      }
      state.settings = settings
      state.resolver = resolver
      state.generation += 1
      state.answers.removeAll()
      return old.compactMap { list, standing in
        standing?.proof.fault != nil && !settings.lists.contains { $0.name == list.name } ? list : nil
      }
    }
    for list in gone { events.record(.listWorks(list, "it is asked no more")) }
    changed.raise()
  }

  /// Proves each list whose time has come, and says what is news.
  /// - Returns: false without lists, or where they were replaced meanwhile.
  func prove() async -> Bool {
    let (lists, resolver, generation) = state.withLock { ($0.settings.lists, $0.resolver, $0.generation) }
    guard let resolver, !lists.isEmpty else { return false }
    for (index, list) in lists.enumerated() {
      let now = clock.uptime
      let isDue = state.withLock { state in
        state.generation == generation && state.standings[index].map { $0.due <= now } ?? true
      }
      guard isDue else { continue }
      let proof = await DNSListProof.run(of: list) { await self.address(of: $0, by: resolver) }
      guard !Task.isCancelled else { return false }
      let wait = proof.fault == nil ? DNSListCheck.proofHolds : DNSListCheck.proofIsRepeated
      let standing = Standing(proof: proof, due: clock.uptime + wait)
      let before = state.withLock { state -> Standing?? in
        guard state.generation == generation else { return nil }
        defer { state.standings[index] = standing }
        return .some(state.standings[index])
      }
      guard let before else { return false }
      let earlier = before?.proof.fault
      if let fault = proof.fault, fault != earlier { events.record(.listFails(list, fault)) }
      if proof.fault == nil, earlier != nil { events.record(.listWorks(list, "it passes its test again")) }
    }
    return true
  }

  /// A test entry's answer, within the time that a client's would have.
  private func address(of name: DomainName, by resolver: any Resolver) async -> DNSAnswer<IPAddress> {
    await clock.within(DNSListCheck.lookUpTime) { await resolver.addresses(of: name, family: .v4) }
      ?? .failed(reason: DNSListRound.lateness)
  }

  /// Proves at the start, after each change and from time to time.
  func keepProven() async {
    while !Task.isCancelled {
      let hasLists = await prove()
      let deadline = clock.uptime + DNSListCheck.proofIsRepeated
      await withTaskGroup(of: Void.self) { group in
        group.addTask { [changed] in await changed.wait() }
        if hasLists { group.addTask { [clock] in await clock.sleep(until: deadline) } }
        await group.next()
        group.cancelAll()
      }
    }
  }
}
