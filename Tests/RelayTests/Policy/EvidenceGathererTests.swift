import DNSRecords
import MailSyntax
import Synchronization
import Testing
import TransportSecurity

@testable import Relay

@Suite("EvidenceGatherer")
struct EvidenceGathererTests {
  private static let domain = constantName("far.example")
  private static let host = constantName("mx.provider.example")
  private static let record = TLSARecord(
    usage: 2, selector: 1, matchingType: 1, association: Array(repeating: 7, count: 32))

  /// Remembers whose policy was asked for.
  private final class Asked: STSPolicySource {
    let domains = Mutex<[String]>([])
    func evidence(for domain: DomainName) async -> STSEvidence {
      domains.withLock { $0.append("\(domain)") }
      return .absent
    }
    func recheck(_ domain: DomainName) async -> STSEvidence {
      domains.withLock { $0.append("\(domain) again") }
      return .absent
    }
  }

  private static func zone(addresses: DNSSECState = .secure) -> ZoneResolver {
    var zone = ZoneResolver()
    zone.add(host, at: [IPAddress("192.0.2.1")!], security: addresses)
    zone.set(
      .records(
        DNSRecordSet(
          records: [record], canonicalName: constantName("_25._tcp.mx.provider.example"), security: .secure,
          timeToLive: .seconds(300))),
      for: constantName("_25._tcp.mx.provider.example"))
    return zone
  }

  private func policy(
    _ zone: ZoneResolver = zone(), exchangers: DNSSECState, wish: TLSWish = .unstated
  ) async -> AppliedPolicy {
    let gatherer = EvidenceGatherer(
      rules: DestinationRules(), policies: nil, tlsa: TLSALookup(zone), overrides: nil, ratchet: nil, port: 25,
      clock: StillClock())
    let host = ExchangerHost(name: .name(Self.host), preference: 10, isImplicit: false, security: exchangers)
    let ofDomain = await gatherer.evidence(
      of: .name(Self.domain), names: [Self.domain, constantName("next.far.example")], wish: wish, leastFloor: nil,
      isLastAttempt: false, from: .null)
    let lookup = ExchangerLookup(resolver: zone, own: [], random: CountingRandom())
    return await gatherer.policy(for: host, of: ofDomain, addresses: await lookup.addresses(of: host))
  }

  @Test("DANE-016: the next hop's names count under DANE-TA where the MX record is proven, and there alone")
  func names() async {
    let proven = await policy(exchangers: .secure)
    #expect(proven.dane?.names.map(\.folded) == ["mx.provider.example", "far.example", "next.far.example"])
    #expect(proven.decision.verdict == .authenticate(.dane))
    let unproven = await policy(exchangers: .insecure)
    #expect(unproven.dane?.names.map(\.folded) == ["mx.provider.example"])
  }

  @Test("RTLS-007: under REQUIRETLS the certificate carries the MX host's own name, whatever DANE would let pass")
  func required() async {
    #expect(
      await policy(exchangers: .secure, wish: .required).dane?.names.map(\.folded) == ["mx.provider.example"])
  }

  @Test("DANE-007: records of a proven host behind an unproven MX record are matched, and the record says what lacks")
  func unprovenExchanger() async {
    let policy = await policy(exchangers: .insecure)
    #expect(policy.decision.verdict == .authenticate(.dane))
    #expect(policy.demand?.contains("though the MX record isn't proven") == true)
  }

  @Test("DANE-008: behind unproven addresses no TLSA records are sought")
  func unprovenAddresses() async {
    let policy = await policy(Self.zone(addresses: .insecure), exchangers: .secure)
    guard case .notSought = policy.evidence.tlsa else {
      Issue.record("\(policy.evidence.tlsa)")
      return
    }
    #expect(policy.dane == nil)
  }

  @Test("STS-023: the policy of the recipients' very domain is asked for, never its parent's, and none for a literal")
  func policyDomain() async throws {
    let asked = Asked()
    let gatherer = EvidenceGatherer(
      rules: DestinationRules(), policies: asked, tlsa: TLSALookup(ZoneResolver()), overrides: nil, ratchet: nil,
      port: 25, clock: StillClock())
    func ask(_ domain: MailDomain, isLastAttempt: Bool = false) async {
      _ = await gatherer.evidence(
        of: domain, names: [], wish: .unstated, leastFloor: nil, isLastAttempt: isLastAttempt, from: .null)
    }
    await ask(.name(constantName("sub.far.example")))
    await ask(try Mailbox("bob@[192.0.2.1]").domain)
    await ask(.name(Self.domain), isLastAttempt: true)
    #expect(asked.domains.withLock { $0 } == ["sub.far.example", "far.example again"])
  }
}
