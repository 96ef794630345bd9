import DNSRecords
import MailSyntax
import QueueModel
import Testing
import TransportSecurity

@testable import Relay

/// The zone of a delivery that is under way, of which the second host's look-up waits for something to happen.
private struct WaitingZone: Resolver {
  let zone: ZoneResolver
  let meanwhile: @Sendable () async -> Void

  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    if name.folded.hasPrefix("mx2."), family == .v4 { await meanwhile() }
    return await zone.addresses(of: name, family: family)
  }
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { await zone.mailExchangers(of: name) }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { await zone.texts(of: name) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { await zone.tlsaRecords(of: name) }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { await zone.names(of: address) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await zone.alias(of: name) }
}

/// A delivery may take minutes between two of its hosts: whatever is known here is asked at each of them.
@Suite("An operator's word in the middle of a delivery")
struct ChangedWordTests {
  private let clock = StillClock()
  private let overrides: FloorOverrides

  init() {
    overrides = FloorOverrides(
      store: ModelPolicyStore(clock: clock), converter: UnchangedNames(), clock: clock, events: PolicyLog())
  }

  /// Has the floor raised while the second host is looked up.
  private func deliver(_ first: ScriptedServer, _ second: ScriptedServer) async throws -> DeliveryResult {
    let internet = ScriptedInternet(first, second)
    let zone = WaitingZone(zone: internet.zone) { [overrides, clock] in
      let encrypt = FloorOverride(
        domain: ScriptedInternet.domain, floor: .encrypt, from: clock.now, until: clock.now + .hours(1),
        reason: "ticket 7", author: "anna")
      _ = try? await overrides.add(encrypt, rules: DestinationRules())
    }
    let result = try await internet.deliverer(resolver: zone, memory: PolicyMemory(overrides: overrides))
      .deliver(DeliveryFixture().job())
    try #require(overrides.list(at: clock.now).count == 1)
    return result
  }

  @Test("holds for the next host")
  func nextHost() async throws {
    let first = ScriptedServer.mailHost("mx1.far.example") { $0.isEmpty ? .say("421 4.3.2 busy\r\n") : nil }
    let second = ScriptedServer.mailHost("mx2.far.example", tls: .none)
    _ = try await deliver(first, second)
    #expect(!second.heardMailInClear)
  }

  @Test("holds for the first one's second look, though TLS failed on every host and nobody asked for it before")
  func secondLook() async throws {
    let first = ScriptedServer.mailHost("mx1.far.example", tls: .broken)
    let second = ScriptedServer.mailHost("mx2.far.example", tls: .broken)
    _ = try await deliver(first, second)
    #expect(!first.heardMailInClear && !second.heardMailInClear)
  }
}
