import Foundation
import MailSyntax
import Testing

@testable import martlet

@Suite("The demonstration", .timeLimit(.minutes(5)))
struct DemoTests {
  private static let trace = """
    Return-Path: <program@sender.example>\r
    Delivered-To: reader1@recipient.example\r
    Received: from server.example (unknown [127.0.0.1]) by smarthost.example (Martlet)\r
     with ESMTPSA id B for <reader1@recipient.example> tls TLS_AES_256_GCM_SHA384\r
     group X25519MLKEM768 (TLSv1.3); Sun, 22 Nov 2026 11:45:00 +0000\r
    Received: from unknown (client not shown) by server.example (Martlet)\r
     with ESMTPSA id A for <reader1@recipient.example> tls TLS_AES_128_GCM_SHA256\r
     group x25519 (TLSv1.3); Sun, 22 Nov 2026 11:45:00 +0000\r

    """
  private static let sent = Array("Subject: x\r\n\r\n.\r\nbody\r\n".utf8)

  private func arrival(_ trace: String = DemoTests.trace, _ body: [UInt8] = sent) throws -> DemoArrival {
    try DemoArrival(octets: Array(trace.utf8) + body, sent: DemoTests.sent)
  }

  @Test("what arrived tells each wire's TLS, in the order of the way")
  func hops() throws {
    let hops = try arrival().hops
    #expect(hops.map(\.host) == ["server.example", "smarthost.example"])
    #expect(hops.map(\.transmission) == ["ESMTPSA", "ESMTPSA"])
    #expect(
      hops.map(\.channel) == ["TLSv1.3 TLS_AES_128_GCM_SHA256 x25519", "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768"])
  }

  @Test("one octet that differs, is missing or is added is damage")
  func damage() {
    for index in DemoTests.sent.indices {
      var changed = DemoTests.sent
      changed[index] ^= 1
      #expect(throws: DemoFault.self) { try arrival(DemoTests.trace, changed) }
    }
    #expect(throws: DemoFault.self) { try arrival(DemoTests.trace, Array(DemoTests.sent.dropLast())) }
    #expect(throws: DemoFault.self) { try arrival(DemoTests.trace, DemoTests.sent + [0x0a]) }
    #expect(throws: DemoFault.self) { try arrival(DemoTests.trace + "X-Added: y\r\n") }
    #expect(throws: DemoFault.self) { try arrival("") }
  }

  @Test("a hop without TLS, without authentication, or of which its two ends tell different things is a fault")
  func judgement() throws {
    var scene = DemoScene(message: DemoMessage.all[0])
    let good = try arrival()
    let seen = good.hops.map { "\($0.channel) verified localhost" }
    let (submitted, relayed) = (seen[0], seen[1])
    try scene.judge(good, submittedUnder: submitted, relayedUnder: relayed)
    #expect(throws: DemoFault.self) { try scene.judge(good, submittedUnder: nil, relayedUnder: relayed) }
    #expect(throws: DemoFault.self) { try scene.judge(good, submittedUnder: submitted, relayedUnder: submitted) }
    for worse in [good.hops[1].channel, "\(good.hops[1].channel) unverified certificate-expired", "\(relayed).example"]
    {
      #expect(throws: DemoFault.self) { try scene.judge(good, submittedUnder: submitted, relayedUnder: worse) }
    }
    for (from, to) in [("ESMTPSA", "ESMTPS"), ("(TLSv1.3)", ""), ("tls TLS_AES_256_GCM_SHA384", "")] {
      let worse = try arrival(DemoTests.trace.replacingOccurrences(of: from, with: to))
      #expect(throws: DemoFault.self, "\(from)") {
        try scene.judge(worse, submittedUnder: submitted, relayedUnder: relayed)
      }
    }
  }

  @Test("the table fits 80 columns, and says when something failed")
  func table() throws {
    var scenes = DemoMessage.all.map { DemoScene(message: $0) }
    for index in scenes.indices {
      scenes[index].octets = 234_567
      scenes[index].acceptedAfter = .milliseconds(9_999)
      scenes[index].deliveredAfter = .milliseconds(9_999)
      scenes[index].hops = try arrival().hops
    }
    let relay = DemoRelayAct.skipped("this system has but one loopback address, and each of its servers needs its own")
    let good = DemoProgramme(scenes: scenes, relay: relay, elapsed: .milliseconds(2_345))
    let lines = (DemoProgramme.introduction + good.text).split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= DemoProgramme.width }, "\(lines.filter { $0.count > DemoProgramme.width })")
    #expect(good.isIntact)
    #expect(good.text.contains("All 4 arrived intact"))
    scenes[2].fault = .damaged("x")
    let bad = DemoProgramme(scenes: scenes, relay: relay, elapsed: .zero)
    #expect(!bad.isIntact)
    #expect(bad.text.contains("1 of 4 went otherwise"))
    #expect(bad.text.contains("FAILED: "))
    #expect(!DemoProgramme(scenes: [], relay: relay, elapsed: .zero).isIntact)
  }

  /// The rows of the second act have cases of their own: `DemoRowTests`.
  @Test("the whole of it: what a program submits arrives inside TLS on both wires, and nothing is left behind")
  func whole() async throws {
    let performance = try await DemoPerformance.whole()
    let (scenes, relay) = (performance.scenes, performance.relay)
    #expect(scenes.map(\.message.number) == [1, 2, 3, 4])
    for scene in scenes {
      #expect(scene.fault == nil, "\(scene.message.title): \(scene.fault.map(\.description) ?? "")")
      #expect(scene.hops.map(\.transmission) == ["ESMTPSA", "ESMTPSA"])
      #expect(scene.hops.map(\.version) == ["TLSv1.3", "TLSv1.3"])
    }
    #if os(Linux)
      #expect(relay.crossings.map(\.expectation) == DemoExpectation.all)
    #endif
    if case .played(_, let names, _, _) = relay {
      print("the demonstration's names: \(names)")
      // Where all of it is installed, nothing else will do.
      if ["/usr/sbin/nsd", "/usr/bin/ldns-keygen", "/usr/bin/ldns-signzone"].allSatisfy(FileManager.default.fileExists)
      {
        #expect(names.hasPrefix("nsd "), "\(names)")
      }
    }
    let lines = DemoProgramme(scenes: scenes, relay: relay, elapsed: .zero).text.split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= DemoProgramme.width }, "\(lines.filter { $0.count > DemoProgramme.width })")
    #expect(!performance.hasLeftFolder)
  }

  @Test("DANE-004, DANE-013: without a name server the same comes of it, and the demonstration says so")
  func inProcess() async throws {
    let theatre = try await DemoTheatre.build()
    let relay: DemoRelayAct
    do {
      defer { theatre.tearDown() }
      relay = try await theatre.perform(DemoExpectation.all, servesNames: false)
    }
    for crossing in relay.crossings {
      #expect(crossing.fault == nil, "\(crossing.destination.domain): \(crossing.fault.map(\.description) ?? "")")
    }
    let programme = DemoProgramme(scenes: [DemoScene(message: DemoMessage.all[0])], relay: relay, elapsed: .zero)
    #if os(Linux)
      #expect(relay.crossings.count == DemoExpectation.all.count)
      let words = programme.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(words.contains("Names: a zone in this process (as it was asked for)."))
    #endif
    let record = try JSONSerialization.jsonObject(with: Data(programme.record.json.utf8)) as? [String: Any]
    let deliveries = (record?["relay"] as? [String: Any])?["deliveries"] as? [[String: Any]]
    #expect(deliveries?.compactMap { $0["domain"] as? String } == relay.crossings.map(\.destination.domain))
    #expect(deliveries?.compactMap { $0["attacker_read"] as? Bool } == relay.crossings.map(\.expectation.isRead))
  }

  @Test("a daemon of the demonstration ends with it, whatever it makes of signals")
  func daemon() async throws {
    let daemon = DemoDaemon.start("/bin/sh", ["-c", "exec sleep 600"])
    #expect(daemon.isRunning)
    await daemon.stop()
    #expect(!daemon.isRunning)
  }
}
