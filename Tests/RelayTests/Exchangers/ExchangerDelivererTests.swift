import DNSRecords
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

@Suite("ExchangerDeliverer")
struct ExchangerDelivererTests {
  func deliver(
    _ internet: ScriptedInternet, rules: DestinationRules = DestinationRules(),
    to recipients: [String] = ["bob@far.example"]
  ) async throws -> DeliveryResult {
    await internet.deliverer(rules: rules).deliver(try DeliveryFixture(recipients: recipients).job())
  }

  @Test("the best host takes it over TLS, and its certificate is judged and recorded though nobody asks for it")
  func best() async throws {
    let hosts = (
      ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned), ScriptedServer.mailHost("mx2.far.example")
    )
    let result = try await deliver(ScriptedInternet(hosts.0, hosts.1))
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.host == "mx1.far.example (192.0.2.1)")
    #expect(result.place.channel.contains("unverified certificate-expired"))
    #expect(result.earlier.isEmpty && hosts.1.connections.isEmpty && !hosts.0.heardMailInClear)
  }

  @Test(
    "SMTP-050: a host that doesn't answer, greets with no or leaves hands over to the next",
    arguments: ["554 5.7.1 not you\r\n", "421 4.3.2 busy\r\n", "521 5.3.2 no mail here\r\n"])
  func next(greeting: String) async throws {
    let first = ScriptedServer.mailHost("mx1.far.example") { $0.isEmpty ? .say(greeting) : nil }
    let second = ScriptedServer.mailHost("mx2.far.example")
    let result = try await deliver(ScriptedInternet(first, second))
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.host == "mx2.far.example (192.0.2.2)")
    #expect(
      result.earlier.count == 1 && result.earlier[0].hasPrefix("mx1.far.example (192.0.2.1): \(greeting.prefix(3))"))
  }

  @Test("SMTP-049: with MX records the domain's own address is never used")
  func ownAddress() async throws {
    var zone = ZoneResolver()
    zone.add(ScriptedInternet.domain, exchangers: [try DomainName("mx1.far.example")])
    zone.add(ScriptedInternet.domain, at: [IPAddress("192.0.2.9")!])
    zone.add(try DomainName("mx1.far.example"), at: [IPAddress("192.0.2.1")!])
    let own = ScriptedServer.mailHost("far.example")
    let internet = ScriptedInternet(["192.0.2.9": own], zone: zone)
    #expect(describe(try await deliver(internet)) == ["3 connect transport"])
    #expect(own.connections.isEmpty && internet.addressesDialled == ["192.0.2.1"])
  }

  @Test("SMTP-048, SMTP-050: without MX records the domain itself is asked, at every address of both families")
  func implicit() async throws {
    var zone = ZoneResolver()
    zone.add(
      ScriptedInternet.domain, at: [IPAddress("192.0.2.9")!, IPAddress("2001:db8::9")!, IPAddress("192.0.2.8")!])
    let server = ScriptedServer.mailHost("far.example")
    let internet = ScriptedInternet(["192.0.2.8": server], zone: zone)
    #expect(describe(try await deliver(internet)) == ["3 delivered"])
    #expect(Set(internet.addressesDialled) == ["192.0.2.9", "2001:db8::9", "192.0.2.8"])
  }

  @Test("an address literal is its own host")
  func literal() async throws {
    let server = ScriptedServer.mailHost("[192.0.2.9]")
    let internet = ScriptedInternet(["192.0.2.9": server], zone: ZoneResolver())
    #expect(describe(try await deliver(internet, to: ["bob@[192.0.2.9]"])) == ["3 delivered"])
  }

  @Test("a fault of the DNS is named, and nobody is dialled")
  func lookup() async throws {
    var zone = ZoneResolver()
    zone.set(
      DNSAnswer<MailExchanger>.failed(reason: "SERVFAIL"), for: ScriptedInternet.domain)
    let internet = ScriptedInternet([:], zone: zone)
    let result = try await deliver(internet)
    #expect(describe(result) == ["3 lookup destination"])
    #expect(internet.addressesDialled.isEmpty)
  }

  @Test("a host without an address is passed over; where none has one the mail waits")
  func withoutAddress() async throws {
    var zone = ZoneResolver()
    zone.add(
      ScriptedInternet.domain, exchangers: [try DomainName("none.far.example"), try DomainName("mx.far.example")])
    zone.add(try DomainName("mx.far.example"), at: [IPAddress("192.0.2.1")!])
    let server = ScriptedServer.mailHost("mx.far.example")
    #expect(describe(try await deliver(ScriptedInternet(["192.0.2.1": server], zone: zone))) == ["3 delivered"])
    zone.add(try DomainName("mx.far.example"), at: [])
    #expect(describe(try await deliver(ScriptedInternet([:], zone: zone))) == ["3 lookup destination"])
  }

  // MARK: Law 2

  @Test("where STARTTLS isn't offered the mail goes in clear on the same connection, and the record says so")
  func notOffered() async throws {
    let server = ScriptedServer.mailHost("mx1.far.example", tls: .none)
    let result = try await deliver(ScriptedInternet(server))
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.channel == "none (STARTTLS is not offered)")
    #expect(server.connections.count == 1)
  }

  @Test(
    "where TLS can't be had at one host the next is tried, and the first never hears mail in clear",
    arguments: [ScriptedServer.TLS.refused, .broken])
  func otherHostFirst(fault: ScriptedServer.TLS) async throws {
    let (first, second) = (
      ScriptedServer.mailHost("mx1.far.example", tls: fault), ScriptedServer.mailHost("mx2.far.example")
    )
    let result = try await deliver(ScriptedInternet(first, second))
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.host.hasPrefix("mx2.") && result.place.tls != nil)
    #expect(first.connections.count == 1 && !first.heardMailInClear)
  }

  @Test(
    "where TLS fails on every host, a new connection goes in clear, and the record says why",
    arguments: [ScriptedServer.TLS.refused, .broken])
  func clearAtLast(fault: ScriptedServer.TLS) async throws {
    let (first, second) = (
      ScriptedServer.mailHost("mx1.far.example", tls: fault), ScriptedServer.mailHost("mx2.far.example", tls: .broken)
    )
    let result = try await deliver(ScriptedInternet(first, second))
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.channel == "none (STARTTLS failed on every mail server of far.example)")
    #expect(result.earlier.count == 2)
    #expect(first.connections.count == 2 && second.connections.count == 1)
    #expect(first.connections[0].lines.allSatisfy { !$0.hasPrefix("MAIL") })
    #expect(!first.connections[1].lines.contains("STARTTLS"))
  }

  @Test(
    "a floor never falls back: without the TLS it asks for the mail waits, and no host hears an envelope",
    arguments: [
      (TLSFloor.encrypt, ScriptedServer.TLS.none), (.encrypt, .refused), (.encrypt, .broken), (.verified, .none),
      (.verified, .refused), (.verified, .broken), (.verified, .selfSigned),
    ])
  func floors(floor: TLSFloor, tls: ScriptedServer.TLS) async throws {
    let hosts = [1, 2].map { ScriptedServer.mailHost("mx\($0).far.example", tls: tls) }
    let result = try await deliver(ScriptedInternet(hosts[0], hosts[1]), rules: DestinationRules(floor: floor))
    guard case .fault(let fault) = result.outcomes[0].outcome else {
      Issue.record("delivered")
      return
    }
    let outcome = OutcomeTable.decide(fault, of: .exchanger)
    #expect(outcome.action == .retry && outcome.reason == .insecure)
    for host in hosts {
      #expect(host.connections.count == 1)
      #expect(host.connections.allSatisfy { $0.lines.allSatisfy { !$0.hasPrefix("MAIL") } })
    }
  }

  @Test(
    "a floor that is met lets mail go",
    arguments: [(TLSFloor.encrypt, ScriptedServer.TLS.selfSigned), (.verified, .verified)])
  func floorMet(floor: TLSFloor, tls: ScriptedServer.TLS) async throws {
    let server = ScriptedServer.mailHost("mx1.far.example", tls: tls)
    #expect(
      describe(try await deliver(ScriptedInternet(server), rules: DestinationRules(floor: floor))) == ["3 delivered"])
    #expect(!server.heardMailInClear)
  }

  @Test("530 in clear, where TLS could not be had, says nothing of the mail")
  func demandsTLS() async throws {
    let server = ScriptedServer.mailHost("mx1.far.example", tls: .refused) {
      $0.hasPrefix("MAIL") ? .say("530 5.7.0 STARTTLS first\r\n") : nil
    }
    #expect(describe(try await deliver(ScriptedInternet(server))) == ["3 starttls security"])
  }

  @Test("while another host has TLS nothing goes in clear, though that one puts the mail off")
  func otherHasTLS() async throws {
    let refusing = ScriptedServer.mailHost("mx1.far.example", tls: .refused)
    let leaving = ScriptedServer.mailHost("mx2.far.example") {
      $0.hasPrefix("MAIL") ? .say("421 4.3.2 closing\r\n") : nil
    }
    #expect(describe(try await deliver(ScriptedInternet(refusing, leaving))) == ["3 mail reply 421"])
    #expect(refusing.connections.count == 1 && !refusing.heardMailInClear)
  }

  @Test("while a host can't be looked up for now nothing goes in clear: it may have TLS")
  func otherIsUnknown() async throws {
    let hosts = [constantName("mx1.far.example"), constantName("mx2.far.example")]
    for answer in [DNSAnswer<IPAddress>.failed(reason: "SERVFAIL"), .bogus(reason: "expired"), .none(.insecure)] {
      var zone = ZoneResolver()
      zone.add(ScriptedInternet.domain, exchangers: hosts)
      zone.add(hosts[0], at: [IPAddress("192.0.2.1")!])
      for family in AddressFamily.allCases { zone.set(answer, for: hosts[1], family: family) }
      let refusing = ScriptedServer.mailHost("mx1.far.example", tls: .refused)
      _ = try await deliver(ScriptedInternet(["192.0.2.1": refusing], zone: zone))
      // Only a host that surely isn't there can't have TLS.
      #expect(refusing.heardMailInClear == (answer == .none(.insecure)))
    }
  }

  @Test("one host's many addresses leave the next host its session")
  func manyAddresses() async throws {
    let hosts = [constantName("mx1.far.example"), constantName("mx2.far.example")]
    var zone = ZoneResolver()
    zone.add(ScriptedInternet.domain, exchangers: hosts)
    zone.add(hosts[0], at: (1...8).map { IPAddress("192.0.2.\($0)")! })
    zone.add(hosts[1], at: [IPAddress("192.0.2.9")!])
    let busy = ScriptedServer.mailHost("mx1.far.example") { $0.isEmpty ? .say("421 4.3.2 busy\r\n") : nil }
    var servers = Dictionary(uniqueKeysWithValues: (1...8).map { ("192.0.2.\($0)", busy) })
    servers["192.0.2.9"] = ScriptedServer.mailHost("mx2.far.example")
    #expect(describe(try await deliver(ScriptedInternet(servers, zone: zone))) == ["3 delivered"])
    #expect(busy.connections.count == ExchangerSettings.maximumSessions - 1)
  }

  // MARK: Answers

  @Test("what concerns a recipient is its host's last word; what ends the session is not")
  func scopes() async throws {
    let second = ScriptedServer.mailHost("mx2.far.example")
    let gray = ScriptedServer.mailHost("mx1.far.example") { $0.hasPrefix("RCPT") ? .say("450 4.2.0 later\r\n") : nil }
    #expect(describe(try await deliver(ScriptedInternet(gray, second))) == ["3 rcpt reply 450"])
    #expect(second.connections.isEmpty)
    let leaving = ScriptedServer.mailHost("mx1.far.example") {
      $0.hasPrefix("MAIL") ? .say("421 4.3.2 closing\r\n") : nil
    }
    #expect(describe(try await deliver(ScriptedInternet(leaving, second))) == ["3 delivered"])
  }

  @Test("a final reply that is lost is not asked of another host: it may have been a yes")
  func lostFinalReply() async throws {
    let first = ScriptedServer.mailHost("mx1.far.example") { $0 == "." ? .close : nil }
    let second = ScriptedServer.mailHost("mx2.far.example")
    #expect(describe(try await deliver(ScriptedInternet(first, second))) == ["3 final-reply transport"])
    #expect(second.connections.isEmpty)
  }

  @Test("NMX-006: 521 from every host is the domain's last word; while one may still take it the mail waits")
  func neverAccepts() async throws {
    func host(_ greeting: String) -> ScriptedServer {
      ScriptedServer.mailHost("mx.far.example") { $0.isEmpty ? .say(greeting) : nil }
    }
    let all = try await deliver(ScriptedInternet(host("521 no mail\r\n"), host("521 no mail\r\n")))
    #expect(describe(all) == ["3 greeting reply 521"])
    for order in [["521 no mail\r\n", "421 later\r\n"], ["421 later\r\n", "521 no mail\r\n"]] {
      #expect(describe(try await deliver(ScriptedInternet(host(order[0]), host(order[1])))) == ["3 greeting reply 421"])
    }
  }

  @Test("SMTP-046: a host that greets with our own name is ourselves, whatever the DNS calls it")
  func ourselves() async throws {
    let mirror = ScriptedServer.mailHost("client.example", tls: .none)
    let result = try await deliver(ScriptedInternet(mirror))
    #expect(describe(result) == ["3 greeting destination"])
    #expect(!mirror.heardMailInClear)
    let other = ScriptedServer.mailHost("mx2.far.example")
    #expect(describe(try await deliver(ScriptedInternet(mirror, other))) == ["3 delivered"])
  }

  // MARK: Connections

  @Test("a connection carries another domain's mail where it is that domain's host too and safe enough for it")
  func reuse() async throws {
    let server = ScriptedServer.mailHost("mx1.far.example", tls: .selfSigned)
    var zone = ZoneResolver()
    let host = try DomainName("mx1.far.example")
    for name in ["far.example", "other.example", "strict.example"] {
      zone.add(try DomainName(name), exchangers: [host])
    }
    zone.add(host, at: [IPAddress("192.0.2.1")!])
    let internet = ScriptedInternet(["192.0.2.1": server], zone: zone)
    var rules = DestinationRules()
    rules.floors.set(.verified, for: try DomainName("strict.example"))
    let deliverer = internet.deliverer(rules: rules)
    for name in ["far.example", "other.example"] {
      let result = await deliverer.deliver(try DeliveryFixture(recipients: ["bob@\(name)"]).job())
      #expect(describe(result) == ["3 delivered"])
    }
    #expect(server.connections.count == 1 && server.messages.count == 2)
    let strict = await deliverer.deliver(try DeliveryFixture(recipients: ["bob@strict.example"]).job())
    #expect(describe(strict) == ["3 handshake security"])
    #expect(server.connections.count == 2 && server.messages.count == 2)
  }

  @Test("what went in clear for one domain's reasons is no way for another's mail")
  func clearIsNotReused() async throws {
    let server = ScriptedServer.mailHost("mx1.far.example", tls: .refused)
    let internet = ScriptedInternet(server)
    let deliverer = internet.deliverer()
    for _ in 1...2 { #expect(describe(await deliverer.deliver(try DeliveryFixture().job())) == ["3 delivered"]) }
    #expect(server.connections.count == 4)
  }

  @Test("where the pace or the host's connections leave no room, the mail waits its turn and nothing is tried")
  func busy() async throws {
    let server = ScriptedServer.mailHost("mx1.far.example")
    let internet = ScriptedInternet(server)
    let slow = internet.deliverer { $0.perHost = TrafficLimit(perMinute: 60) }
    for _ in 0..<PaceLedger.burst {
      #expect(describe(await slow.deliver(try DeliveryFixture().job())) == ["3 delivered"])
    }
    let result = await slow.deliver(try DeliveryFixture().job())
    #expect(result.busyFor == .seconds(1) && result.outcomes.isEmpty)
  }

  @Test("nobody anywhere answers on port 25: said once, until somebody does")
  func blocked() async throws {
    var zone = ZoneResolver()
    for number in 1...12 {
      let host = try DomainName("mx\(number).example")
      zone.add(try DomainName("d\(number).example"), exchangers: [host])
      zone.add(host, at: [IPAddress("192.0.2.\(number)")!])
    }
    zone.add(try DomainName("d13.example"), at: [IPAddress("2001:db8::13")!])
    let internet = ScriptedInternet(["192.0.2.12": ScriptedServer.mailHost("mx12.example")], zone: zone)
    let deliverer = internet.deliverer()
    for number in 1...11 {
      _ = await deliverer.deliver(try DeliveryFixture(recipients: ["bob@d\(number).example"]).job())
    }
    #expect(internet.events.map { $0["what"] } == [.text("port-25-blocked")])
    // That there is no way to an address says nothing of the port.
    _ = await deliverer.deliver(try DeliveryFixture(recipients: ["bob@d13.example"]).job())
    #expect(internet.events.count == 1)
    _ = await deliverer.deliver(try DeliveryFixture(recipients: ["bob@d12.example"]).job())
    #expect(internet.events.last?["clears"] == .text("port-25-blocked"))
  }
}
