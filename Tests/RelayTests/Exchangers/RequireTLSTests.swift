import DNSRecords
import MailQueue
import MailSyntax
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

/// What the session and the account of an attempt make of a message that asks for REQUIRETLS. Whether a host may be
/// used for it at all is `decide`'s to say.
@Suite("REQUIRETLS on the way to the exchangers", .timeLimit(.minutes(5)))
struct RequireTLSTests {
  typealias Host = ScriptedServer

  private func host(_ number: Int, offers: Bool, greeting: String? = nil) -> Host {
    let name = "mx\(number).far.example"
    return Host.mailHost(name) { line in
      if line.isEmpty, let greeting { return .say(greeting) }
      guard line.hasPrefix("EHLO") else { return nil }
      return .say("250-\(name)\r\n250-STARTTLS\r\n\(offers ? "250-REQUIRETLS\r\n" : "")250 8BITMIME\r\n")
    }
  }

  private func deliver(_ fixture: DeliveryFixture, _ hosts: Host...) async throws -> DeliveryResult {
    // That the hosts are the domain's is proven; what they are worth is asked here.
    await ScriptedInternet(hosts, exchangers: .secure).deliverer().deliver(try fixture.job())
  }

  private func mail(_ host: Host) -> [String] { host.connections.flatMap(\.lines).filter { $0.hasPrefix("MAIL") } }

  private func outcome(_ result: DeliveryResult) -> Outcome? {
    guard case .fault(let fault)? = result.outcomes.first?.outcome else { return nil }
    return OutcomeTable.decide(fault, of: .exchanger)
  }

  private let required = DeliveryFixture(tlsWish: .required)
  private let report = DeliveryFixture(tlsWish: .required, hasSender: false)

  @Test(
    "RTLS-002, RTLS-005: the host that offers REQUIRETLS gets the mail, the third of three; the others hear no MAIL")
  func third() async throws {
    let hosts = [host(1, offers: false), host(2, offers: false, greeting: "421 4.3.2 busy\r\n"), host(3, offers: true)]
    #expect(describe(try await deliver(required, hosts[0], hosts[1], hosts[2])) == ["3 delivered"])
    #expect(hosts.map(mail) == [[], [], ["MAIL FROM:<alice@client.example> REQUIRETLS"]])
  }

  @Test("RTLS-005, RTLS-006: when every host has answered and lacks REQUIRETLS the mail bounces as 5.7.30")
  func none() async throws {
    let hosts = [host(1, offers: false), host(2, offers: false)]
    let result = try await deliver(required, hosts[0], hosts[1])
    #expect(describe(result) == ["3 mail unsupported 5.7.30"])
    #expect(outcome(result)?.action == .bounce && outcome(result)?.status == .requireTLSNeeded)
    #expect(hosts.map(mail) == [[], []])
  }

  @Test("RTLS-005: while one host could not be asked the mail waits, in whichever order they stand")
  func waits() async throws {
    for busyPlace in 1...2 {
      let hosts = (1...2).map { number in
        host(number, offers: number == busyPlace, greeting: number == busyPlace ? "421 4.3.2 busy\r\n" : nil)
      }
      let result = try await deliver(required, hosts[0], hosts[1])
      // What is said before TLS is nobody's word about such mail.
      #expect(describe(result) == ["3 greeting security"])
      #expect(outcome(result)?.action == .retry && hosts.flatMap(mail).isEmpty)
    }
  }

  @Test(
    "RTLS-002, RTLS-006: no host without TLS, or without a proven name, hears a word of it; what answers so is final")
  func unproven() async throws {
    for (tls, action) in [
      (Host.TLS.none, Outcome.Action.bounce), (.refused, .retry), (.broken, .retry), (.selfSigned, .bounce),
    ] {
      let server = Host.mailHost("mx1.far.example", tls: tls)
      let result = try await deliver(required, server)
      #expect(outcome(result)?.action == action, "\(tls)")
      if action == .bounce { #expect(outcome(result)?.status == .encryptionNeeded) }
      #expect(mail(server).isEmpty)
    }
  }

  @Test("RTLS-009: a report about such mail takes the host that offers REQUIRETLS, though a better one lacks it")
  func reportPrefers() async throws {
    let hosts = [host(1, offers: false), host(2, offers: true)]
    #expect(describe(try await deliver(report, hosts[0], hosts[1])) == ["3 delivered"])
    #expect(hosts.map(mail) == [[], ["MAIL FROM:<> REQUIRETLS"]])
  }

  @Test("RTLS-009: where every host lacks it the report goes without, inside TLS and never in clear")
  func reportSettles() async throws {
    let hosts = [host(1, offers: false), host(2, offers: false)]
    let result = try await deliver(report, hosts[0], hosts[1])
    #expect(describe(result) == ["3 delivered"])
    #expect(result.place.tls != nil && result.place.host.hasPrefix("mx1.far.example"))
    #expect(hosts.map(mail) == [["MAIL FROM:<>"], []])
    for tls in [Host.TLS.none, .refused, .broken] {
      let server = Host.mailHost("mx1.far.example", tls: tls)
      #expect(outcome(try await deliver(report, server))?.action == .retry)
      #expect(mail(server).isEmpty)
    }
  }

  @Test("RTLS-009: the second look asks for encryption at least, and keeps to a floor that asks for more")
  func settledEvidence() async throws {
    var job = try report.job()
    #expect(job.wish == .required && job.leastFloor == nil)
    job.requireTLS = .settle
    for (floor, expected) in [
      (TLSFloor.opportunistic, TLSFloor.encrypt), (.encrypt, .encrypt), (.verified, .verified), (.dane, .dane),
    ] {
      let gatherer = EvidenceGatherer(
        rules: DestinationRules(floor: floor), policies: nil, tlsa: TLSALookup(ZoneResolver()), overrides: nil,
        ratchet: nil,
        port: 25, clock: StillClock())
      let evidence = await gatherer.evidence(
        of: .name(ScriptedInternet.domain), names: [], wish: job.wish, leastFloor: job.leastFloor,
        isLastAttempt: false, from: .null)
      #expect(gatherer.floor(of: evidence).floor == expected && evidence.wish == .unstated)
    }
  }

  @Test("RTLS-009: a second look that finds no room lets the report wait, and others' answers stand")
  func noRoomForSecondLook() throws {
    let job = try DeliveryFixture(
      recipients: ["a@far.example", "b@far.example"], tlsWish: .required, hasSender: false
    ).job()
    let lacking = DeliveryFault(stage: .mail, cause: .unsupported(.requireTLSNeeded, "lacking"))
    var result = DeliveryResult(host: "mx1", tls: nil, outcomes: [(3, .delivered("250")), (4, .fault(lacking))])
    let second = try #require(job.settling(after: result))
    #expect(second.recipients.map(\.number) == [4] && second.requireTLS == .settle)
    #expect(second.settling(after: result).map(\.recipients) == nil, "there is no third")
    result.replace(by: .busy(.name(ScriptedInternet.domain), for: .seconds(1)), for: second)
    #expect(describe(result) == ["3 delivered", "4 connect transport"])
    #expect(result.busyFor == nil && result.place.host == "mx1")
  }

  @Test("RTLS-009: only what has no sender, and asks, is looked at twice")
  func secondLook() async throws {
    for fixture in [
      required, DeliveryFixture(hasSender: false), DeliveryFixture(tlsWish: .notRequired, hasSender: false),
    ] {
      #expect(try !fixture.job().mayGoWithoutRequireTLS)
    }
    // What the host itself refuses is its word, and no lack of an extension.
    let refusing = Host.mailHost("mx1.far.example") { line in
      if line.hasPrefix("EHLO") { return .say("250-mx1\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n") }
      return line.hasPrefix("MAIL") ? .say("550 5.7.30 REQUIRETLS needed\r\n") : nil
    }
    #expect(describe(try await deliver(report, refusing)) == ["3 mail reply 550"])
    #expect(mail(refusing) == ["MAIL FROM:<> REQUIRETLS"])
  }

  @Test("RTLS-010: TLS-Required: No still goes by STARTTLS where it can, and in clear where it can't")
  func waived() async throws {
    let waived = DeliveryFixture(tlsWish: .notRequired)
    let able = host(1, offers: true)
    let result = try await deliver(waived, able)
    #expect(describe(result) == ["3 delivered"] && result.place.tls != nil)
    #expect(mail(able) == ["MAIL FROM:<alice@client.example>"])
    let unable = Host.mailHost("mx1.far.example", tls: .none)
    #expect(describe(try await deliver(waived, unable)) == ["3 delivered"])
  }

  @Test("RTLS-012: 530 from every host that offers no STARTTLS bounces TLS-Required: No, and no other mail")
  func demanded() async throws {
    for (wish, tls, action) in [
      (TLSWish.notRequired, Host.TLS.none, Outcome.Action.bounce), (.unstated, .none, .retry),
      // It says that it has TLS, and not now: that may mend.
      (.notRequired, .refused, .retry),
    ] {
      let server = Host.mailHost("mx1.far.example", tls: tls) {
        $0.hasPrefix("MAIL") ? .say("530 5.7.0 Must issue a STARTTLS command first\r\n") : nil
      }
      let result = try await deliver(DeliveryFixture(tlsWish: wish), server)
      #expect(outcome(result)?.action == action)
      if action == .bounce { #expect(outcome(result)?.status == .encryptionNeeded) }
    }
    // Another host takes it.
    let strict = Host.mailHost("mx1.far.example", tls: .none) {
      $0.hasPrefix("MAIL") ? .say("530 5.7.0 Must issue a STARTTLS command first\r\n") : nil
    }
    let open = Host.mailHost("mx2.far.example", tls: .none)
    #expect(describe(try await deliver(DeliveryFixture(tlsWish: .notRequired), strict, open)) == ["3 delivered"])
  }
}
