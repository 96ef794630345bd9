import MailQueue
import MailSyntax
import QueueModel
import Relay

/// The end of the day.
extension MailSimulation {
  /// Nothing fails any more: what is held is released, what is damaged is removed, and the rest must leave.
  func finish() async {
    await internet.clock.sleep(until: internet.faultsEnd + .seconds(3 * 3_600))
    let deadline = internet.clock.uptime + MailSimulation.drainBound
    while internet.clock.uptime < deadline {
      guard await !hasDrained() else { break }
      await internet.clock.sleep(for: .seconds(600))
    }
    if await !hasDrained() { internet.ledger.violate("the queue has not drained though nothing fails any more") }
    await internet.ledger.check(store)
    internet.ledger.checkReports()
    if case .uneven(let destinations) = internet.weather { destinations.check(self) }
    isStopping = true
    server?.runner.stop()
  }

  private func hasDrained() async -> Bool {
    guard let server, !server.life.isOver else { return false }
    do throws(StoreFault) {
      var held = QueueFilter()
      held.state = .held
      for message in try await store.list(held, after: nil, limit: 1_000) {
        // A damaged body is held anew at each attempt; it has had its chance.
        held.id = message.id
        if message.recipients.contains(where: { $0.lastResult?.contains("damaged") ?? false }) {
          _ = try await server.runner.delete(held, by: "operator")
        } else {
          _ = try await server.runner.release(held, by: "operator")
        }
      }
      try await giveUpHopeless(on: server)
      return try await store.counts().messages == 0
    } catch {
      return false
    }
  }

  /// While one of a domain's hosts can't be found, nobody knows whether it would do for REQUIRETLS, and where TLS fails at
  /// a host it may not do so tomorrow: such mail waits until it expires, and so does a report about it. Nobody here waits
  /// five days for that: an operator returns it.
  private func giveUpHopeless(on server: SimulatedServer) async throws(StoreFault) {
    for message in try await store.list(QueueFilter(), after: nil, limit: 1_000)
    where message.message.tlsWish == .required {
      for recipient in message.recipients where isHopeless(recipient.lastResult ?? "") {
        var filter = QueueFilter()
        filter.id = message.id
        filter.recipient = recipient.recipient.address.description
        _ = try await server.runner.bounce(filter, by: "operator")
      }
    }
  }

  private func isHopeless(_ result: String) -> Bool {
    result.contains("has no address") || result.hasPrefix("TLS: ") && result.contains("REQUIRETLS")
  }
}
