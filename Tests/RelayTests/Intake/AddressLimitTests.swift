import MailQueue
import MailSyntax
import Relay
import SMTPGrammar
import SMTPSessions
import Simulation
import Testing

@Suite("Limits of an address")
struct AddressLimitTests {
  private func facts(_ address: IPAddress, _ role: ListenerRole = .relay) -> SessionFacts {
    SessionFacts(
      session: SessionID(7), role: role, peer: SocketEndpoint(address: address, port: 4711),
      local: SocketEndpoint(address: .v4(0xc000_0202), port: 25))
  }

  /// What a listener does: 220, or the reply the client is turned away with.
  private func connect(_ stage: IntakeStage, _ session: SessionFacts) -> Int {
    stage.intake.observe(.connected, session)
    guard case .now(let answer) = stage.intake.connected(session) else { return 0 }
    switch answer {
    case .welcome: return 220
    case .turnAway(let reply):
      stage.intake.observe(.refused(reply: reply), session)
      stage.intake.observe(.closed(.turnedAway), session)
      return Int(reply.code.rawValue)
    }
  }

  @Test("so many connections a minute, by IPv4 address and IPv6 /64, and one line for all the rest")
  func rate() async throws {
    let clock = HandClock()
    let stage = try IntakeStage(.relay, clock: clock)
    await stage.limit(connectionsPerMinute: 3)
    let (one, other) = (IPAddress.v4(0xc633_6401), IPAddress.v4(0xc633_6402))
    #expect((0..<5).map { _ in connect(stage, facts(one)) } == [220, 220, 220, 421, 421])
    #expect(connect(stage, facts(one, .submission)) == 421)
    #expect(connect(stage, facts(other)) == 220)
    let network = (1...4).map { IPAddress.v6(high: 0x2001_0db8_0000_0001, low: $0) }
    #expect(network.map { connect(stage, facts($0)) } == [220, 220, 220, 421])
    #expect(connect(stage, facts(.v6(high: 0x2001_0db8_0000_0002, low: 1))) == 220)
    let limited = stage.events.events.filter { $0.kind == .addressLimited }
    #expect(limited.map { $0["what"] } == [.text("connections"), .text("connections")])
    // Who is turned away leaves no line of his own: IntakeStage's session, and those who were welcome.
    #expect(stage.events.events.count { $0.kind == .sessionOpened } == 1 + 3 + 1 + 3 + 1)
    #expect(!stage.events.kinds.contains(.sessionClosed) && !stage.events.kinds.contains(.commandRefused))

    clock.advance(.seconds(60))
    #expect(connect(stage, facts(one)) == 421, "never too many in any minute")
    #expect(stage.events.events.count { $0.kind == .addressLimited } == 3, "said again after a minute")
    clock.advance(.seconds(5))
    #expect(connect(stage, facts(one)) == 220)
  }

  @Test("connections closed as they come are said once a minute: by address, and of all together")
  func notAdmitted() throws {
    let clock = HandClock()
    let stage = try IntakeStage(.relay, clock: clock)
    let before = stage.events.events.count
    for number in 1...100 as ClosedRange<UInt32> {
      stage.intake.observe(.notAdmitted(.ofAddress), facts(.v4(1)))
      stage.intake.observe(.notAdmitted(.inAll), facts(.v4(number)))
    }
    stage.intake.observe(.notAdmitted(.ofAddress), facts(.v4(2)))
    var said = stage.events.events.dropFirst(before)
    #expect(said.allSatisfy { $0.kind == .addressLimited })
    #expect(
      said.map { $0["what"] } == [
        .text("connections-at-once"), .text("connections-in-all"), .text("connections-at-once"),
      ])
    clock.advance(.seconds(60))
    stage.intake.observe(.notAdmitted(.ofAddress), facts(.v4(1)))
    stage.intake.observe(.notAdmitted(.inAll), facts(.v4(1)))
    said = stage.events.events.dropFirst(before + 3)
    #expect(said.map { $0["what"] } == [.text("connections-at-once"), .text("connections-in-all")])
  }

  @Test("without a limit nobody is turned away")
  func unlimited() throws {
    let stage = try IntakeStage(.relay)
    #expect((0..<5_000).allSatisfy { _ in connect(stage, facts(.v4(1))) == 220 })
  }

  @Test("an address that guessed at recipients rests from port 25, and from nothing else")
  func harvest() async throws {
    let clock = HandClock()
    let stage = try IntakeStage(.relay, clock: clock)
    await stage.enter()
    _ = await stage.say("MAIL FROM:<x@there.example>\r\n")
    let guesses = (0...100).map { "RCPT TO:<guess\($0)@example.com>\r\n" }.joined()
    let said = await stage.say(guesses)
    #expect(said.split(separator: "\r\n").count { $0.hasPrefix("550 5.1.1") } == 100)
    #expect(said.hasSuffix("421 4.7.0 too many refused addresses, closing\r\n"))
    stage.close()
    #expect(stage.events.events.last?["end"] == .text("too-many-refusals"))

    let guesser = IPAddress.v4(0xc000_0201)
    #expect(connect(stage, facts(guesser)) == 421)
    #expect(stage.events.events.last?["what"] == .text("refusals"))
    #expect(connect(stage, facts(guesser, .submissions)) == 220)
    #expect(connect(stage, facts(.v4(0xc000_0203))) == 220)
    clock.advance(.seconds(299))
    #expect(connect(stage, facts(guesser)) == 421)
    clock.advance(.seconds(1))
    #expect(connect(stage, facts(guesser)) == 220)
  }
}
