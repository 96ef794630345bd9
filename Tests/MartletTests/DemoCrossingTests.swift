import Diagnosis
import Foundation
import MailSyntax
import SystemWorld
import Testing

@testable import martlet

@Suite("Judging the demonstration's small internet")
struct DemoCrossingTests {
  private static let channel = "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768"
  private static let sent = Array("Subject: x\r\n\r\nbody\r\n".utf8)
  private static let clearWire = "ESMTP id B"
  private static let safeWire = "ESMTPS id B tls TLS_AES_128_GCM_SHA256 group X25519MLKEM768 (TLSv1.3)"

  private func arrival(at host: String, _ wire: String) throws -> DemoArrival {
    let trace = """
      Return-Path: <program@sender.example>\r
      Delivered-To: reader@x.example\r
      Received: from relay.example (unknown [127.0.0.1]) by \(host) (Martlet)\r
       with \(wire); Sun, 22 Nov 2026 11:45:00 +0000\r
      Received: from unknown (client not shown) by relay.example (Martlet)\r
       with ESMTPSA id A tls TLS_AES_128_GCM_SHA256 group X25519MLKEM768 (TLSv1.3);\r
       Sun, 22 Nov 2026 11:45:00 +0000\r

      """
    return try DemoArrival(octets: Array(trace.utf8) + DemoCrossingTests.sent, sent: DemoCrossingTests.sent)
  }

  /// What the relay, the receiver and the attacker tell where all goes as the row says.
  private struct Story {
    var isDelivered: Bool
    var tls: String
    var dane = ""
    var policy: String
    var sts: String
    var reason: String
    var host: String
    var wire: String
    var hasArrived: Bool
    var attacker = AttackRecord()

    init(_ row: DemoExpectation) {
      isDelivered = row.conduct == .delivered
      hasArrived = isDelivered
      policy = row.demand.rawValue
      sts = row.destination.attack.policyInForce(under: row.destination.promise)
      reason = isDelivered ? "" : "insecure"
      host = row.destination.promise.server.hostName
      wire = row.channel == .clear ? clearWire : safeWire
      switch row.channel {
      case .none: tls = "none"
      case .clear: tls = "none (STARTTLS is not offered)"
      case .unproven: tls = "\(channel) unverified certificate-not-trusted"
      case .verified: tls = "\(channel) verified \(row.destination.mailHost)"
      case .dane:
        tls = "\(channel) dane"
        dane = "matched 3 1 1 00"
      }
      if row.isRead { attacker.envelopeCommands = 2 }
      if row.demand != .later { attacker.connections = 1 }
      if row.demand != .later, row.destination.attack != .listening { attacker.strikes = 1 }
    }
  }

  private func judge(_ row: DemoExpectation, _ story: Story) throws -> DemoCrossing {
    var crossing = DemoCrossing(row)
    try crossing.judge(
      DemoEars.Report(
        isDelivered: story.isDelivered, host: "x", tls: story.tls, result: "", reason: story.reason,
        policy: story.policy, dane: story.dane, sts: story.sts, at: SystemClock().uptime),
      arrival: story.hasArrived ? try arrival(at: story.host, story.wire) : nil, attacker: story.attacker)
    return crossing
  }

  @Test(
    "each row's own story passes, and the story of no row that differs passes for it", arguments: DemoExpectation.all)
  func rows(row: DemoExpectation) throws {
    let crossing = try judge(row, Story(row))
    #expect(crossing.sight?.conduct == row.conduct && crossing.sight?.channel == row.channel)
    for other in DemoExpectation.all {
      let isSame =
        (other.conduct, other.demand, other.channel, other.isRead) == (row.conduct, row.demand, row.channel, row.isRead)
      guard !isSame else { continue }
      #expect(throws: DemoFault.self, "\(row.line) / \(other.line)") { try judge(row, Story(other)) }
    }
  }

  @Test("mail that the attacker read, an attack that wasn't carried out, and ends that disagree are faults")
  func faults() throws {
    func row(_ promise: DemoPromise, _ attack: DemoAttack) throws -> DemoExpectation {
      try #require(DemoExpectation.all.first { $0.destination == DemoDestination(promise: promise, attack: attack) })
    }
    func expectFault(_ row: DemoExpectation, _ change: (inout Story) -> Void) {
      var story = Story(row)
      change(&story)
      #expect(throws: DemoFault.self, "\(row.line)") { try judge(row, story) }
    }
    for row in try [row(.enforce, .stripped), row(.daneTA, .wrongName), row(.testing, .listening)] {
      expectFault(row) { $0.attacker.bodyOctets = 1 }
      expectFault(row) { $0.attacker.credentials = 1 }
    }
    expectFault(try row(.enforce, .stripped)) { $0.attacker.strikes = 0 }
    expectFault(try row(.enforce, .listening)) { $0.attacker.strikes = 1 }
    expectFault(try row(.daneEE, .tlsaFailing)) { $0.attacker.connections = 1 }
    expectFault(try row(.enforce, .stripped)) { $0.hasArrived = true }
    expectFault(try row(.enforce, .policyKept)) { $0.sts = "enforce id=\(DemoInternet.policyID) fetched=0" }
    expectFault(try row(.testing, .stripped)) { $0.sts = "" }
    expectFault(try row(.enforce, .policyRedirected)) { $0.sts = "enforce id=\(DemoInternet.policyID) fetched=0" }
    expectFault(try row(.enforce, .stripped)) { $0.reason = "unreachable" }
    expectFault(try row(.enforce, .listening)) { $0.hasArrived = false }
    expectFault(try row(.enforce, .listening)) { $0.host = "other.hosting.example" }
    expectFault(try row(.enforce, .listening)) { $0.wire = DemoCrossingTests.clearWire }
    expectFault(try row(.enforce, .listening)) {
      $0.wire = DemoCrossingTests.safeWire.replacing("X25519MLKEM768", with: "x25519")
    }
    expectFault(try row(.plain, .listening)) { $0.wire = DemoCrossingTests.safeWire }
    #expect(
      try judge(row(.plain, .listening), Story(row(.plain, .listening))).cleartextReason == "STARTTLS is not offered")
    #expect(try judge(row(.testing, .forged), Story(row(.testing, .forged))).cleartextReason.isEmpty)
  }

  @Test("a fault of one message is the fault of the whole, and a port is free on all addresses or on none")
  func whole() {
    var crossings = DemoExpectation.all.map { DemoCrossing($0) }
    func programme(_ crossings: [DemoCrossing]) -> DemoProgramme {
      DemoProgramme(
        scenes: [DemoScene(message: DemoMessage.all[0])],
        relay: .played(crossings, names: "nobody", octets: 1, elapsed: .zero), elapsed: .zero)
    }
    #expect(programme(crossings).isIntact)
    #expect(!programme([]).isIntact)
    crossings[3].fault = .insecure("it went")
    #expect(!programme(crossings).isIntact)
    #expect(programme(crossings).text.contains("1 of \(crossings.count + 1) went otherwise"))
    #expect(programme(crossings).record.json.contains(#""intact":false"#))
    #expect(Loopback.freePort(on: []) == nil)
    // 192.0.2.0/24 is nobody's (RFC 5737).
    #expect(Loopback.freePort(on: [Loopback.v4, .v4(0xc000_0201)]) == nil)
    #expect(Loopback.freePort(on: Loopback.addresses) != nil)
  }
}
