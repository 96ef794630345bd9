import MailSyntax
import Relay
import SMTPSessions

/// Connects to the hosts of the foreign internet, as far as they answer.
struct SimulatedDialer: Dialer {
  /// The next address is begun when one has been silent this long (RFC 8305 §5).
  static let pacing = Duration.milliseconds(250)

  let internet: SimulatedInternet
  let life: Life

  func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    guard case .addresses(let endpoints) = target else { throw .unreachable("\(target): not an address") }
    let (clock, random) = (internet.clock, internet.random)
    let deadline = clock.uptime + timeout
    var refused: SocketEndpoint?
    for endpoint in endpoints {
      internet.passes(.connect)
      guard !life.isOver, !Task.isCancelled else { break }
      let host = internet.foreign.host(at: endpoint.address)
      if let host { ExchangerVisit.current?.meets(host.name) }
      guard let host, !host.mood(at: clock.uptime).isSilent else {
        internet.inject(.silent)
        await clock.sleep(for: SimulatedDialer.pacing)
        continue
      }
      await clock.sleep(for: .milliseconds(1 + random.below(80)))
      guard !random.chance(host.mood(at: clock.uptime).refusesConnections) else {
        internet.inject(.connectionRefused)
        refused = endpoint
        continue
      }
      guard !life.isOver, !Task.isCancelled else { break }
      let (line, peer) = (SimulatedLine(internet), DialledPeer(endpoint: endpoint))
      let session = ReceivingSession(host, on: line, of: internet, for: ExchangerVisit.current)
      life.add(line)
      line.open(delegate(line, peer), session)
      return peer
    }
    if let refused { throw .refused("\(refused): connection refused") }
    if !life.isOver { await clock.sleep(until: deadline) }
    throw .unanswered("no answer in time")
  }
}
