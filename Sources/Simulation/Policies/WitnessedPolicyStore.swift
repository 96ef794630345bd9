import MailQueue
import MailSyntax
import QueueModel
import Relay
import TransportSecurity

/// The model store of one life of the server, whose promises the oracle hears.
struct WitnessedPolicyStore: PolicyStore {
  let model: ModelPolicyStore
  let internet: SimulatedInternet

  private var uptime: Uptime { internet.clock.uptime }

  func policies() async throws(StoreFault) -> [StoredSTSPolicy] { try await model.policies() }

  func put(_ policy: StoredSTSPolicy) async throws(StoreFault) {
    internet.oracle.learn { $0.writing(policy, at: uptime) }
    try await model.put(policy)
    internet.oracle.learn { $0.wrote(policy, at: uptime) }
  }

  func removePolicy(of domain: DomainName) async throws(StoreFault) {
    var held = false
    internet.oracle.learn { held = $0.removing(domain, at: uptime) }
    if held, !internet.isForgetting(domain) {
      internet.ledger.violate("the policy of \(domain) is taken out of the store before its time")
    }
    try await model.removePolicy(of: domain)
  }

  func overrides() async throws(StoreFault) -> [NumberedOverride] { try await model.overrides() }

  func add(_ override: FloorOverride, weakerThan: String?) async throws(StoreFault) -> NumberedOverride {
    internet.oracle.learn { $0.adding(override, at: uptime) }
    let added = try await model.add(override, weakerThan: weakerThan)
    internet.oracle.learn { $0.added(override, at: uptime) }
    return added
  }

  func end(_ number: Int64, at moment: UTCInstant, author: String, reason: String) async throws(StoreFault) {
    try await model.end(number, at: moment, author: author, reason: reason)
  }

  func steadyRecords() async throws(StoreFault) -> [SteadyRecord] { try await model.steadyRecords() }
  func put(_ records: [SteadyRecord]) async throws(StoreFault) { try await model.put(records) }
  func removeSteadyRecords(of domain: DomainName) async throws(StoreFault) {
    try await model.removeSteadyRecords(of: domain)
  }
}
