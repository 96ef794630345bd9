import Configuration
import ControlPlane
import DNSRecords
import InternationalDomainNames
import MailQueue
import MailSyntax
import PolicyStorage
import PolicyTransport
import Relay
import SMTPTransport
import SystemWorld
import TransportSecurity

/// What of the transport policy outlives a restart, and who goes by it. Whoever opens it has the data folder's lock.
final class KeptPolicy: Sendable {
  let store: SQLitePolicyStore
  let overrides: FloorOverrides
  let ratchet: TLSRatchet
  let keeper: PolicyKeeper
  let reach: PolicyReach
  private let clock: any MailClock
  private let events: any EventSink

  private init(
    store: SQLitePolicyStore, keeper: PolicyKeeper, reach: PolicyReach, onDowngrade: SteadyTLS.Conduct,
    clock: any MailClock, events: any EventSink
  ) {
    self.keeper = keeper
    self.reach = reach
    self.store = store
    self.clock = clock
    self.events = events
    overrides = FloorOverrides(store: store, converter: LibraryIDNAConverter(), clock: clock, events: events)
    ratchet = TLSRatchet(store: store, conduct: onDowngrade, clock: clock, events: events)
  }

  /// Opened with all that it had before; without that no mail may go (Law 2).
  static func open(
    folder: String, onDowngrade: SteadyTLS.Conduct, clock: any MailClock, events: any EventSink
  ) async throws -> KeptPolicy {
    let store = try await SQLitePolicyStore.open(folder: folder, clock: clock, events: events)
    do {
      let reach = PolicyReach()
      let keeper = try await PolicyKeeper(
        store: store, resolver: reach, fetcher: reach, clock: clock, random: SystemRandom(), events: events)
      let kept = KeptPolicy(
        store: store, keeper: keeper, reach: reach, onDowngrade: onDowngrade, clock: clock, events: events)
      try await kept.overrides.load()
      try await kept.ratchet.load()
      return kept
    } catch {
      await store.close()
      throw error
    }
  }

  /// Looks after ends and writes what was seen, until the task is cancelled.
  func run() async {
    await withTaskGroup { group in
      group.addTask { await self.overrides.run() }
      group.addTask { await self.ratchet.run() }
      group.addTask { await self.keeper.run() }
    }
  }

  func close() async {
    await ratchet.write()
    await store.close()
  }

  /// By what policies are found and fetched from now on.
  ///
  /// - Parameter given: stands in place of the web.
  func replaceReach(
    _ configuration: Configuration, _ foundation: HouseFoundation, resolver: (any Resolver)?,
    fetcher given: (any PolicyFetcher)?
  ) throws {
    guard configuration.outbound.route == .exchangers, let resolver, let roots = try TrustRoots(for: configuration)
    else { return reach.replace(resolver: nil, fetcher: nil) }
    let clock = clock
    let fetcher =
      try given
      ?? HTTPSPolicyFetcher(
        loops: foundation.loops, resolver: resolver, roots: roots, now: { clock.now })
    reach.replace(resolver: resolver, fetcher: fetcher)
  }

  /// What deliveries go by.
  var memory: PolicyMemory { PolicyMemory(policies: keeper, overrides: overrides, ratchet: ratchet) }

  /// - Parameters:
  ///   - isServing: policies are fetched here too, not only kept.
  ///   - authentication: who counts it; nil where nobody does, so that the store has it all.
  ///   - rules: the configured floors, with every domain in its one form, where they are known.
  func control(
    isServing: Bool, authentication: AuthenticationLedger? = nil, rules: @escaping @Sendable () -> DestinationRules?
  ) -> PolicyControl {
    PolicyControl(
      overrides: overrides, desk: isServing ? keeper : StoredPolicyDesk(store, clock: clock), ratchet: ratchet,
      audit: store, authentication: authentication ?? store, converter: LibraryIDNAConverter(), clock: clock,
      events: events, rules: rules)
  }
}

extension DestinationRules {
  /// With every domain in the one form it is looked up by.
  func spelled() -> DestinationRules {
    var rules = self
    rules.floors = floors.spelled(by: LibraryIDNAConverter())
    return rules
  }
}
