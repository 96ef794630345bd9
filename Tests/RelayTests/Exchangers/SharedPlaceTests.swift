import DNSRecords
import MailQueue
import MailSyntax
import QueueModel
import SMTPSessions
import Synchronization
import Testing
import TransportSecurity

@testable import Relay

/// What a domain and its operator say, changed between two messages.
private final class ChangingStage: STSPolicySource {
  static let host = constantName("mx1.far.example")
  static let service = constantName("_25._tcp.mx1.far.example")

  let zone: ChangingZone
  let overrides = FloorOverrides(
    store: ModelPolicyStore(clock: StillClock()), converter: UnchangedNames(), clock: StillClock(), events: PolicyLog())
  private let known: Mutex<KnownSTSPolicy>

  init() {
    var zone = ZoneResolver()
    zone.add(ScriptedInternet.domain, exchangers: [ChangingStage.host], security: .secure)
    zone.add(ChangingStage.host, at: [IPAddress("192.0.2.1")!], security: .secure)
    zone.set(ChangingStage.keys(7), for: ChangingStage.service)
    self.zone = ChangingZone(zone)
    let policy = STSPolicy(mode: .enforce, maxAge: .seconds(604_800), patterns: [STSPattern("*.far.example")])
    known = Mutex(KnownSTSPolicy(policy: policy, recordID: "1", fetchedAt: UTCInstant(seconds: 1_699_000_000)))
  }

  static func keys(_ octets: UInt8...) -> DNSAnswer<TLSARecord> {
    .records(
      DNSRecordSet(
        records: octets.map {
          TLSARecord(usage: 3, selector: 1, matchingType: 1, association: Array(repeating: $0, count: 32))
        },
        canonicalName: service, security: .secure, timeToLive: .seconds(300)))
  }

  func change(_ body: (inout KnownSTSPolicy) -> Void) { known.withLock { body(&$0) } }
  func evidence(for domain: DomainName) async -> STSEvidence { .inForce(known.withLock { $0 }) }
  func recheck(_ domain: DomainName) async -> STSEvidence { await evidence(for: domain) }
}

@Suite("The place of mail that goes over a kept connection")
struct SharedPlaceTests {
  private let server = ScriptedServer.mailHost("mx1.far.example", keyDigest: Array(repeating: 7, count: 32))
  private let stage = ChangingStage()
  private let deliverer: ExchangerDeliverer

  init() {
    deliverer = ScriptedInternet(["192.0.2.1": server], zone: ZoneResolver()).deliverer(
      resolver: stage.zone, memory: PolicyMemory(policies: stage, overrides: stage.overrides))
  }

  private func deliver(_ wish: TLSWish = .unstated) async throws -> DeliveryPlace {
    var fixture = DeliveryFixture()
    fixture.tlsWish = wish
    let result = await deliverer.deliver(try fixture.job())
    #expect(describe(result) == ["3 delivered"])
    return result.place
  }

  @Test("is one and the same while nothing changes, and says what it would say of its own")
  func shared() async throws {
    let (first, second) = (try await deliver(), try await deliver())
    #expect(first === second && server.connections.count == 1)
    let evidence = try #require(second.evidence)
    #expect(evidence.verdict == "authenticate dane" && evidence.demands.count == 2)
    #expect(evidence.dane?.hasPrefix("matched 3 1 1 0707") == true)
    #expect(evidence.policy?.hasPrefix("enforce id=1 ") == true)
    #expect(second.evidenceFields == evidence.fields)
  }

  @Test("is another, in new words, as soon as the domain or an operator says anything else, on the same connection")
  func changes() async throws {
    var last = try await deliver()
    func next(_ said: (DeliveryEvidence) -> Bool, _ wish: TLSWish = .unstated) async throws {
      let place = try await deliver(wish)
      #expect(place !== last)
      #expect(place.evidence.map(said) == true, "\(String(describing: place.evidence))")
      let again = try await deliver(wish)
      #expect(again === place)
      last = place
    }
    stage.zone.change { $0.set(ChangingStage.keys(7, 9), for: ChangingStage.service) }
    try await next { $0.demands.contains { $0.hasPrefix("2 usable TLSA records") } }
    stage.zone.change {
      $0.add(ScriptedInternet.domain, exchangers: [ChangingStage.host], security: .insecure)
    }
    try await next { $0.demands.contains { $0.hasSuffix("though the MX record isn't proven") } }
    stage.change { $0.recordID = "2" }
    try await next { $0.policy?.hasPrefix("enforce id=2 ") == true }
    stage.change { $0.policy = STSPolicy(mode: .testing, maxAge: .seconds(60), patterns: $0.policy.patterns) }
    try await next { $0.policy?.hasPrefix("testing ") == true && $0.verdict == "authenticate dane" }
    _ = try await stage.overrides.add(
      FloorOverride(
        domain: ScriptedInternet.domain, floor: .verified, from: StillClock().now,
        until: StillClock().now + .hours(1), reason: "ticket 7", author: "anna"), rules: nil)
    try await next { $0.verdict == "authenticate pkix-and-dane" && $0.demands.contains { $0.contains("by anna") } }
    try await next({ $0.demands.contains { $0.hasPrefix("TLS-Required: No waives") } }, .notRequired)
    #expect(server.connections.count == 1 && server.messages.count == 13)
  }

  @Test("DANE-013: doesn't make up for records that know the connection's key no more")
  func rolledOver() async throws {
    _ = try await deliver()
    stage.zone.change { $0.set(ChangingStage.keys(9), for: ChangingStage.service) }
    let result = await deliverer.deliver(try DeliveryFixture().job())
    #expect(describe(result) == ["3 handshake security"])
    #expect(server.connections.count == 2 && server.messages.count == 1)
  }
}

@Suite("A kept connection")
struct ConnectionLeaseTests {
  private static func policy(_ octet: UInt8) -> AppliedPolicy {
    var evidence = TLSEvidence(
      host: constantName("mx1.far.example"), floor: OperatorFloor(.opportunistic, origin: "outbound.tls.floor"))
    evidence.tlsa = .published(
      TLSASet(
        base: constantName("mx1.far.example"),
        records: [
          TLSARecord(usage: 3, selector: 1, matchingType: 1, association: Array(repeating: octet, count: 32))
        ]))
    return AppliedPolicy(evidence, names: [])
  }

  @Test("is known to meet the very policy of its last mail, and every other is judged by what the handshake left")
  func meets() {
    let policy = Self.policy(7)
    let place = DeliveryPlace(host: "mx1.far.example", tls: nil, policy: policy)
    let lease = ConnectionLease(conversation: nil, transactions: 1, place: place)
    #expect(lease.meets(policy, hostName: "mx1.far.example"))
    #expect(lease.place(under: policy) === place)
    #expect(!lease.meets(Self.policy(9), hostName: "mx1.far.example"))
    #expect(lease.place(under: Self.policy(9)) == nil)
    #expect(!ConnectionLease.new.meets(policy, hostName: "mx1.far.example"))
  }
}
