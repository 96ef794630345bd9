import MailQueue
import MailSyntax
import OrderedCollections
import QueueModel
import Relay
import TransportSecurity

/// What of the day is about policies.
extension MailSimulation {
  /// Some domains have had this house's mail for long, and their hosts' TLS was steady.
  func rememberSteadyHosts() async {
    let now = internet.clock.now
    let records = internet.foreign.domains.values.filter(\.isSteady).flatMap { domain in
      domain.hosts(own: internet.foreign.own).compactMap { internet.foreign.hosts[$0] }.flatMap { host in
        host.addresses.map { address in
          SteadyRecord(
            key: .init(domain: domain.name, host: host.name, address: address), level: .verified, successes: 20,
            firstAt: now + .seconds(-3 * 86_400), lastAt: now + .seconds(-3_600))
        }
      }
    }
    do throws(StoreFault) {
      try await policyStore.put(records)
    } catch {
      internet.ledger.violate("a new policy store fails: \(error)")
    }
  }

  /// An operator overrides floors, forgets policies and has them fetched; and now and then one can't be written.
  func operatePolicies() async {
    while isFaulty {
      await pause(upTo: 2_400)
      guard isFaulty, let server, !server.life.isOver else { continue }
      let domain = internet.foreign.domains.keys[random.below(internet.foreign.domains.count)]
      switch random.below(6) {
      case 0, 1: await override(domain, on: server)
      case 2: await forget(domain, on: server)
      case 3, 4:
        internet.inject(.policyRefreshed)
        _ = try? await server.policies.keeper.refresh(domain)
      case _:
        internet.inject(.failedPolicyCommit)
        faultyPolicyStore = policyStore
        policyStore.failCommit(after: 1 + random.below(3))
      }
    }
  }

  private func override(_ domain: DomainName, on server: SimulatedServer) async {
    let (now, floor) = (internet.clock.now, random.pick(TLSFloor.allCases))
    let override = FloorOverride(
      domain: domain, floor: floor, from: now, until: now + .seconds(1_800 + random.below(14_400)), reason: "a trial",
      author: "operator")
    do throws(FloorOverrideFault) {
      _ = try await server.policies.overrides.add(override, rules: nil)
      internet.inject(.floorOverridden)
    } catch {
      internet.trace.note("the override isn't taken: \(error)")
    }
  }

  private func forget(_ domain: DomainName, on server: SimulatedServer) async {
    internet.forgets(domain, true)
    defer { internet.forgets(domain, false) }
    do throws(StoreFault) {
      if try await server.policies.keeper.forget(domain) { internet.inject(.policyForgotten) }
    } catch {
      internet.trace.note("\(domain) isn't forgotten: \(error)")
    }
  }
}
