import Certificates
import DNSRecords
import Diagnosis
import MailSyntax
import NIOPosix
import Relay
import SMTPSessions
import SMTPTransport
import SystemWorld
import Testing
import TransportSecurity

@testable import martlet

/// Visits to a server of ours on loopback, over real TLS.
@Suite("explain --live", .timeLimit(.minutes(5)))
struct ExplainLiveTests {
  private static let domain = ExplainCase.name("example.org")
  private static let host = ExplainCase.name("localhost")

  private func visit(
    _ place: DevelopmentPlace, port: UInt16, tlsa: [UInt8]?
  ) async throws -> (HostVisit, VisitJudgement) {
    var zone = ZoneResolver()
    zone.add(Self.domain, exchangers: [Self.host], security: .secure)
    zone.add(Self.host, at: [Loopback.v4], security: .secure)
    if let tlsa {
      let service = ExplainCase.name("_\(port)._tcp.localhost")
      let record = TLSARecord(usage: 3, selector: 1, matchingType: 1, association: tlsa)
      zone.set(ExplainCase.set([record], at: service), for: service)
    }
    var settings = ExchangerSettings(
      egress: Egress(name: .name(ExplainCase.name("client.example"))), ownNames: [])
    settings.port = port
    let survey = DestinationSurvey(
      settings, resolver: zone, clock: SystemClock(), random: SystemRandom())
    let account = await survey.survey(.name(Self.domain), wish: .unstated)
    let found = try #require(account.hosts.first)
    let loops = TransportLoops(group: MultiThreadedEventLoopGroup.singleton)
    defer { loops.shutDown() }
    let dialer = try NIODialer(
      loops: loops, roots: try TrustRoots.file(place.tls.authority), now: { SystemClock().now })
    let visit = try #require(
      await HostVisit.pay(to: found, port: port, from: settings.egress, by: dialer))
    return (visit, found.judgement(of: visit))
  }

  @Test(
    "a visit sees channel, certificate and REQUIRETLS; the TLSA record computed from it is met, and any other is not")
  func visits() async throws {
    try await DemoHouse.withOne { house, place in
      let port = try #require(house.endpoints(1).first?.port)
      let (first, judgement) = try await visit(place, port: port, tlsa: nil)
      #expect(judgement == .met && first.fault == nil && first.offersRequireTLS)
      #expect(first.tls?.version == .v1_3 && first.peer?.port == port)
      #expect(first.tls?.peerCertificate?.verification == .verified(hostName: "localhost"))
      let key = try #require(first.tls?.peerCertificate?.sha256OfPublicKey)

      let (second, matched) = try await visit(place, port: port, tlsa: key)
      #expect(matched == .met)
      guard case .matched? = second.tls?.peerCertificate?.dane else {
        Issue.record("\(String(describing: second.tls?.peerCertificate))")
        return
      }
      let (_, other) = try await visit(place, port: port, tlsa: key.reversed())
      guard case .fellShort(let reading, _) = other else {
        Issue.record("\(other)")
        return
      }
      #expect(reading.report == .tlsaInvalid)
    }
  }

  @Test("a host that nobody is at can't be judged, and takes no mail")
  func nobody() async throws {
    try await DemoHouse.withPlace { place in
      // Port 9 is discard's, and nobody has it on a test's machine.
      let (visit, judgement) = try await visit(place, port: 9, tlsa: nil)
      #expect(visit.tls == nil && visit.fault?.stage == .connect)
      #expect(!judgement.letsMailGo)
    }
  }
}
