import MailQueue
import MailSyntax
import Relay
import TransportSecurity

/// What a server had at one moment, for a command that looks once: it takes nothing in, and leaves the server's own
/// memory alone.
struct RememberedPolicyStore: PolicyStore {
  var knownPolicies: [StoredSTSPolicy] = []
  var knownOverrides: [NumberedOverride] = []
  var knownSteady: [SteadyRecord] = []

  func policies() async throws(StoreFault) -> [StoredSTSPolicy] { knownPolicies }
  func put(_ policy: StoredSTSPolicy) async throws(StoreFault) {}
  func removePolicy(of domain: DomainName) async throws(StoreFault) {}
  func overrides() async throws(StoreFault) -> [NumberedOverride] { knownOverrides }
  func add(_ override: FloorOverride, weakerThan: String?) async throws(StoreFault) -> NumberedOverride {
    throw .notFound
  }
  func end(_ number: Int64, at moment: UTCInstant, author: String, reason: String) async throws(StoreFault) {
    throw .notFound
  }
  func steadyRecords() async throws(StoreFault) -> [SteadyRecord] { knownSteady }
  func put(_ records: [SteadyRecord]) async throws(StoreFault) {}
  func removeSteadyRecords(of domain: DomainName) async throws(StoreFault) {}
}
