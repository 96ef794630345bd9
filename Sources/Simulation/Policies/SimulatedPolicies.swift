import MailQueue
import MailSyntax
import QueueModel
import Relay
import TransportSecurity

/// What one life of the server knows of policies, as the house that ships puts it together: the keeper, the overrides and
/// the ratchet, on the model store.
struct SimulatedPolicies: Sendable {
  let store: ModelPolicyStore
  let keeper: PolicyKeeper
  let overrides: FloorOverrides
  private let ratchet: TLSRatchet
  private let internet: SimulatedInternet

  /// Opened with all that the store has: before that no mail goes.
  static func open(
    _ internet: SimulatedInternet, store: ModelPolicyStore, onDowngrade: SteadyTLS.Conduct, _ random: any RandomSource
  ) async throws(StoreFault) -> SimulatedPolicies {
    internet.oracle.learn { $0.restart(at: internet.clock.uptime, internet.clock.now) }
    let witnessed = WitnessedPolicyStore(model: store, internet: internet)
    let policies = SimulatedPolicies(
      store: store,
      keeper: try await PolicyKeeper(
        store: witnessed, resolver: SimulatedResolver(internet: internet),
        fetcher: SimulatedPolicyFetcher(internet: internet), clock: internet.clock, random: random,
        events: internet.trace),
      overrides: FloorOverrides(
        store: witnessed, converter: UnchangedNames(), clock: internet.clock, events: internet.trace),
      ratchet: TLSRatchet(
        store: witnessed, conduct: onDowngrade, clock: internet.clock, events: internet.trace),
      internet: internet)
    try await policies.overrides.load()
    try await policies.ratchet.load()
    policies.note(onDowngrade)
    return policies
  }

  /// After a configuration was read again.
  func replace(onDowngrade: SteadyTLS.Conduct) {
    ratchet.replace(conduct: onDowngrade)
    note(onDowngrade)
  }

  private func note(_ conduct: SteadyTLS.Conduct) {
    internet.oracle.learn { $0.conduct(is: conduct, at: internet.clock.uptime) }
  }

  /// Looks after all of it until the task is cancelled.
  func run() async {
    await withTaskGroup { group in
      group.addTask { await overrides.run() }
      group.addTask { await ratchet.run() }
      group.addTask { await keeper.run() }
    }
  }

  /// What deliveries go by.
  var memory: PolicyMemory { PolicyMemory(policies: keeper, overrides: overrides, ratchet: ratchet) }
}
