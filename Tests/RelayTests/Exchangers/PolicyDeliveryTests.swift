import DNSRecords
import MailQueue
import MailSyntax
import QueueModel
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

/// A domain's policy that stands, and what is asked of it.
private struct FixedPolicy: STSPolicySource {
  let evidence: STSEvidence
  var rechecked: STSEvidence?
  func evidence(for domain: DomainName) async -> STSEvidence { evidence }
  func recheck(_ domain: DomainName) async -> STSEvidence { rechecked ?? evidence }
}

@Suite("A delivery under the recipients' policy")
struct PolicyDeliveryTests {
  private static let hosts = [constantName("mx1.far.example"), constantName("mx2.far.example")]

  /// The DNS of far.example with two hosts: what is signed, and the keys that TLSA records speak of, by host.
  private static func zone(
    exchangers: DNSSECState = .insecure, addresses: DNSSECState = .insecure,
    tlsa: [DNSAnswer<TLSARecord>] = [.none(.insecure), .none(.insecure)]
  ) -> ZoneResolver {
    var zone = ZoneResolver()
    zone.add(ScriptedInternet.domain, exchangers: hosts, security: exchangers)
    for (place, host) in hosts.enumerated() {
      zone.add(host, at: [IPAddress("192.0.2.\(place + 1)")!], security: addresses)
      zone.set(tlsa[place], for: constantName("_25._tcp.\(host)"))
    }
    return zone
  }

  private static func key(_ octet: UInt8, usage: UInt8 = 3, _ security: DNSSECState = .secure) -> DNSAnswer<TLSARecord>
  {
    let record = TLSARecord(
      usage: usage, selector: 1, matchingType: 1, association: Array(repeating: octet, count: 32))
    return .records(
      DNSRecordSet(
        records: [record], canonicalName: constantName("_25._tcp.mx1.far.example"), security: security,
        timeToLive: .seconds(300)))
  }

  private static func policy(_ mode: STSPolicy.Mode, _ patterns: String...) -> STSEvidence {
    .inForce(
      KnownSTSPolicy(
        policy: STSPolicy(mode: mode, maxAge: .seconds(604_800), patterns: patterns.map { STSPattern($0) }),
        recordID: "20260101", fetchedAt: UTCInstant(seconds: 1_699_000_000)))
  }

  /// Serves two hosts in the order of preference.
  private func deliver(
    _ first: ScriptedServer, _ second: ScriptedServer, zone: ZoneResolver = zone(), sts: STSEvidence = .absent,
    rechecked: STSEvidence? = nil, wish: TLSWish = .unstated, floor: TLSFloor = .opportunistic, isExpired: Bool = false,
    hasSender: Bool = true
  ) async throws -> DeliveryResult {
    let internet = ScriptedInternet(["192.0.2.1": first, "192.0.2.2": second], zone: zone)
    var fixture = DeliveryFixture()
    fixture.tlsWish = wish
    fixture.hasSender = hasSender
    if isExpired { fixture.expiresAt = StillClock().now }
    return try await internet.deliverer(
      rules: DestinationRules(floor: floor),
      memory: PolicyMemory(policies: FixedPolicy(evidence: sts, rechecked: rechecked))
    ).deliver(fixture.job())
  }

  // MARK: MTA-STS

  @Test(
    "STS-026, STS-030: under enforce a host without STARTTLS, with a refused one, a broken or an unproven one hands over to the next",
    arguments: [ScriptedServer.TLS.none, .refused, .broken, .selfSigned])
  func enforceGoesOn(tls: ScriptedServer.TLS) async throws {
    let hosts = (ScriptedServer.mailHost("mx1.far.example", tls: tls), ScriptedServer.mailHost("mx2.far.example"))
    let result = try await deliver(hosts.0, hosts.1, sts: Self.policy(.enforce, "*.far.example"))
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.host.hasPrefix("mx2.") && !hosts.0.heardMailInClear)
    #expect(result.place.policy?.decision.verdict == .authenticate(.pkix))
  }

  @Test(
    "STS-026: where no host has what enforce asks for the mail waits, and none of them heard of it",
    arguments: [ScriptedServer.TLS.none, .refused, .broken, .selfSigned])
  func enforceWaits(tls: ScriptedServer.TLS) async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: tls), ScriptedServer.mailHost("mx2.far.example", tls: tls)
    )
    let result = try await deliver(hosts.0, hosts.1, sts: Self.policy(.enforce, "*.far.example"))
    guard case .fault(let fault)? = result.outcomes.first?.outcome else {
      Issue.record("it went")
      return
    }
    #expect(OutcomeTable.decide(fault, of: .exchanger).action == .retry)
    #expect(hosts.0.messages.isEmpty && hosts.1.messages.isEmpty)
    #expect(!hosts.0.heardMailInClear && !hosts.1.heardMailInClear)
  }

  @Test(
    "STS-024, STS-031: a host that the policy doesn't list keeps its place and is passed over, without a word to it")
  func unlisted() async throws {
    let hosts = (ScriptedServer.mailHost("mx1.far.example"), ScriptedServer.mailHost("mx2.far.example"))
    let result = try await deliver(hosts.0, hosts.1, sts: Self.policy(.enforce, "mx2.far.example"))
    #expect(describe(result) == ["3 delivered"])
    #expect(hosts.0.connections.isEmpty && result.place.host.hasPrefix("mx2."))
    #expect(result.earlier.count == 1 && result.earlier[0].contains("doesn't list mx1.far.example"))
    let none = try await deliver(hosts.0, hosts.1, sts: Self.policy(.enforce, "mx.other.example"))
    #expect(describe(none) == ["3 mta-sts policy"])
  }

  @Test(
    "STS-027, STS-028: testing, none and a policy that can't be had keep no mail back",
    arguments: [
      policy(.testing, "mx.other.example"), policy(.none), .unavailable(STSTrouble(.stsPolicyFetchError, "404")),
    ])
  func notEnforced(sts: STSEvidence) async throws {
    let host = ScriptedServer.mailHost("mx1.far.example", tls: .none)
    let result = try await deliver(host, ScriptedServer.mailHost("mx2.far.example"), sts: sts)
    #expect(describe(result) == ["3 delivered"] && result.place.host.hasPrefix("mx1."))
  }

  @Test("STS-029: before mail is given up the policy is asked for anew, and a new one lets it go")
  func rechecked() async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned),
      ScriptedServer.mailHost("mx2.far.example", tls: .selfSigned)
    )
    let enforce = Self.policy(.enforce, "*.far.example")
    #expect(
      describe(try await deliver(hosts.0, hosts.1, sts: enforce, rechecked: Self.policy(.none))) != ["3 delivered"])
    let last = try await deliver(hosts.0, hosts.1, sts: enforce, rechecked: Self.policy(.none), isExpired: true)
    #expect(describe(last) == ["3 delivered"])
  }

  // MARK: DANE

  @Test("DANE-013, DANE-015: a key that the records know is proof enough, whatever its certificate is")
  func daneMatches() async throws {
    let host = ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned, keyDigest: Array(repeating: 7, count: 32))
    let result = try await deliver(
      host, ScriptedServer.mailHost("mx2.far.example"),
      zone: Self.zone(exchangers: .secure, addresses: .secure, tlsa: [Self.key(7), .none(.secure)]),
      sts: Self.policy(.enforce, "other.example"))
    #expect(describe(result) == ["3 delivered"] && result.place.host.hasPrefix("mx1."))
    #expect(result.place.channel.hasSuffix("dane"))
    #expect(result.place.evidence?.dane?.hasPrefix("matched 3 1 1") == true)
    guard case .client(let peer)? = host.connections.first?.tls else { return }
    #expect(peer.serverName == "mx1.far.example" && peer.demand == .dane)
  }

  @Test(
    "DANE-013, DANE-031, STS-032: a key that they don't know keeps the mail back, though an authority vouches for it",
    arguments: [STSEvidence.absent, policy(.enforce, "*.far.example"), policy(.testing, "*.far.example")])
  func daneMismatch(sts: STSEvidence) async throws {
    let host = ScriptedServer.mailHost("mx1.far.example")
    let other = ScriptedServer.mailHost("mx2.far.example")
    let zone = Self.zone(exchangers: .secure, addresses: .secure, tlsa: [Self.key(9), Self.key(9)])
    let result = try await deliver(host, other, zone: zone, sts: sts)
    #expect(describe(result) == ["3 handshake security"])
    #expect(host.messages.isEmpty && other.messages.isEmpty)
  }

  @Test("STS-026: behind an unproven MX record the key that the host's records know waives no authority's word")
  func bothProofs() async throws {
    let zone = Self.zone(addresses: .secure, tlsa: [Self.key(7), Self.key(7)])
    func result(_ tls: ScriptedServer.TLS, key: UInt8) async throws -> (DeliveryResult, messages: Int) {
      let host = ScriptedServer.mailHost("mx1.far.example", tls: tls, keyDigest: Array(repeating: key, count: 32))
      let other = ScriptedServer.mailHost("mx2.far.example", tls: tls, keyDigest: Array(repeating: key, count: 32))
      let result = try await deliver(host, other, zone: zone, sts: Self.policy(.enforce, "*.far.example"))
      return (result, host.messages.count + other.messages.count)
    }
    for (tls, key) in [(ScriptedServer.TLS.selfSigned, UInt8(7)), (.verified, 9)] {
      let (result, messages) = try await result(tls, key: key)
      #expect(describe(result) == ["3 handshake security"] && messages == 0)
    }
    #expect(describe(try await result(.verified, key: 7).0) == ["3 delivered"])
  }

  @Test("DANE-004, DANE-003: a look-up that fails rules the one host out, and the next takes the mail")
  func daneFailed() async throws {
    for answer in [DNSAnswer<TLSARecord>.failed(reason: "SERVFAIL"), .bogus(reason: "expired")] {
      let hosts = (ScriptedServer.mailHost("mx1.far.example"), ScriptedServer.mailHost("mx2.far.example"))
      let result = try await deliver(
        hosts.0, hosts.1, zone: Self.zone(addresses: .secure, tlsa: [answer, .none(.secure)]))
      #expect(describe(result) == ["3 delivered"] && result.place.host.hasPrefix("mx2."))
      #expect(hosts.0.connections.isEmpty)
      let both = try await deliver(hosts.0, hosts.1, zone: Self.zone(addresses: .secure, tlsa: [answer, answer]))
      #expect(describe(both) == ["3 dane policy"])
    }
  }

  @Test("DANE-012: records that can't be used ask for TLS, and nothing goes in clear")
  func daneUnusable() async throws {
    let zone = Self.zone(
      exchangers: .secure, addresses: .secure, tlsa: [Self.key(7, usage: 1), Self.key(7, usage: 1)])
    let clear = (
      ScriptedServer.mailHost("mx1.far.example", tls: .none), ScriptedServer.mailHost("mx2.far.example", tls: .broken)
    )
    #expect(describe(try await deliver(clear.0, clear.1, zone: zone)) != ["3 delivered"])
    #expect(!clear.0.heardMailInClear && !clear.1.heardMailInClear)
    let unproven = ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned)
    #expect(describe(try await deliver(unproven, clear.1, zone: zone)) == ["3 delivered"])
  }

  @Test("DANE-006: preference wins: a host without records comes before one with")
  func preference() async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: .none),
      ScriptedServer.mailHost("mx2.far.example", keyDigest: Array(repeating: 7, count: 32))
    )
    let result = try await deliver(
      hosts.0, hosts.1, zone: Self.zone(exchangers: .secure, addresses: .secure, tlsa: [.none(.secure), Self.key(7)]))
    #expect(describe(result) == ["3 delivered"] && result.place.host.hasPrefix("mx1."))
  }

  @Test("while another host's records rule it out nothing goes in clear: it may have TLS")
  func ruledOutIsNotWithoutTLS() async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: .refused), ScriptedServer.mailHost("mx2.far.example")
    )
    let zone = Self.zone(addresses: .secure, tlsa: [.none(.secure), .failed(reason: "SERVFAIL")])
    #expect(describe(try await deliver(hosts.0, hosts.1, zone: zone)) != ["3 delivered"])
    #expect(!hosts.0.heardMailInClear)
    // The same where the other presents a key that its records don't know.
    let mismatch = Self.zone(exchangers: .secure, addresses: .secure, tlsa: [.none(.secure), Self.key(9)])
    #expect(describe(try await deliver(hosts.0, hosts.1, zone: mismatch)) != ["3 delivered"])
    #expect(!hosts.0.heardMailInClear)
  }

  @Test("DANE-026: the floor dane waits where the domain has no proven records")
  func mandatory() async throws {
    let hosts = (ScriptedServer.mailHost("mx1.far.example"), ScriptedServer.mailHost("mx2.far.example"))
    #expect(describe(try await deliver(hosts.0, hosts.1, floor: .dane)) == ["3 operator-floor policy"])
    #expect(hosts.0.connections.isEmpty && hosts.1.connections.isEmpty)
  }

  // MARK: The operator

  @Test("an override stands in place of the configured floor: a stricter one keeps mail back, a weaker lets it go")
  func overridden() async throws {
    func result(_ floor: TLSFloor, overriddenBy other: TLSFloor) async throws -> [String] {
      let clock = StillClock()
      let overrides = FloorOverrides(
        store: ModelPolicyStore(clock: clock), converter: OneUmlaut(), clock: clock, events: PolicyLog())
      _ = try await overrides.add(
        FloorOverride(
          domain: ScriptedInternet.domain, floor: other, from: clock.now, until: clock.now + .hours(1),
          reason: "ticket 7", author: "anna"), rules: nil)
      let internet = ScriptedInternet(ScriptedServer.mailHost("mx1.far.example", tls: .none))
      return describe(
        await internet.deliverer(
          rules: DestinationRules(floor: floor), memory: PolicyMemory(overrides: overrides)
        ).deliver(try DeliveryFixture().job()))
    }
    #expect(try await result(.opportunistic, overriddenBy: .encrypt) == ["3 starttls security"])
    #expect(try await result(.encrypt, overriddenBy: .opportunistic) == ["3 delivered"])
  }

  // MARK: The sender

  @Test("RTLS-005, RTLS-006: REQUIRETLS to a domain that proves no host is returned with 5.7.10, when no host will do")
  func requiredUnproven() async throws {
    let hosts = (ScriptedServer.mailHost("mx1.far.example"), ScriptedServer.mailHost("mx2.far.example"))
    let result = try await deliver(hosts.0, hosts.1, wish: .required)
    #expect(describe(result) == ["3 sender policy"])
    guard case .fault(let fault)? = result.outcomes.first?.outcome else { return }
    let outcome = OutcomeTable.decide(fault, of: .exchanger)
    #expect(outcome.action == .bounce && "\(outcome.status)" == "5.7.10")
    #expect(hosts.0.connections.isEmpty && hosts.1.connections.isEmpty)
  }

  @Test("RTLS-006: REQUIRETLS and a published policy that isn't met waits; REQUIRETLS alone is returned")
  func requiredAndEnforced() async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned),
      ScriptedServer.mailHost("mx2.far.example", tls: .none)
    )
    func action(_ mode: STSPolicy.Mode) async throws -> Outcome.Action? {
      let result = try await deliver(hosts.0, hosts.1, sts: Self.policy(mode, "*.far.example"), wish: .required)
      guard case .fault(let fault)? = result.outcomes.first?.outcome else { return nil }
      return OutcomeTable.decide(fault, of: .exchanger).action
    }
    #expect(try await action(.enforce) == .retry)
    #expect(try await action(.testing) == .bounce)
    #expect(hosts.0.messages.isEmpty && !hosts.1.heardMailInClear)
  }

  @Test("RTLS-006: what a floor or a TLSA record asks for too is a reason to wait, also under REQUIRETLS")
  func requiredBesideOthers() async throws {
    func action(
      _ server: ScriptedServer.TLS, _ zone: ZoneResolver, _ sts: STSEvidence, _ floor: TLSFloor
    ) async throws -> Outcome.Action? {
      let result = try await deliver(
        ScriptedServer.mailHost("mx1.far.example", tls: server),
        ScriptedServer.mailHost("mx2.far.example", tls: server), zone: zone, sts: sts, wish: .required, floor: floor)
      guard case .fault(let fault)? = result.outcomes.first?.outcome else { return nil }
      return OutcomeTable.decide(fault, of: .exchanger).action
    }
    let testing = Self.policy(.testing, "*.far.example")
    #expect(try await action(.none, Self.zone(), testing, .encrypt) == .retry)
    #expect(try await action(.none, Self.zone(), testing, .opportunistic) == .bounce)
    #expect(try await action(.selfSigned, Self.zone(), testing, .encrypt) == .bounce)
    let mismatch = Self.zone(addresses: .secure, tlsa: [Self.key(9), Self.key(9)])
    #expect(try await action(.verified, mismatch, testing, .opportunistic) == .retry)
  }

  @Test("RTLS-009: a report that asks for REQUIRETLS waits, too, while nobody can say whether a policy proves the host")
  func requiredReportUnsure() async throws {
    let hosts = (ScriptedServer.mailHost("mx1.far.example"), ScriptedServer.mailHost("mx2.far.example"))
    let unsure = STSEvidence.unavailable(STSTrouble(.stsPolicyFetchError, "SERVFAIL"))
    let waiting = try await deliver(hosts.0, hosts.1, sts: unsure, wish: .required, hasSender: false)
    #expect(describe(waiting) == ["3 sender policy"])
    #expect(hosts.0.connections.isEmpty && hosts.1.connections.isEmpty)
    // Where it is sure that none does, nobody would ever hear of what the report says.
    let settled = try await deliver(hosts.0, hosts.1, sts: .absent, wish: .required, hasSender: false)
    #expect(describe(settled) == ["3 delivered"] && settled.place.tls != nil)
  }

  @Test("RTLS-010: TLS-Required: No gets past a domain's broken promises, and not past our floor")
  func waived() async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned), ScriptedServer.mailHost("mx2.far.example")
    )
    let zone = Self.zone(exchangers: .secure, addresses: .secure, tlsa: [Self.key(9), Self.key(9)])
    let enforce = Self.policy(.enforce, "other.example")
    let result = try await deliver(hosts.0, hosts.1, zone: zone, sts: enforce, wish: .notRequired)
    #expect(describe(result) == ["3 delivered"] && result.place.host.hasPrefix("mx1.") && result.place.tls != nil)
    let floored = try await deliver(
      ScriptedServer.mailHost("mx1.far.example", tls: .none), ScriptedServer.mailHost("mx2.far.example", tls: .none),
      sts: enforce, wish: .notRequired, floor: .encrypt)
    #expect(describe(floored) == ["3 starttls security"])
  }
}
