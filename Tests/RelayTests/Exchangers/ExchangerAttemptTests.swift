import DNSRecords
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

@Suite("ExchangerAttempt: many hosts, own limits, hostile words")
struct ExchangerAttemptTests {
  typealias Host = ScriptedServer

  func outcome(_ result: DeliveryResult) throws -> Outcome {
    guard case .fault(let fault)? = result.outcomes.first?.outcome else { throw Delivered() }
    return OutcomeTable.decide(fault, of: .exchanger)
  }
  struct Delivered: Error {}

  func hosts(_ count: Int, tls: Host.TLS = .verified, greeting: String? = nil) -> [Host] {
    (1...count).map { number in
      Host.mailHost("mx\(number).far.example", tls: tls) { line in
        line.isEmpty ? greeting.map { .say($0) } : nil
      }
    }
  }

  func deliver(_ hosts: [Host], floor: TLSFloor = .opportunistic) async throws -> DeliveryResult {
    await ScriptedInternet(hosts).deliverer(rules: DestinationRules(floor: floor)).deliver(try DeliveryFixture().job())
  }

  // MARK: More hosts than sessions

  @Test("where TLS fails on every one of eight hosts the mail goes in clear at last, and not before")
  func manyWithoutTLS() async throws {
    let servers = hosts(8, tls: .refused)
    #expect(describe(try await deliver(servers)) == ["3 delivered"])
    #expect(servers.map(\.connections.count) == [2, 1, 1, 1, 1, 1, 1, 1])
    #expect(servers.dropFirst().allSatisfy { !$0.heardMailInClear })
  }

  @Test("the eighth host is asked where TLS fails on seven, and none of them hears mail in clear")
  func eighthHasTLS() async throws {
    let servers = hosts(7, tls: .refused) + [Host.mailHost("mx8.far.example")]
    #expect(describe(try await deliver(servers)) == ["3 delivered"])
    #expect(servers[7].messages.count == 1 && servers.allSatisfy { !$0.heardMailInClear })
  }

  @Test("where sessions run out before every host was asked nothing goes in clear")
  func notEveryHost() async throws {
    let servers = hosts(1, tls: .refused) + hosts(6, greeting: "421 4.3.2 busy\r\n") + hosts(1)
    #expect(describe(try await deliver(servers)) == ["3 greeting reply 421"])
    #expect(servers[7].connections.isEmpty && servers.allSatisfy { !$0.heardMailInClear })
  }

  @Test("521 from as many hosts as are asked isn't the last word while another is left")
  func seventhIsLeft() async throws {
    let servers = hosts(6, greeting: "521 5.3.2 no mail here\r\n") + [Host.mailHost("mx7.far.example")]
    #expect(try outcome(try await deliver(servers)).action == .retry)
    #expect(try outcome(try await deliver(Array(servers.prefix(6)))).action == .bounce)
  }

  @Test("where one family of a host's addresses can't be looked up nothing goes in clear, for there TLS may be")
  func halfLookedUp() async throws {
    let unknown: [DNSAnswer<IPAddress>] = [.failed(reason: "SERVFAIL"), .bogus(reason: "forged")]
    for answer in unknown {
      for number in 1...2 {
        let servers = hosts(2, tls: .refused)
        var zone = ScriptedInternet(servers).zone
        zone.set(answer, for: constantName("mx\(number).far.example"), family: .v6)
        let internet = ScriptedInternet(["192.0.2.1": servers[0], "192.0.2.2": servers[1]], zone: zone)
        let result = await internet.deliverer().deliver(try DeliveryFixture().job())
        #expect(try outcome(result).action == .retry)
        #expect(servers.allSatisfy { $0.connections.count == 1 && !$0.heardMailInClear })
      }
    }
  }

  @Test("addresses beyond those that are tried may have TLS, so nothing goes in clear")
  func moreAddresses() async throws {
    for (count, isDelivered) in [
      (ExchangerLookup.maximumAddresses, true), (ExchangerLookup.maximumAddresses + 1, false),
    ] {
      let server = hosts(1, tls: .refused)[0]
      var zone = ScriptedInternet(server).zone
      let all = (1...count).compactMap { IPAddress("2001:db8::\($0)") } + [IPAddress("192.0.2.1")].compactMap { $0 }
      zone.add(constantName("mx1.far.example"), at: all)
      let result = await ScriptedInternet(["192.0.2.1": server], zone: zone).deliverer()
        .deliver(try DeliveryFixture().job())
      #expect((describe(result) == ["3 delivered"]) == isDelivered && server.heardMailInClear == isDelivered)
    }
  }

  @Test("hosts beyond those that are looked at may have TLS, or take the mail: nothing goes in clear, and none bounces")
  func moreHosts() async throws {
    for (count, isDelivered) in [
      (ExchangerSelection.maximumHosts, true), (ExchangerSelection.maximumHosts + 1, false),
    ] {
      let servers = hosts(count, tls: .refused)
      #expect((describe(try await deliver(servers)) == ["3 delivered"]) == isDelivered)
      #expect(servers.contains(where: \.heardMailInClear) == isDelivered)
    }
  }

  // MARK: Our own limits

  @Test(
    "a host whose TLS is broken takes one turn of its pace for an attempt, and a second look in clear is no new one")
  func paceWithBrokenTLS() async throws {
    let server = Host.mailHost("mx1.far.example", tls: .refused)
    let deliverer = ScriptedInternet(server).deliverer { $0.perHost = TrafficLimit(perMinute: 6) }
    for _ in 0..<PaceLedger.burst {
      #expect(describe(await deliverer.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    }
    let met = server.connections.count
    #expect(await deliverer.deliver(try DeliveryFixture().job()).busyFor == .seconds(10))
    #expect(server.connections.count == met)
  }

  @Test("what was tried is recorded though another host has no room: it isn't asked again each second")
  func triedAndBusy() async throws {
    let servers = [
      Host.mailHost("mx1.far.example") { $0.hasPrefix("RCPT") ? .say("452 4.3.1 full\r\n") : nil },
      Host.mailHost("mx2.far.example"),
    ]
    let deliverer = ScriptedInternet(servers).deliverer()
    let lease = try #require(leaseAll(of: "mx2.far.example", deliverer).first)
    for _ in 1...2 {
      let result = await deliverer.deliver(try DeliveryFixture().job())
      #expect(result.busyFor == nil && result.outcomes.count == 1)
    }
    // The second over the kept connection.
    #expect(servers[0].connections.count == 1 && servers[1].connections.isEmpty)
    deliverer.connections.checkIn(.name(constantName("mx2.far.example")), lease)
  }

  @Test("RFC 5321 §5.1: a worse host is not for when our own limits keep us from the better one; an equal one is")
  func worseHost() async throws {
    let servers = [Host.mailHost("mx1.far.example"), Host.mailHost("mx2.far.example")]
    var zone = ScriptedInternet(servers).zone
    for (second, count) in [(UInt16(20), 0), (10, 1)] {
      zone.set(
        .records(
          DNSRecordSet(
            records: [10, second].enumerated().map {
              MailExchanger(preference: $1, exchange: .host(constantName("mx\($0 + 1).far.example")))
            }, canonicalName: ScriptedInternet.domain, security: .insecure, timeToLive: .seconds(60))),
        for: ScriptedInternet.domain)
      let deliverer = ScriptedInternet(["192.0.2.1": servers[0], "192.0.2.2": servers[1]], zone: zone).deliverer()
      _ = leaseAll(of: "mx1.far.example", deliverer)
      let result = await deliverer.deliver(try DeliveryFixture().job())
      #expect((result.busyFor == nil) == (count == 1))
      #expect(servers[1].messages.count == count && servers[0].connections.isEmpty)
    }
  }

  @Test("where nothing was begun the domain's pace isn't used up")
  func domainPace() async throws {
    let server = Host.mailHost("mx1.far.example")
    let deliverer = ScriptedInternet(server).deliverer { $0.perDomain = TrafficLimit(perMinute: 6) }
    let leases = leaseAll(of: "mx1.far.example", deliverer)
    for _ in 1...20 {
      #expect(await deliverer.deliver(try DeliveryFixture().job()).busyFor == DeliveryResult.busyPause)
    }
    for lease in leases { deliverer.connections.checkIn(.name(constantName("mx1.far.example")), lease) }
    #expect(describe(await deliverer.deliver(try DeliveryFixture().job())) == ["3 delivered"])
  }

  @Test("a host's connections are counted with the idle ones: one that doesn't fit makes room")
  func idleCounts() async throws {
    let server = Host.mailHost("mx1.far.example", tls: .selfSigned)
    var zone = ScriptedInternet(server).zone
    zone.add(constantName("other.example"), exchangers: [constantName("mx1.far.example")])
    var rules = DestinationRules()
    rules.floors.set(.verified, for: constantName("other.example"))
    let deliverer = ScriptedInternet(["192.0.2.1": server], zone: zone).deliverer(rules: rules) {
      $0.perHost.rules.set(TrafficLimit.Rule(atOnce: 1), for: constantName("far.example"), below: true)
    }
    #expect(describe(await deliverer.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    let strict = await deliverer.deliver(try DeliveryFixture(recipients: ["bob@other.example"]).job())
    #expect(describe(strict) == ["3 handshake security"])
    // The first connection made room, so the next message has one of its own.
    #expect(describe(await deliverer.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    #expect(server.connections.count == 3)
  }

  /// Every connection that the host may have, in use.
  func leaseAll(of host: String, _ deliverer: ExchangerDeliverer) -> [ConnectionLease] {
    var leases: [ConnectionLease] = []
    while let lease = deliverer.connections.checkOut(.name(constantName(host)), where: { _ in true }) {
      leases.append(lease)
    }
    return leases
  }

  // MARK: Words

  @Test("what a thousand recipients are told is bounded in the record, and so is one long reply")
  func bounded() async throws {
    let full = Host.mailHost("mx1.far.example") { line in
      line.hasPrefix("RCPT")
        ? .say(
          "452-4.3.1 \(line)\r\n" + String(repeating: "452-4.3.1 full, full, full\r\n", count: 100) + "452 4.3.1 .\r\n")
        : nil
    }
    let fixture = DeliveryFixture(recipients: (1...1_000).map { "r\($0)@far.example" })
    let result = await ScriptedInternet(full).deliverer().deliver(try fixture.job())
    #expect(result.outcomes.count == 1_000 && result.earlier.count <= ExchangerAccount.maximumTrailLines)
    #expect(result.earlier.allSatisfy { $0.utf8.count <= ExchangerAccount.maximumTrailOctets + 3 })
    for case (_, .fault(let fault)) in result.outcomes {
      #expect(fault.description.utf8.count < DeliveryFault.maximumReplyOctets + 20)
    }
  }

  @Test(
    "what anybody on the way may say before TLS bounces no mail that a floor protects",
    arguments: ["521 5.3.2 no mail here\r\n", "220 client.example ESMTP\r\n"])
  func saidInClear(greeting: String) async throws {
    for tls in [Host.TLS.refused, .selfSigned] {
      let servers = hosts(2, tls: tls, greeting: greeting)
      #expect(try outcome(try await deliver(servers, floor: .verified)).action == .retry)
    }
    // Inside TLS that is proven, the greeting from before it counts no more.
    let proven = try await deliver(hosts(1, greeting: "220 client.example ESMTP\r\n"), floor: .verified)
    #expect(describe(proven) == ["3 delivered"])
  }

  @Test("ourselves are known inside TLS too, by the name in the answer to EHLO")
  func ourselvesInTLS() async throws {
    let mirror = Host.mailHost("mx1.far.example") {
      $0.hasPrefix("EHLO") ? .say("250-client.example\r\n250 STARTTLS\r\n") : nil
    }
    #expect(describe(try await deliver([mirror], floor: .verified)) == ["3 greeting destination"])
  }

  @Test("what one host is not able to do, the mail waits for another to do")
  func unsupported() async throws {
    let busy = hosts(1, greeting: "421 4.3.2 busy\r\n")[0]
    let old = Host.mailHost("mx2.far.example", tls: .none) { $0.hasPrefix("EHLO") ? .say("250 mx2\r\n") : nil }
    let fixture = DeliveryFixture(bodyType: .eightBitMIME)
    let both = await ScriptedInternet(busy, old).deliverer().deliver(try fixture.job())
    #expect(describe(both) == ["3 greeting reply 421"])
    let alone = await ScriptedInternet(old).deliverer().deliver(try fixture.job())
    #expect(try outcome(alone).action == .bounce)
    let able = await ScriptedInternet(old, Host.mailHost("mx2.far.example")).deliverer().deliver(try fixture.job())
    #expect(describe(able) == ["3 delivered"])
  }

  // MARK: One domain in two spellings

  @Test(
    "a floor holds for a domain however it is spelled, and its host is asked for by the A-labels",
    arguments: [("xn--bcher-kva.example", "bob@bücher.example"), ("bücher.example", "bob@xn--bcher-kva.example")])
  func spelling(rule: String, recipient: String) async throws {
    var zone = ZoneResolver()
    zone.add(constantName("xn--bcher-kva.example"), at: [IPAddress("192.0.2.1")!])
    var rules = DestinationRules()
    rules.floors.set(.verified, for: constantName(rule))
    for (tls, expected) in [(Host.TLS.selfSigned, "3 handshake security"), (.verified, "3 delivered")] {
      let server = Host.mailHost("xn--bcher-kva.example", tls: tls) {
        $0.hasPrefix("EHLO") ? .say("250-far\r\n250-STARTTLS\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n") : nil
      }
      let deliverer = ScriptedInternet(["192.0.2.1": server], zone: zone).deliverer(rules: rules) {
        $0.converter = Bookshop()
      }
      #expect(describe(await deliverer.deliver(try DeliveryFixture(recipients: [recipient]).job())) == [expected])
    }
  }

  struct Bookshop: IDNAConverter {
    func asciiForm(of name: DomainName) -> DomainName? {
      name.folded == "bücher.example" ? constantName("xn--bcher-kva.example") : name
    }
  }

  // MARK: Reuse

  @Test("a kept connection isn't used where the host's name leads elsewhere now")
  func movedHost() async throws {
    let (before, now) = (Host.mailHost("mx1.far.example"), Host.mailHost("mx1.far.example"))
    let internet = ScriptedInternet(before)
    let zone = ChangingZone(internet.zone)
    let deliverer = ScriptedInternet(["192.0.2.1": before, "192.0.2.2": now], zone: internet.zone)
      .deliverer(resolver: zone)
    for moves in [true, false] {
      #expect(describe(await deliverer.deliver(try DeliveryFixture().job())) == ["3 delivered"])
      if moves { zone.change { $0.add(constantName("mx1.far.example"), at: [IPAddress("192.0.2.2")!]) } }
    }
    #expect(before.messages.count == 1 && now.messages.count == 1)
  }
}
