import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import Synchronization
import Testing

/// A session on a scripted wire, ready to be talked to.
struct Stage {
  let wire = ScriptedWire()
  let conduct: ScriptedConduct
  let connection: ServerConnection

  init(
    role: ListenerRole, answersLater: Bool = false, limits: ServerLimits = ServerLimits(), opens: Bool = true,
    offersSTARTTLS: Bool = true
  ) throws {
    conduct = ScriptedConduct(answersLater: answersLater)
    var settings = ServerSettings(hostName: try DomainName("mail.example.com"))
    settings.limits = limits
    settings.offersSTARTTLS = offersSTARTTLS
    let endpoint = SocketEndpoint(address: .v4(0xc000_0201), port: 587)
    connection = ServerConnection(
      wire: wire, facts: SessionFacts(session: SessionID(1), role: role, peer: endpoint, local: endpoint),
      conduct: conduct, settings: settings)
    wire.delegate = connection
    guard opens else { return }
    if role == .submissions { wire.finishHandshake() }
    connection.opened()
  }

  func say(_ text: String) -> String {
    var bytes = ByteBuffer(string: text)
    connection.received(&bytes)
    return wire.takeWritten()
  }
  var events: [SessionEvent] { conduct.state.withLock { $0.events } }
}

@Suite("Server connection")
struct ServerConnectionTests {
  static let behindSTARTTLS = [
    "NOOP\r\n", "NOO", "\r\n", "\r", "EHLO a\r\nMAIL FROM:<a@b.example>\r\n", "\u{16}", " ",
  ]

  @Test(
    "STLS-005: any octet behind STARTTLS in the same read closes, whole lines and fragments", arguments: behindSTARTTLS)
  func injection(_ injected: String) throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("EHLO a.example.com\r\n")
    let said = stage.say("STARTTLS\r\n\(injected)")
    #expect(said == "")
    #expect(stage.wire.isClosed)
    #expect(!stage.wire.isHandshaking)
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(.injection))
  }

  @Test("a refusal is told with the sender and recipient that it is of")
  func refusedEnvelope() throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("EHLO a.example.com\r\nMAIL FROM:<a@b.example>\r\n")
    _ = stage.say("RCPT TO:<nobody@c.example>\r\nDATA\r\nRSET\r\nRCPT TO:<y@c.example>\r\nFROB\r\n")
    let sender = ReversePath.mailbox(try Mailbox("a@b.example"))
    let (x, y) = (ForwardPath.mailbox(try Mailbox("nobody@c.example")), ForwardPath.mailbox(try Mailbox("y@c.example")))
    #expect(
      stage.conduct.state.withLock { $0.refused } == [
        NamedEnvelope(sender: sender, recipient: x), NamedEnvelope(sender: sender), NamedEnvelope(recipient: y),
        NamedEnvelope(),
      ])
  }

  @Test("what ends a connection is told with the wire's own words, unless the session had ended it")
  func endReason() throws {
    let failed = try Stage(role: .submissions, opens: false)
    failed.connection.closed(.handshakeFailed("no shared cipher"))
    #expect(failed.events.last == .closed(.handshakeFailed, reason: "no shared cipher"))
    let obsolete = try Stage(role: .submissions, opens: false)
    obsolete.connection.closed(.obsoleteTLS)
    #expect(obsolete.events.last == .closed(.handshakeFailed, reason: "the client offers nothing newer than TLS 1.1"))
    let left = try Stage(role: .relay)
    _ = left.say("QUIT\r\n")
    left.connection.closed(.reset("gone"))
    #expect(left.events.last == .closed(.quit))
  }

  @Test("STLS-007: after TLS nothing is known of what was said in clear")
  func forgetting() throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("EHLO a.example.com\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n")
    #expect(stage.say("STARTTLS\r\n") == "220 2.0.0 ready to start TLS\r\n")
    stage.wire.finishHandshake()
    #expect(stage.connection.facts.clientIdentity == nil)
    #expect(stage.say("RCPT TO:<c@b.example>\r\n") == "503 5.5.1 send MAIL first\r\n")
    #expect(stage.say("MAIL FROM:<a@b.example>\r\n") == "503 5.5.1 send EHLO first\r\n")
  }

  @Test(
    "ITLS-008, STLS-001: without a certificate STARTTLS isn't offered, and 454 if asked for",
    arguments: [
      ListenerRole.relay, .submission,
    ])
  func noCertificate(_ role: ListenerRole) throws {
    let stage = try Stage(role: role, offersSTARTTLS: false)
    #expect(!stage.say("EHLO a.example.com\r\n").contains("STARTTLS"))
    #expect(stage.say("STARTTLS\r\n") == "454 4.7.0 TLS not available now\r\n")
    #expect(!stage.wire.isHandshaking && !stage.wire.isClosed)
  }

  @Test("STLS-001: a client with too many handshakes hears 421 in place of 220, and no handshake begins")
  func tooManyHandshakes() throws {
    let stage = try Stage(role: .submission)
    stage.wire.admitsHandshakes = false
    _ = stage.say("EHLO a.example.com\r\n")
    #expect(
      stage.say("STARTTLS\r\n") == "421 4.7.0 too many TLS handshakes from your address, try again later\r\n")
    #expect(stage.wire.isClosed && !stage.wire.isHandshaking)
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(.turnedAway))
  }

  @Test(
    "who authenticated is remembered with the mechanism that was used",
    arguments: [
      (ServerMechanism.plain, "AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\r\n"),
      (.login, "auth login\r\nYWxpY2U=\r\nd29uZGVybGFuZA==\r\n"),
    ])
  func mechanism(_ mechanism: ServerMechanism, _ dialogue: String) throws {
    let stage = try Stage(role: .submissions)
    #expect(stage.say("EHLO a.example.com\r\n" + dialogue).hasSuffix("235 2.7.0 authenticated\r\n"))
    #expect(stage.connection.facts.user == AuthenticatedUser(name: "alice", mechanism: mechanism))
    #expect(stage.events.last == .authenticated)
  }

  @Test("AUTH-008: 12288 octets of an answer are heard, with the command and behind the 334; more is 500 5.5.6")
  func longAnswers() throws {
    let longest = String(repeating: "A", count: 12_288)
    for dialogue in ["AUTH PLAIN \(longest)\r\n", "AUTH PLAIN\r\n\(longest)\r\n"] {
      let stage = try Stage(role: .submissions)
      // Zeros are no PLAIN message: it was read as one, and not as too long.
      #expect(
        stage.say("EHLO a.example.com\r\n" + dialogue)
          .hasSuffix("501 5.5.2 that is not how this mechanism answers\r\n"))
    }
    for dialogue in ["AUTH PLAIN \(longest)AAAA\r\n", "AUTH PLAIN\r\n\(longest)AAAA\r\n"] {
      let stage = try Stage(role: .submissions)
      #expect(
        stage.say("EHLO a.example.com\r\n" + dialogue).hasSuffix("500 5.5.6 authentication line too long\r\n"))
      #expect(stage.say("NOOP\r\n") == "250 2.0.0 OK\r\n")
    }
  }

  @Test("SMTP-003: a batch of pipelined commands is answered in one flush, and EHLO in one write")
  func oneFlush() throws {
    let stage = try Stage(role: .relay)
    let before = stage.wire.flushes
    _ = stage.say("EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nRCPT TO:<d@b.example>\r\nDATA\r\n")
    #expect(stage.wire.flushes == before + 1)
  }

  @Test("PIPE-005, SMUG-005: who talks before the greeting is shown out")
  func earlyTalker() async throws {
    let stage = try Stage(role: .relay, answersLater: true)
    #expect(stage.say("EHLO spammer\r\n") == "554 5.5.0 a client waits for the greeting\r\n")
    #expect(stage.wire.isClosed)
    await stage.wire.settle()
    #expect(stage.wire.takeWritten() == "")
  }

  @Test("input is held while an answer is awaited, and reading stops beyond the limit")
  func heldInput() async throws {
    var limits = ServerLimits()
    limits.heldInputOctets = 100
    let stage = try Stage(role: .relay, answersLater: true, limits: limits)
    await stage.wire.settle()
    _ = stage.wire.takeWritten()
    _ = stage.say("EHLO a\r\nMAIL FROM:<a@b.example>\r\n" + String(repeating: "NOOP\r\n", count: 20))
    #expect(!stage.wire.isReading)
    await stage.wire.settle()
    #expect(stage.wire.isReading)
    #expect(stage.wire.takeWritten().hasSuffix(String(repeating: "250 2.0.0 OK\r\n", count: 20)))
  }

  @Test("a peer that reads nothing is answered no further until it does")
  func slowReader() throws {
    let stage = try Stage(role: .relay)
    _ = stage.wire.takeWritten()
    stage.wire.isWritable = false
    #expect(stage.say("NOOP\r\nNOOP\r\n") == "")
    stage.wire.isWritable = true
    stage.connection.becameWritable()
    #expect(stage.wire.takeWritten() == "250 2.0.0 OK\r\n250 2.0.0 OK\r\n")
  }

  @Test("SMTP-037: the wait for a command is five minutes; drips of octets don't lengthen it")
  func commandTimeout() throws {
    let stage = try Stage(role: .relay)
    _ = stage.wire.takeWritten()
    for second in 1...299 {
      stage.wire.uptime = Uptime(nanoseconds: Int64(second) * 1_000_000_000)
      _ = stage.say("N")
      stage.connection.tick()
    }
    #expect(!stage.wire.isClosed)
    stage.wire.uptime = Uptime(nanoseconds: 301_000_000_000)
    stage.connection.tick()
    #expect(stage.wire.takeWritten() == "421 4.4.2 timed out, closing\r\n")
    #expect(stage.wire.isClosed)
  }

  @Test("content has a time for its whole, however steadily it drips")
  func contentTimeout() throws {
    var limits = ServerLimits()
    limits.contentTime = .seconds(100)
    let stage = try Stage(role: .relay, limits: limits)
    _ = stage.say("HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n")
    for second in 1...100 {
      stage.wire.uptime = Uptime(nanoseconds: Int64(second) * 1_000_000_000)
      _ = stage.say("x")
      stage.connection.tick()
    }
    #expect(!stage.wire.isClosed)
    stage.wire.uptime = Uptime(nanoseconds: 101_000_000_000)
    stage.connection.tick()
    #expect(stage.wire.isClosed)
    #expect(stage.conduct.state.withLock { $0.abandoned } == 1)
  }

  static let unwanted = [
    "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n01234567890",
    "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nBDAT 99999999999999999999\r\n01234567890",
    "BDAT 99999999999999999999 LAST\r\n0",
  ]

  @Test(
    "content that nobody wants has a time for its whole too: what is read and dropped has an end", arguments: unwanted)
  func unwantedContentTimeout(_ beginning: String) throws {
    var limits = ServerLimits()
    limits.contentTime = .seconds(100)
    limits.messageSize = 10
    let stage = try Stage(role: .relay, limits: limits)
    _ = stage.say("HELO a\r\n\(beginning)")
    for second in 1...100 {
      stage.wire.uptime = Uptime(nanoseconds: Int64(second) * 1_000_000_000)
      _ = stage.say("x")
      stage.connection.tick()
    }
    #expect(!stage.wire.isClosed)
    stage.wire.uptime = Uptime(nanoseconds: 101_000_000_000)
    stage.connection.tick()
    #expect(stage.wire.isClosed)
  }

  @Test("the time for content ends with it: between messages only the wait for a command counts")
  func contentTimeOver() throws {
    var limits = ServerLimits()
    limits.contentTime = .seconds(100)
    limits.messageSize = 10
    let stage = try Stage(role: .relay, limits: limits)
    for content in ["BDAT 1 LAST\r\nx", "DATA\r\n01234567890\r\n.\r\n", "BDAT 11\r\n01234567890RSET\r\n"] {
      _ = stage.say("EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n\(content)")
      stage.wire.uptime = stage.wire.uptime + .seconds(200)
      stage.connection.tick()
      #expect(!stage.wire.isClosed, "\(content)")
    }
  }

  static let idle = ["NOOP", "RSET", "EHLO a", "HELO a", "VRFY a", "HELP"]

  @Test("Law 7: a command that brings no mail nearer can't be repeated without end", arguments: idle)
  func idleCommands(_ command: String) throws {
    var limits = ServerLimits()
    limits.idleCommands = 5
    let stage = try Stage(role: .relay, limits: limits)
    for _ in 1...5 { #expect(stage.say("\(command)\r\n").hasPrefix("2")) }
    #expect(stage.say("\(command)\r\n") == "421 4.7.0 too many commands and no mail, closing\r\n")
    #expect(stage.wire.isClosed)
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(.tooManyIdleCommands))
  }

  @Test("Law 7: no bound is passed by beginning a transaction and giving it up", arguments: ["RSET", "EHLO a"])
  func emptyTransactions(_ command: String) throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("EHLO a\r\n")
    var rounds = 0
    while !stage.wire.isClosed, rounds < 1_000 {
      _ = stage.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n\(command)\r\n")
      rounds += 1
    }
    #expect(rounds == ServerLimits().idleCommands)
  }

  @Test("Law 7: guessing addresses ends, and the log says why; a good address among them makes up for one")
  func guessing() throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n")
    var guesses = 0
    while !stage.wire.isClosed, guesses < 1_000 {
      _ = stage.say("RCPT TO:<nobody@b.example>\r\n")
      guesses += 1
    }
    #expect(guesses == ServerLimits().refusals + 2)
    stage.connection.closed(nil)
    #expect(stage.events.last == .closed(.tooManyRefusals))
  }

  @Test("SMTP-022: shutting down says 421 between transactions, and lets one that is under way end")
  func shutDown() throws {
    let idle = try Stage(role: .relay)
    _ = idle.wire.takeWritten()
    idle.connection.shutDown()
    #expect(idle.wire.takeWritten() == "421 4.3.2 shutting down, come back later\r\n")

    let busy = try Stage(role: .relay)
    _ = busy.say("HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n")
    busy.connection.shutDown()
    #expect(!busy.wire.isClosed)
    #expect(busy.say("x\r\n.\r\n") == "250 2.0.0 accepted\r\n")
    busy.connection.tick()
    #expect(busy.wire.isClosed)
  }

  @Test("shutting down says nothing where TLS comes first and hasn't come")
  func shutDownBeforeTLS() throws {
    let stage = try Stage(role: .submissions, opens: false)
    stage.connection.shutDown()
    #expect(stage.wire.takeWritten() == "")
    #expect(stage.wire.isClosed)
  }

  @Test("SMTP-022: a client that sends one message behind the other hears 421 behind the one under way")
  func shutDownBetween() throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n")
    stage.connection.shutDown()
    #expect(stage.say("DATA\r\n").hasPrefix("354 "))
    #expect(
      stage.say("x\r\n.\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\n")
        == "250 2.0.0 accepted\r\n421 4.3.2 shutting down, come back later\r\n")
    #expect(stage.wire.isClosed)
  }

  @Test(
    "a message that is given up halfway leaves nothing behind", arguments: ["RSET\r\n", "EHLO b\r\n", "QUIT\r\n", ""])
  func abandoned(_ command: String) throws {
    let stage = try Stage(role: .relay)
    _ = stage.say("EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nBDAT 3\r\nabc")
    if command.isEmpty { stage.connection.closed(.reset("gone")) } else { _ = stage.say(command) }
    #expect(stage.conduct.state.withLock { ($0.abandoned, $0.messages.count) } == (1, 0))
  }

  @Test("a message over the size is let go of when it passes the limit, not at its end")
  func oversized() throws {
    var limits = ServerLimits()
    limits.messageSize = 10
    let stage = try Stage(role: .relay, limits: limits)
    _ = stage.say("HELO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nDATA\r\n01234567890")
    #expect(stage.conduct.state.withLock { $0.abandoned } == 1)
    #expect(stage.say("\r\n.\r\n") == "552 5.3.4 message larger than 10 octets\r\n")
  }
}
