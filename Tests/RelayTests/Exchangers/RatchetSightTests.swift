import DNSRecords
import MailSyntax
import QueueModel
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

/// What hosts show at deliveries is what the ratchet goes by: a sight that is taken for more than it was would have it
/// hold mail for nothing, and one that is missed, or taken for less, would have it see no drop.
@Suite("What a delivery shows the ratchet")
struct RatchetSightTests {
  private let ratchet = TLSRatchet(
    store: ModelPolicyStore(clock: StillClock()), conduct: .hold, clock: StillClock(), events: PolicyLog())

  private func deliverer(
    to hosts: [ScriptedServer], floor: TLSFloor = .opportunistic
  ) -> ExchangerDeliverer {
    ScriptedInternet(hosts).deliverer(rules: DestinationRules(floor: floor), memory: PolicyMemory(ratchet: ratchet))
  }

  /// `mx1 verified 1`: the host, what its address shows, and how often it has shown it.
  private var sights: [String] {
    ratchet.records(of: ScriptedInternet.domain).map { record in
      let host = record.key.host.folded.prefix { $0 != "." }
      return record.successes == 0 ? "\(host) none" : "\(host) \(record.level) \(record.successes)"
    }
  }

  private func show(_ tls: ScriptedServer.TLS, floor: TLSFloor = .opportunistic) async throws {
    let deliverer = deliverer(to: [ScriptedServer.mailHost("mx1.far.example", tls: tls)], floor: floor)
    _ = await deliverer.deliver(try DeliveryFixture().job())
  }

  @Test(
    "a certificate that proves the host is a proof, though nobody asked for it; one that doesn't is TLS and no more")
  func channels() async throws {
    try await show(.verified)
    #expect(sights == ["mx1 verified 1"])
    try await ratchet.forget(ScriptedInternet.domain)
    try await show(.selfSigned)
    #expect(sights == ["mx1 encrypted 1"])
  }

  @Test("a certificate that was refused is TLS all the same, and no proof")
  func refusedCertificate() async throws {
    try await show(.selfSigned, floor: .verified)
    #expect(sights == ["mx1 encrypted 1"])
  }

  @Test(
    "TLS that isn't offered, is refused or fails is none, whether the mail goes in clear or waits",
    arguments: [ScriptedServer.TLS.none, .refused, .broken], [TLSFloor.opportunistic, .encrypt])
  func withoutTLS(tls: ScriptedServer.TLS, floor: TLSFloor) async throws {
    try await show(tls, floor: floor)
    #expect(sights == ["mx1 none"])
  }

  @Test("a connection that was kept shows it with every message that goes over it")
  func keptConnection() async throws {
    let host = ScriptedServer.mailHost("mx1.far.example")
    let deliverer = deliverer(to: [host])
    for number in 1...3 {
      _ = await deliverer.deliver(try DeliveryFixture().job())
      #expect(sights == ["mx1 verified \(number)"])
    }
    #expect(host.connections.count == 1 && host.messages.count == 3)
  }

  @Test("a host that turned us away before it said what it offers has shown nothing")
  func turnedAway() async throws {
    let busy = ScriptedServer.mailHost("mx1.far.example") { $0.isEmpty ? .say("421 4.3.2 busy\r\n") : nil }
    _ = await deliverer(to: [busy]).deliver(try DeliveryFixture().job())
    #expect(busy.connections.count == 1 && sights.isEmpty)
  }
}
