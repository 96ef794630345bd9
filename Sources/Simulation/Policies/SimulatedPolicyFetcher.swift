import MailSyntax
import OrderedCollections
import Relay
import TransportSecurity

/// The policy hosts of a simulated world, as far as the attacker lets us reach them: he can keep a policy from us, and
/// never give us another, for he has no certificate for their names (RFC 8461 §3.3).
struct SimulatedPolicyFetcher: PolicyFetcher {
  let internet: SimulatedInternet

  func fetch(_ domain: DomainName, for need: PolicyNeed) async throws(STSTrouble) -> STSPolicy {
    let (clock, random) = (internet.clock, internet.random)
    await clock.sleep(for: .milliseconds(1 + random.below(400)))
    if internet.suffers(.policyHostSilent) {
      await clock.sleep(for: .seconds(60))
      throw STSTrouble(.stsPolicyFetchError, "no answer in time")
    }
    if internet.suffers(.policyHostForged) {
      throw STSTrouble(.stsWebPKIInvalid, "its certificate is not trusted")
    }
    if internet.suffers(.policyGarbled) { throw STSTrouble(.stsPolicyInvalid, "it has no mode") }
    guard let policy = internet.foreign.domains[domain]?.sts.value(at: clock.uptime).policy else {
      throw STSTrouble(.stsPolicyFetchError, "404 Not Found")
    }
    return policy
  }
}
