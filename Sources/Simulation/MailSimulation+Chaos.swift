import MailQueue
import MailSyntax
import QueueModel
import Relay

/// What machines and people do meanwhile.
extension MailSimulation {
  func bringChaos() async {
    while isFaulty {
      await pause(upTo: 1_800)
      guard isFaulty else { break }
      switch random.below(10) {
      case 0, 1:
        internet.inject(.cut)
        cut()
      case 2:
        internet.inject(.failedSync)
        store.failSync(after: 1 + random.below(5))
      case 3:
        internet.inject(.spaceLow)
        store.setSpaceLow(true)
        await pause(upTo: 300)
        store.setSpaceLow(false)
      case 4:
        internet.inject(.fullDisk)
        store.setFull(true)
        await pause(upTo: 300)
        store.setFull(false)
      case 5:
        internet.inject(.clockJump)
        let jump = Duration.seconds(random.below(1_200) - 600)
        internet.ledger.clockJumps(by: jump)
        internet.clock.jump(by: jump)
      case 6:
        let chance = random.pick([5, 40, 100])
        store.setUnavailable { [internet, random] in
          guard random.chance(chance) else { return false }
          internet.inject(.unavailable)
          return true
        }
        await pause(upTo: 600)
        store.setUnavailable(when: nil)
      case 7, 8:
        internet.inject(.reload)
        await reload(servesShop: random.chance(50), usesExchangers: random.chance(75))
      case _:
        guard let message = try? await store.list(QueueFilter(), after: nil, limit: 20).last else { continue }
        internet.trace.note("the body of \(message.id) is damaged")
        internet.inject(.damagedBody)
        store.damageBody(of: message.id)
      }
    }
    store.setFull(false)
    // Somebody heeds the alarm and starts the server anew.
    if faultyPolicyStore === policyStore { cut() }
    // A reload has every route tried again: as often as may be they must find that out themselves.
    if !configuration.servesShop { await reload(servesShop: true, usesExchangers: configuration.usesExchangers) }
  }

  private func reload(servesShop: Bool, usesExchangers: Bool) async {
    do {
      var configuration = try SimulatedConfiguration(random)
      configuration.servesShop = servesShop
      configuration.usesExchangers = usesExchangers
      self.configuration = configuration
      guard let server, !server.life.isOver else { return }
      internet.trace.note("the configuration is read again, \(servesShop ? "with" : "without") shop.example")
      try await server.reload(configuration)
    } catch {
      internet.ledger.violate("the configuration can't be read again: \(error)")
    }
  }

  func operate() async {
    while isFaulty {
      await pause(upTo: 1_200)
      var filter = QueueFilter()
      if random.chance(50) { filter.account = random.pick(SimulatedServer.accounts) }
      if random.chance(50) { filter.route = random.pick(SimulatedInternet.hops) }
      if random.chance(30) { filter.recipient = "@example.com" }
      await speak(filter)
    }
  }

  private func speak(_ filter: QueueFilter) async {
    guard let server, !server.life.isOver else { return }
    do throws(StoreFault) {
      switch random.below(8) {
      case 0, 1: _ = try await server.runner.hold(filter, by: "operator")
      case 2, 3: _ = try await server.runner.release(filter, by: "operator")
      case 4, 5: _ = try await server.runner.retryNow(filter, by: "operator")
      case 6: _ = try await server.runner.delete(filter, by: "operator")
      case _: _ = try await server.runner.bounce(filter, by: "operator")
      }
    } catch {
      internet.trace.note("the operator is not heard: \(error)")
    }
  }
}
