import MailQueue
import MailSyntax
import Relay
import SMTPGrammar
import SMTPSessions
import Simulation
import Synchronization
import Testing

@Suite("A recipient check", .timeLimit(.minutes(5)))
struct RecipientCheckTests {
  private static let route = RouteKey(rawValue: "domain/far.example")

  /// Answers by the local part: what begins with `no` isn't there, with `later` can't be said.
  private final class Authority: RecipientAuthority {
    let asked = Mutex<[String]>([])
    let gate: OneShotGate?
    init(gate: OneShotGate? = nil) { self.gate = gate }
    func ask(about mailbox: Mailbox) async -> RecipientVerdict {
      asked.withLock { $0.append(mailbox.localPart) }
      await gate?.passed()
      if mailbox.localPart.hasPrefix("no") { return .refused(EnhancedStatusCode(.permanent, 1, 1)) }
      return mailbox.localPart.hasPrefix("later") ? .unavailable("asleep") : .exists
    }
  }

  /// Shut until it is opened, then open for all.
  final class OneShotGate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))
    func passed() async {
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiting.append(continuation) }
          return state.isOpen
        }
        if isOpen { continuation.resume() }
      }
    }
    func open() {
      let waiting = state.withLock { state in
        state.isOpen = true
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
  }

  private func value(_ prompt: Prompt<RecipientVerdict>) async -> RecipientVerdict {
    switch prompt {
    case .now(let verdict): verdict
    case .later(let verdict): await verdict()
    }
  }

  private func isNow(_ prompt: Prompt<RecipientVerdict>) -> Bool {
    switch prompt {
    case .now: true
    case .later: false
    }
  }

  @Test("an answer is kept for its time, and that nobody could say for a moment")
  func kept() async throws {
    let (authority, clock, events) = (Authority(), HandClock(), EventLog())
    let check = RecipientCheck(authority, route: Self.route, clock: clock, events: events)
    let (anna, nobody, later) = (
      try Mailbox("anna@far.example"), try Mailbox("nobody@far.example"), try Mailbox("later@far.example")
    )
    for mailbox in [anna, nobody, later] { #expect(!isNow(check.verdict(on: mailbox))) }
    #expect(await value(check.verdict(on: anna)) == .exists)
    #expect(await value(check.verdict(on: nobody)) == .refused(EnhancedStatusCode(.permanent, 1, 1)))
    #expect(await value(check.verdict(on: later)) == .unavailable("asleep"))
    for mailbox in [anna, nobody, later] { #expect(isNow(check.verdict(on: mailbox))) }
    clock.advance(RecipientCheck.silenceTime)
    #expect(isNow(check.verdict(on: anna)) && isNow(check.verdict(on: nobody)))
    #expect(!isNow(check.verdict(on: later)))
    clock.advance(RecipientCheck.refusalTime - RecipientCheck.silenceTime)
    #expect(isNow(check.verdict(on: anna)) && !isNow(check.verdict(on: nobody)))
    clock.advance(RecipientCheck.existenceTime - RecipientCheck.refusalTime)
    #expect(!isNow(check.verdict(on: anna)))
    #expect(authority.asked.withLock { $0 } == ["anna", "nobody", "later"])
  }

  @Test("an authority that falls silent is said once, and again when it has spoken meanwhile")
  func said() async throws {
    let events = EventLog()
    let check = RecipientCheck(Authority(), route: Self.route, clock: HandClock(), events: events)
    for name in ["later1", "later2", "anna", "later3"] {
      _ = await value(check.verdict(on: try Mailbox("\(name)@far.example")))
    }
    #expect(events.events.map(\.kind) == [.alarm, .alarm])
    #expect(events.events.first?["what"] == .text("recipients-unchecked"))
    #expect(events.events.first?["route"] == .text("domain/far.example"))
  }

  @Test("the answer given longest ago makes room")
  func bounded() async throws {
    let authority = Authority()
    let check = RecipientCheck(authority, route: Self.route, clock: HandClock(), events: EventLog())
    for number in 0...RecipientCheck.maximumAnswers {
      _ = await value(check.verdict(on: try Mailbox("a\(number)@far.example")))
    }
    #expect(!isNow(check.verdict(on: try Mailbox("a0@far.example"))))
    #expect(isNow(check.verdict(on: try Mailbox("a1@far.example"))))
  }

  @Test("questions about one address that come together are asked once, and only so many wait")
  func together() async throws {
    let gate = OneShotGate()
    let authority = Authority(gate: gate)
    let check = RecipientCheck(authority, route: Self.route, clock: HandClock(), events: EventLog())
    let anna = try Mailbox("anna@far.example")
    let verdicts = await withTaskGroup(of: RecipientVerdict.self) { group in
      for _ in 0...RecipientCheck.maximumWaiting { group.addTask { await value(check.verdict(on: anna)) } }
      // The one beyond the bound answers while all others wait.
      var verdicts = [await group.next()]
      gate.open()
      for await verdict in group { verdicts.append(verdict) }
      return verdicts
    }
    #expect(verdicts.first == .unavailable("too many questions at once"))
    #expect(verdicts.dropFirst().allSatisfy { $0 == .exists })
    #expect(verdicts.count == RecipientCheck.maximumWaiting + 1)
    #expect(authority.asked.withLock { $0 } == ["anna"])
  }

  // MARK: Over LMTP

  private func deliverer(_ server: ScriptedServer) throws -> LMTPDeliverer {
    try LMTPDeliverer(
      LMTPDeliverer.Settings(
        target: .unixSocket(path: "/run/lmtp"), identity: .name(try DomainName("client.example"))), dialer: server)
  }

  @Test("the LMTP server is asked without a message, one question after the other on one connection")
  func probe() async throws {
    let server = ScriptedServer { _, line in
      switch line {
      case "RCPT TO:<nobody@far.example>": .say("550 5.1.1 who?\r\n")
      case "RCPT TO:<old@far.example>": .say("550 5.2.1 disabled\r\n")
      case "RCPT TO:<full@far.example>": .say("552 5.2.2 full\r\n")
      case "RCPT TO:<slow@far.example>": .say("450 4.2.0 not now\r\n")
      case _: ScriptedServer.agreeable(line)
      }
    }
    let deliverer = try deliverer(server)
    let unknown = EnhancedStatusCode(.permanent, 1, 1)
    #expect(await deliverer.ask(about: try Mailbox("anna@far.example")) == .exists)
    #expect(await deliverer.ask(about: try Mailbox("nobody@far.example")) == .refused(unknown))
    #expect(
      await deliverer.ask(about: try Mailbox("old@far.example")) == .refused(EnhancedStatusCode(.permanent, 2, 1)))
    for name in ["full", "slow"] {
      guard case .unavailable = await deliverer.ask(about: try Mailbox("\(name)@far.example")) else {
        Issue.record("\(name)")
        continue
      }
    }
    #expect(server.connections.count == 1)
    #expect(
      Array(server.connections[0].lines.prefix(7)) == [
        "LHLO client.example", "MAIL FROM:<>", "RCPT TO:<anna@far.example>", "RSET", "MAIL FROM:<>",
        "RCPT TO:<nobody@far.example>", "RSET",
      ])
    #expect(server.connections[0].messages.isEmpty)
    await deliverer.close()
    guard case .unavailable = await deliverer.ask(about: try Mailbox("anna@far.example")) else {
      Issue.record("asked after the end")
      return
    }
  }

  @Test("a server that hangs is given up at the deadline of the question, by those too who wait for a connection")
  func hanging() async throws {
    let server = ScriptedServer { _, line in line.hasPrefix("RCPT") ? .nothing : ScriptedServer.agreeable(line) }
    let (deliverer, clock) = (try deliverer(server), HandClock())
    let check = RecipientCheck(deliverer, route: Self.route, clock: clock, events: EventLog())
    let (far, count) = (try DomainName("far.example"), LMTPDeliverer.inquiryConnections + 3)
    let verdicts = await withTaskGroup(of: RecipientVerdict.self) { group in
      for number in 0..<count {
        let mailbox = Mailbox(localPart: "a\(number)", domain: .name(far))
        group.addTask { await value(check.verdict(on: mailbox)) }
      }
      while clock.sleepers < count { await Task.yield() }
      clock.advance(RecipientCheck.questionTime)
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(verdicts == Array(repeating: .unavailable("it didn't answer within 30 s"), count: count))
    #expect(server.connections.count <= LMTPDeliverer.inquiryConnections)
    // Who asks again at once hears it at once.
    #expect(isNow(check.verdict(on: try Mailbox("a0@far.example"))))
    await deliverer.close()
  }

  @Test("a connection that died idle is replaced, and a server that isn't there says nothing of the recipient")
  func lost() async throws {
    let isGone = Mutex(false)
    let server = ScriptedServer { connection, line in
      if connection > 1 || isGone.withLock({ $0 }) { return .close }
      return ScriptedServer.agreeable(line)
    }
    let deliverer = try deliverer(server)
    #expect(await deliverer.ask(about: try Mailbox("anna@far.example")) == .exists)
    server.drop(0)
    #expect(await deliverer.ask(about: try Mailbox("anna@far.example")) == .exists)
    isGone.withLock { $0 = true }
    guard case .unavailable = await deliverer.ask(about: try Mailbox("bert@far.example")) else {
      Issue.record("a lost server answered")
      return
    }
  }

  // MARK: At RCPT

  @Test("RCPT waits for the answer on every listener", arguments: [ListenerRole.relay, .submissions])
  func recipient(_ role: ListenerRole) async throws {
    let authority = Authority()
    let stage = try IntakeStage(role, asking: authority, clock: HandClock())
    await stage.enter()
    #expect(await stage.say("MAIL FROM:<alice@example.com>\r\n").hasPrefix("250"))
    let said = await stage.say(
      "RCPT TO:<Anna+Tag@far.example>\r\nRCPT TO:<nobody@far.example>\r\nRCPT TO:<later@far.example>\r\n"
        + "RCPT TO:<postmaster@far.example>\r\nRCPT TO:<all@far.example>\r\n")
    let codes = said.split(separator: "\r\n").map { String($0.prefix(9)) }
    #expect(codes == ["250 2.1.5", "550 5.1.1", "451 4.3.0", "250 2.1.5", "250 2.1.5"])
    #expect(authority.asked.withLock { $0 } == ["anna+Tag", "nobody", "later"])
    #expect(await stage.say("DATA\r\n").hasPrefix("354"))
    #expect(await stage.say("From: alice@example.com\r\n\r\nx\r\n.\r\n").hasPrefix("250"))
    let recipients = try #require(try await stage.queued().first?.message.recipients)
    #expect(
      recipients.map(\.recipient.address.description) == ["anna+Tag@far.example", "boss@far.example", "x@far.example"])
    #expect(recipients.allSatisfy { $0.recipient.route == Self.route })
  }
}
