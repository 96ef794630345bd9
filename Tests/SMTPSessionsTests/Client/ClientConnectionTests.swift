import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import Synchronization
import Testing
import TransportSecurity

@_spi(CleartextPermitMinting) @testable import SMTPSessions

@Suite("A client connection", .timeLimit(.minutes(5)))
struct ClientConnectionTests {
  private let wire = HandWire()
  private let transaction: Transaction

  init() throws {
    transaction = try ClientConnectionTests.transaction(["bob@far.example"])
  }

  private static func transaction(_ recipients: [String]) throws -> Transaction {
    var transaction = Transaction(
      reversePath: .mailbox(try Mailbox("alice@client.example")), parameters: MailParameters())
    transaction.recipients = try recipients.map {
      Transaction.Recipient(path: .mailbox(try Mailbox($0)), parameters: RecipientParameters())
    }
    return transaction
  }

  private func plan(_ security: ClientPlan.Security = .implicitTLS(hostName: "server.example", demand: .verified))
    throws -> ClientPlan
  {
    ClientPlan(identity: .name(try DomainName("client.example")), security: security)
  }

  private func attempt(
    _ plan: ClientPlan, over wire: HandWire? = nil
  ) async -> Result<ClientConversation, OpeningFault> {
    do throws(OpeningFault) {
      let target = DialTarget.address(SocketEndpoint(address: .v4(0xc000_0201), port: 465))
      return .success(try await ClientConversation.open(plan, to: target, by: HandDialer(wire: wire ?? self.wire)))
    } catch {
      return .failure(error)
    }
  }

  private func open(_ plan: ClientPlan, ehlo: String = "250 server.example\r\n") async throws -> ClientConversation {
    async let opened = attempt(plan)
    await wire.connected()
    if wire.handshake != nil { wire.finishHandshake() }
    wire.say("220 server.example\r\n")
    #expect(wire.sent() == "EHLO client.example\r\n")
    wire.say(ehlo)
    return try await opened.get()
  }

  @Test("implicit TLS: not a byte before the handshake, which names and demands the host")
  func implicit() async throws {
    async let opened = attempt(try plan())
    await wire.connected()
    #expect(wire.handshake == .client(hostName: "server.example", demand: .verified))
    #expect(wire.sent() == "")
    wire.finishHandshake()
    #expect(wire.sent() == "")
    wire.say("220 server.example\r\n")
    #expect(wire.sent() == "EHLO client.example\r\n")
    wire.say("250-server.example\r\n250 PIPELINING\r\n")
    let conversation = try await opened.get()
    #expect(conversation.tls?.version == .v1_3)
    #expect(conversation.capabilities.offersPipelining)
  }

  @Test("a certificate that doesn't prove the host ends the connection before EHLO, even if the wire let it pass")
  func unproven() async throws {
    async let opened = attempt(try plan(.startTLS(hostName: "server.example", demand: .verified)))
    await wire.connected()
    wire.say("220 server.example\r\n")
    wire.say("250-server.example\r\n250 STARTTLS\r\n")
    #expect(wire.sent() == "EHLO client.example\r\nSTARTTLS\r\n")
    wire.say("220 go ahead\r\n")
    wire.finishHandshake(verified: false)
    #expect(wire.sent() == "")
    #expect(wire.isClosed)
    let fault = try await opened.fault
    #expect(fault == "handshake security")
  }

  @Test("a certificate for another name than the one asked for is no proof")
  func anotherName() async throws {
    async let opened = attempt(try plan(.implicitTLS(hostName: "other.example", demand: .verified)))
    await wire.connected()
    wire.finishHandshake()
    #expect(wire.isClosed)
    let fault = try await opened.fault
    #expect(fault == "handshake security")
  }

  @Test("STLS-006: bytes in clear between the 220 and the handshake end the connection, and nothing is answered")
  func injection() async throws {
    async let opened = attempt(try plan(.startTLS(hostName: "server.example", demand: .verified)))
    await wire.connected()
    wire.say("220 server.example\r\n")
    wire.say("250-server.example\r\n250 STARTTLS\r\n")
    wire.say("220 go ahead\r\n")
    _ = wire.sent()
    #expect(wire.handshake != nil)
    wire.say("250-server.example\r\n250 AUTH PLAIN\r\n")
    #expect(wire.isClosed)
    #expect(wire.sent() == "")
    let fault = try await opened.fault
    #expect(fault == "handshake violation")
  }

  @Test("STLS-003: a handshake that fails behind STARTTLS ends the connection, and nothing more is said in clear")
  func failedHandshake() async throws {
    async let opened = attempt(try plan(.startTLS(hostName: "server.example", demand: .verified)))
    await wire.connected()
    wire.say("220 server.example\r\n")
    wire.say("250-server.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
    wire.say("220 go ahead\r\n")
    #expect(wire.sent() == "EHLO client.example\r\nSTARTTLS\r\n")
    wire.end(.handshakeFailed("wrong version number"))
    let fault = try await opened.fault
    #expect(fault == "handshake transport" || fault == "handshake security", "\(fault ?? "opened")")
    #expect(wire.sent() == "")
  }

  @Test("a message goes out in pieces, each read when the wire takes more")
  func backPressure() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody(["one\r\n", "two\r\n"]))
    await wire.step()
    #expect(wire.sent() == "MAIL FROM:<alice@client.example>\r\n")
    wire.say("250 ok\r\n")
    wire.say("250 ok\r\n")
    #expect(wire.sent() == "RCPT TO:<bob@far.example>\r\nDATA\r\n")
    wire.say("354 go on\r\n")
    await wire.step()
    #expect(wire.sent() == "one\r\n")
    wire.isWritable = false
    await wire.step()
    #expect(wire.sent() == "")
    wire.isWritable = true
    wire.delegate?.becameWritable()
    #expect(wire.sent() == "two\r\n")
    await wire.step()
    #expect(wire.sent() == ".\r\n")
    wire.say("250 queued\r\n")
    let outcome = await answers.map(describe)
    #expect(outcome == ["taken 250"])
    #expect(conversation.isOpen)
  }

  @Test("a piece larger than a flush goes out in several, each when the wire takes more")
  func largePiece() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    let line = String(repeating: "x", count: 62) + "\r\n"
    let piece = String(repeating: line, count: 2000)
    async let answers = conversation.transact(transaction, body: PieceBody([piece]))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    _ = wire.sent()
    await wire.step()
    #expect(wire.sent() == piece)
    #expect(wire.largestFlush == ContentInFlight.maximumBlockOctets)
    await wire.step()
    wire.say("250 ok\r\n")
    _ = await answers
  }

  @Test("an early 5yz amid the content is the transaction's outcome, and the connection closes without the final dot")
  func earlyRefusal() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody(["one\r\n", "two\r\n"]))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    await wire.step()
    _ = wire.sent()
    wire.say("554 5.7.1 spam\r\n")
    let outcome = await answers.map(describe)
    #expect(outcome == ["content reply 554"])
    #expect(wire.isClosed)
    #expect(!conversation.isOpen)
    await wire.step()
    #expect(wire.sent() == "")
  }

  @Test("an early 250 amid the content is no delivery")
  func earlyAcceptance() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody(["one\r\n", "two\r\n"]))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    await wire.step()
    wire.say("250 queued\r\n")
    let outcome = await answers.map(describe)
    #expect(outcome == ["content violation"])
    #expect(wire.isClosed)
  }

  @Test("SMTP-036: each phase has its own patience, and a reply that trickles doesn't lengthen it")
  func timeouts() async throws {
    let timeouts = ClientTimeouts()
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody(["one\r\n"]))
    await wire.step()
    wire.pass(timeouts.mail - .seconds(1))
    wire.say("250-")
    wire.say("slow\r\n250-")
    #expect(!wire.isClosed)
    wire.pass(.seconds(1))
    #expect(wire.isClosed)
    let outcome = await answers.map(describe)
    #expect(outcome == ["mail transport"])
  }

  @Test(
    "SMTP-036: the wait at each stage is RFC 5321's",
    arguments: [
      (DialogueStage.greeting, Duration.seconds(300)), (.mail, .seconds(300)), (.recipient, .seconds(300)),
      (.data, .seconds(120)), (.content, .seconds(180)), (.finalReply, .seconds(600)),
    ])
  func defaults(stage: DialogueStage, patience: Duration) {
    #expect(ClientTimeouts().duration(of: stage) == patience)
  }

  @Test("SMTP-036: the final reply is waited for ten minutes")
  func finalReply() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody([]))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    await wire.step()
    wire.pass(.seconds(599))
    #expect(!wire.isClosed)
    wire.pass(.seconds(1))
    #expect(wire.isClosed)
    let outcome = await answers.map(describe)
    #expect(outcome == ["final-reply transport"])
  }

  @Test("SMTP-028: nothing is said before the greeting, and silence ends after five minutes")
  func silence() async throws {
    async let opened = attempt(try plan())
    await wire.connected()
    wire.finishHandshake()
    wire.pass(.seconds(299))
    #expect(wire.sent() == "")
    #expect(!wire.isClosed)
    wire.pass(.seconds(1))
    #expect(wire.isClosed)
    let fault = try await opened.fault
    #expect(fault == "greeting transport")
  }

  @Test("SMTP-021: an idle connection is left by QUIT, and then by closing")
  func idle() async throws {
    let conversation = try await open(plan())
    wire.pass(ClientTimeouts().idle)
    #expect(wire.sent() == "QUIT\r\n")
    #expect(!conversation.isOpen)
    wire.say("221 bye\r\n")
    #expect(wire.isClosed)
  }

  @Test("quit waits for the answer to QUIT")
  func quit() async throws {
    let conversation = try await open(plan())
    async let left: Void = conversation.quit()
    await wire.step()
    #expect(wire.sent() == "QUIT\r\n")
    #expect(!wire.isClosed)
    wire.say("221 bye\r\n")
    #expect(wire.isClosed)
    await left
  }

  @Test("RSET is answered by whether it was taken")
  func reset() async throws {
    let conversation = try await open(plan())
    async let isReset = conversation.reset()
    await wire.step()
    #expect(wire.sent() == "RSET\r\n")
    wire.say("250 ok\r\n")
    let wasTaken = await isReset
    #expect(wasTaken)
    #expect(conversation.isOpen)
  }

  @Test("SMTP-023: a connection that is lost amid the content settles each recipient with a transport fault")
  func lost() async throws {
    let conversation = try await open(plan())
    let transaction = try ClientConnectionTests.transaction(["bob@far.example", "carol@far.example"])
    async let answers = conversation.transact(transaction, body: PieceBody(["one\r\n"]))
    await wire.step()
    for reply in ["250 ok\r\n", "550 no\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    await wire.step()
    wire.end(.reset("connection reset by peer"))
    let outcome = await answers.map(describe)
    #expect(outcome == ["rcpt reply 550", "content transport"])
    #expect(!conversation.isOpen)
    #expect(await conversation.transact(transaction, body: PieceBody([])).map(describe).first == "mail transport")
  }

  @Test("a request that is on its way when the wire goes is answered all the same")
  func crossing() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody([]))
    await wire.lose()
    wire.end(.reset("connection reset by peer"))
    let outcome = await answers.map(describe)
    #expect(outcome == ["mail transport"])
  }

  @Test("content that can't be read ends the connection before the final dot")
  func unreadable() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    async let answers = conversation.transact(
      transaction, body: PieceBody(["one\r\n"], then: OutgoingBodyFault("the disk is gone")))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    await wire.step()
    await wire.step()
    #expect(wire.sent().hasSuffix("DATA\r\none\r\n"))
    #expect(wire.isClosed)
    let outcome = await answers.map(describe)
    #expect(outcome == ["content local"])
  }

  @Test("a cancelled task's transaction ends with a transport fault")
  func cancelled() async throws {
    let conversation = try await open(plan())
    let transaction = transaction
    let answers = await withTaskGroup(of: [RecipientAnswer].self) { group in
      group.addTask { await conversation.transact(transaction, body: PieceBody([])) }
      await wire.step()
      #expect(wire.sent() == "MAIL FROM:<alice@client.example>\r\n")
      group.cancelAll()
      await wire.step()
      return await group.next() ?? []
    }
    #expect(answers.map(describe) == ["mail transport"])
    #expect(wire.isClosed)
  }

  @Test("a server that sends without end is left: in lines, in one line, in unasked-for answers")
  func endless() async throws {
    for flood in ["250-more\r\n", "x", "250 ok\r\n"] {
      let wire = HandWire()
      async let opened = attempt(try plan(), over: wire)
      await wire.connected()
      wire.finishHandshake()
      wire.say("220 server.example\r\n")
      var octets = 0
      while !wire.isClosed, octets < 1 << 20 {
        wire.say(String(repeating: flood, count: 100))
        octets += flood.utf8.count * 100
      }
      #expect(wire.isClosed)
      #expect(octets <= ReplyParser.maximumReplyOctets + 1000)
      _ = try await opened
    }
  }

  @Test("Law 8: the dialogue that is shown has neither password nor content")
  func shown() async throws {
    let lines = Mutex<[String]>([])
    var plan = try plan()
    plan.observe = { line in lines.withLock { $0.append(line.description) } }
    plan.authentication = ClientPlan.Authentication(
      credential: .password(user: "alice", Secret("wonderland")), nonce: SCRAMNonce("nonce")!)
    async let opened = attempt(plan)
    await wire.connected()
    wire.finishHandshake()
    wire.say("220 server.example\r\n")
    wire.say("250-server.example\r\n250 AUTH LOGIN\r\n")
    wire.say("334 VXNlcm5hbWU6\r\n")
    wire.say("334 UGFzc3dvcmQ6\r\n")
    #expect(wire.sent().hasSuffix("AUTH LOGIN\r\nYWxpY2U=\r\nd29uZGVybGFuZA==\r\n"))
    wire.say("235 2.7.0 ok\r\n")
    let conversation = try await opened.get()
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody(["secret\r\n"]))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] { wire.say(reply) }
    await wire.step()
    await wire.step()
    wire.say("250 2.0.0 queued\r\n")
    _ = await answers
    #expect(
      lines.withLock { $0 } == [
        "-- TLS: TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768",
        "<~ 220 server.example", "~> EHLO client.example", "<~ 250-server.example", "<~ 250 AUTH LOGIN",
        "~> AUTH LOGIN", "<~ 334 (challenge)", "~> (redacted)", "<~ 334 (challenge)", "~> (redacted)",
        "<~ 235 2.7.0 ok", "~> MAIL FROM:<alice@client.example>", "<~ 250 ok", "~> RCPT TO:<bob@far.example>",
        "<~ 250 ok", "~> DATA", "<~ 354 go on", "~> (8 octets of the message)", "~> .",
        "<~ 250 2.0.0 queued",
      ])
  }

  @Test("of a BDAT chunk the command is shown, and of the content its size")
  func shownChunk() async throws {
    let lines = Mutex<[String]>([])
    var plan = try plan()
    plan.observe = { line in lines.withLock { $0.append(line.description) } }
    async let opened = attempt(plan)
    await wire.connected()
    wire.finishHandshake()
    wire.say("220 server.example\r\n")
    wire.say("250-server.example\r\n250 CHUNKING\r\n")
    let conversation = try await opened.get()
    let transaction = transaction
    async let answers = conversation.transact(transaction, body: PieceBody(["secret\r\n"]))
    await wire.step()
    for reply in ["250 ok\r\n", "250 ok\r\n"] { wire.say(reply) }
    await wire.step()
    await wire.step()
    wire.say("250 2.0.0 queued\r\n")
    _ = await answers
    #expect(
      lines.withLock { $0.suffix(3) } == ["~> BDAT 8 LAST", "~> (8 octets of the message)", "<~ 250 2.0.0 queued"])
  }

  @Test("a session gives a credential to its own proven peer and to no other's")
  func foreignPeer() throws {
    let proof = TLSProof.example(hostName: "server.example")
    let other = try #require(TLSProof.example(hostName: "other.example").verifiedPeer)
    var session = EncryptedClientSession(
      proof: proof, identity: .name(try DomainName("client.example")), opening: .withGreeting)
    _ = session.start()
    var bytes = ByteBuffer(string: "220 server.example\r\n")
    _ = session.next(&bytes)
    bytes.writeString("250-server.example\r\n250 AUTH PLAIN\r\n")
    #expect(session.next(&bytes) == .ready)
    let action = session.authenticate(
      .password(user: "alice", Secret("wonderland")), to: other, nonce: SCRAMNonce("nonce")!)
    guard case .refused(let fault) = action else { return #expect(Bool(false), "\(action)") }
    #expect(describe(fault) == "authentication security" || describe(fault) == "auth security")
  }

  @Test("a handshake that no session asked for opens nothing")
  func uninvitedHandshake() throws {
    var phase = ClientPhase.cleartext(
      CleartextClientSession(identity: .name(try DomainName("client.example")), goal: .mail))
    guard case .fail = phase.upgrade(by: .example()) else { return #expect(Bool(false)) }
    let isEncrypted = phase.isEncrypted
    #expect(!isEncrypted)
  }
}

extension Result where Success == ClientConversation, Failure == OpeningFault {
  fileprivate var fault: String? {
    switch self {
    case .success: nil
    case .failure(let fault): describe(fault)
    }
  }
}
