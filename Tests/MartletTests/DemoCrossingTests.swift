import MailSyntax
import SystemWorld
import Testing

@testable import martlet

@Suite("The demonstration's relay")
struct DemoCrossingTests {
  private static let channel = "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768"
  private static let sent = Array("Subject: x\r\n\r\nbody\r\n".utf8)

  private func arrival(at host: String, _ wire: String) throws -> DemoArrival {
    let trace = """
      Return-Path: <program@sender.example>\r
      Delivered-To: reader@there.example\r
      Received: from relay.example (unknown [127.0.0.1]) by \(host) (Martlet)\r
       with \(wire); Sun, 22 Nov 2026 11:45:00 +0000\r
      Received: from unknown (client not shown) by relay.example (Martlet)\r
       with ESMTPSA id A tls TLS_AES_128_GCM_SHA256 group X25519MLKEM768 (TLSv1.3);\r
       Sun, 22 Nov 2026 11:45:00 +0000\r

      """
    return try DemoArrival(octets: Array(trace.utf8) + DemoCrossingTests.sent, sent: DemoCrossingTests.sent)
  }

  private func report(
    _ domain: DemoDomain, _ tls: String, isDelivered: Bool = true, reason: String = "", host: String? = nil
  ) -> DemoEars.Report {
    DemoEars.Report(
      isDelivered: isDelivered, host: host ?? "\(domain.server.hostName) (\(domain.server.address))", tls: tls,
      result: isDelivered ? "250 2.0.0 queued" : "TLS: no proof", reason: reason, at: SystemClock().uptime)
  }

  private func judged(
    _ domain: DemoDomain, wire: String, recorded tls: String, host: String? = nil, metHost: String? = nil,
    submitted: String? = "\(channel) verified localhost"
  ) throws -> DemoCrossing {
    var crossing = DemoCrossing(domain: domain)
    try crossing.judge(
      arrival(at: host ?? domain.server.hostName, wire), submittedUnder: submitted,
      recorded: report(domain, tls, host: metHost))
    return crossing
  }

  private static let clearWire = "ESMTP id B"
  private static let safeWire = "ESMTPS id B tls TLS_AES_128_GCM_SHA256 group X25519MLKEM768 (TLSv1.3)"
  private let domains = Dictionary(uniqueKeysWithValues: DemoDomain.all.map { ($0.ending, $0) })

  @Test("each ending is told from the others: what was set up passes, and every other way of sending is a fault")
  func endings() throws {
    let verdicts = [" unverified certificate-not-trusted", " unverified certificate-expired", ""]
    for (ending, domain) in domains {
      let verified = " verified \(domain.server.hostName)"
      for verdict in verdicts + [verified, " verified localhost"] {
        let isRight =
          switch ending {
          case .unproven: verdict == verdicts[0]
          case .proven: verdict == verified
          case .inClear, .waiting: false
          }
        let recorded = DemoCrossingTests.channel + verdict
        if isRight {
          let crossing = try judged(domain, wire: DemoCrossingTests.safeWire, recorded: recorded)
          #expect(" " + crossing.certificate == verdict)
          #expect(crossing.cleartextReason.isEmpty)
        } else {
          #expect(throws: DemoFault.self, "\(domain.name)\(verdict)") {
            try judged(domain, wire: DemoCrossingTests.safeWire, recorded: recorded)
          }
        }
      }
      for record in ["none (STARTTLS is not offered)", "none (STARTTLS failed on every mail server)", "none"] {
        if ending == .inClear, record == DemoCrossing.clearRecord {
          let crossing = try judged(domain, wire: DemoCrossingTests.clearWire, recorded: record)
          #expect(crossing.cleartextReason == "STARTTLS is not offered")
          #expect(crossing.certificate.isEmpty)
        } else {
          #expect(throws: DemoFault.self, "\(domain.name) \(record)") {
            try judged(domain, wire: DemoCrossingTests.clearWire, recorded: record)
          }
        }
      }
    }
  }

  @Test("a wire of which its ends tell different things, another server and an unsafe submission are faults")
  func disagreement() throws {
    let good = try #require(domains[.proven])
    let plain = try #require(domains[.inClear])
    let verified = "\(DemoCrossingTests.channel) verified mail.good.example"
    #expect(throws: DemoFault.self) { try judged(good, wire: DemoCrossingTests.clearWire, recorded: verified) }
    #expect(throws: DemoFault.self) {
      try judged(plain, wire: DemoCrossingTests.safeWire, recorded: DemoCrossing.clearRecord)
    }
    let other = DemoCrossingTests.safeWire.replacing("X25519MLKEM768", with: "x25519")
    #expect(throws: DemoFault.self) { try judged(good, wire: other, recorded: verified) }
    #expect(throws: DemoFault.self) {
      try judged(good, wire: DemoCrossingTests.safeWire, recorded: verified, host: "mail.plain.example")
    }
    #expect(throws: DemoFault.self) {
      try judged(
        good, wire: DemoCrossingTests.safeWire, recorded: verified, metHost: "mail.good.example (127.0.0.9)")
    }
    #expect(throws: DemoFault.self) {
      try judged(good, wire: DemoCrossingTests.safeWire, recorded: verified, submitted: nil)
    }
  }

  @Test("only mail that wasn't sent, for want of safety, to the server that was to get it, waits as it has to")
  func waiting() throws {
    let strict = try #require(domains[.waiting])
    var crossing = DemoCrossing(domain: strict)
    try crossing.judge(
      waiting: report(strict, "none", isDelivered: false, reason: "insecure"), hasArrived: false)
    #expect(crossing.record?.isDelivered == false)
    #expect(throws: DemoFault.self) {
      try crossing.judge(waiting: report(strict, "none", isDelivered: false, reason: "insecure"), hasArrived: true)
    }
    #expect(throws: DemoFault.self) { try crossing.judge(waiting: report(strict, "none"), hasArrived: false) }
    #expect(throws: DemoFault.self) {
      try crossing.judge(
        waiting: report(strict, "none", isDelivered: false, reason: "unreachable"), hasArrived: false)
    }
    #expect(throws: DemoFault.self) {
      try crossing.judge(
        waiting: report(strict, "none", isDelivered: false, reason: "insecure", host: "mail.good.example"),
        hasArrived: false)
    }
    var other = DemoCrossing(domain: try #require(domains[.proven]))
    #expect(throws: DemoFault.self) {
      try other.judge(waiting: report(other.domain, "none", isDelivered: false, reason: "insecure"), hasArrived: false)
    }
  }

  @Test("a fault of one message is the fault of the whole, and a port is free on all addresses or on none")
  func whole() {
    var crossings = DemoDomain.all.map { DemoCrossing(domain: $0) }
    let scenes = [DemoScene(message: DemoMessage.all[0])]
    #expect(DemoProgramme(scenes: scenes, relay: .played(crossings), elapsed: .zero).isIntact)
    #expect(!DemoProgramme(scenes: scenes, relay: .played([]), elapsed: .zero).isIntact)
    crossings[3].fault = .insecure("it went")
    let bad = DemoProgramme(scenes: scenes, relay: .played(crossings), elapsed: .zero)
    #expect(!bad.isIntact)
    #expect(bad.text.contains("1 of 5 messages FAILED"))
    #expect(bad.record.json.contains(#""intact":false"#))
    #expect(Loopback.freePort(on: []) == nil)
    // 192.0.2.0/24 is nobody's (RFC 5737).
    #expect(Loopback.freePort(on: [Loopback.v4, .v4(0xc000_0201)]) == nil)
    #expect(Loopback.freePort(on: Loopback.addresses) != nil)
  }
}
