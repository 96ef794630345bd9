import MailSyntax
import SMTPGrammar
import Testing
import TransportSecurity

@_spi(CleartextPermitMinting) @testable import SMTPSessions

@Suite("STARTTLS where it is offered", .timeLimit(.minutes(5)))
struct OpportunisticTests {
  private let wire = HandWire()
  private static let security = ClientPlan.Security.opportunisticStartTLS(
    hostName: "mx.example", ifNotOffered: CleartextPermit(reason: "nothing asks for TLS"))

  private func attempt(
    _ security: ClientPlan.Security = security
  ) async -> Result<ClientConversation, OpeningFault> {
    guard let name = try? DomainName("client.example") else { preconditionFailure("client.example is a name") }
    do throws(OpeningFault) {
      let plan = ClientPlan(identity: .name(name), security: security)
      let target = DialTarget.address(SocketEndpoint(address: .v4(0xc000_0201), port: 25))
      return .success(try await ClientConversation.open(plan, to: target, by: HandDialer(wire: wire)))
    } catch {
      return .failure(error)
    }
  }

  private func fault(_ opened: Result<ClientConversation, OpeningFault>) throws -> OpeningFault {
    switch opened {
    case .success:
      Issue.record("it opened")
      return OpeningFault(DialogueFault(.connect, .cancelled))
    case .failure(let fault): return fault
    }
  }

  private func offer(_ keywords: [String] = ["STARTTLS"]) async {
    await wire.connected()
    wire.say("220 mx.example ESMTP at your service\r\n")
    #expect(wire.sent() == "EHLO client.example\r\n")
    let lines = ["inner.example greets you"] + keywords
    for (index, line) in lines.enumerated() { wire.say("250\(index == lines.count - 1 ? " " : "-")\(line)\r\n") }
  }

  @Test("an offer is taken, the certificate isn't demanded, and the conversation says that it is encrypted")
  func offered() async throws {
    async let opened = attempt()
    await offer()
    #expect(wire.sent() == "STARTTLS\r\n")
    wire.say("220 go ahead\r\n")
    #expect(wire.handshake == .client(hostName: "mx.example", demand: .recorded))
    wire.finishHandshake(verified: false)
    #expect(wire.sent() == "EHLO client.example\r\n")
    wire.say("250 mx-7.example\r\n")
    let conversation = try await opened.get()
    #expect(conversation.tls?.peerCertificate?.verification == .failed(.notTrusted(reason: "self-signed")))
    #expect(conversation.cleartextReason == nil)
    #expect(conversation.greetingName == "mx.example")
    #expect(conversation.helloName == "mx-7.example")
  }

  @Test("without an offer it goes on in clear, and the conversation says by which reason")
  func notOffered() async throws {
    async let opened = attempt()
    await offer(["PIPELINING"])
    let conversation = try await opened.get()
    #expect(conversation.tls == nil)
    #expect(conversation.cleartextReason == "nothing asks for TLS")
    #expect(conversation.greetingName == "mx.example")
    #expect(conversation.helloName == "inner.example")
    var transaction = Transaction(reversePath: .null, parameters: MailParameters())
    transaction.recipients = [
      Transaction.Recipient(path: .mailbox(try Mailbox("bob@mx.example")), parameters: RecipientParameters())
    ]
    async let answers = conversation.transact(transaction, body: PieceBody([]))
    await wire.step()
    #expect(wire.sent() == "MAIL FROM:<>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n")
    wire.say("550 no\r\n550 no\r\n550 no\r\n")
    #expect(await answers.map(describe) == ["mail reply 550"])
  }

  @Test("a refused STARTTLS keeps the server's reply, and nothing but QUIT follows", arguments: [454, 501, 421])
  func refused(code: Int) async throws {
    async let opened = attempt()
    await offer()
    #expect(wire.sent() == "STARTTLS\r\n")
    wire.say("\(code) 4.7.0 not now\r\n")
    let fault = try await fault(opened)
    guard case .security(.refused(let reply)) = fault.fault.cause else {
      return #expect(Bool(false), "\(fault)")
    }
    #expect(reply.code == ReplyCode(UInt16(code)))
    #expect(fault.fault.isTLSFailure && fault.fault.stage == .startTLS)
    #expect(fault.greetingName == "mx.example")
    #expect(wire.sent() == "QUIT\r\n")
  }

  @Test("a handshake that fails, breaks off or takes too long is a failure of TLS; a cancelled one is not")
  func failedHandshakes() async throws {
    let ends: [(end: @Sendable (HandWire) -> Void, isTLSFailure: Bool)] = [
      ({ $0.end(.handshakeFailed("no shared cipher")) }, true), ({ $0.end(.obsoleteTLS) }, true),
      ({ $0.end(.reset("by peer")) }, true), ({ $0.end(.peerClosed) }, true),
      ({ $0.pass(ClientTimeouts().handshake) }, true), ({ $0.say("250 injected\r\n") }, false),
    ]
    for (end, isTLSFailure) in ends {
      let trial = OpportunisticTests()
      async let opened = trial.attempt()
      await trial.offer()
      trial.wire.say("220 go ahead\r\n")
      _ = trial.wire.sent()
      end(trial.wire)
      let fault = try await fault(opened)
      #expect(fault.fault.stage == .handshake)
      #expect(fault.fault.isTLSFailure == isTLSFailure, "\(fault)")
      #expect(fault.tls == nil)
      #expect(trial.wire.sent() == "")
    }
    #expect(!DialogueFault(.handshake, .cancelled).isTLSFailure)
  }

  @Test("a demand for STARTTLS with any certificate encrypts, and is never met in clear")
  func encrypt() async throws {
    let encrypt = ClientPlan.Security.startTLS(hostName: "mx.example", demand: .recorded)
    async let opened = attempt(encrypt)
    await offer()
    wire.say("220 go ahead\r\n")
    wire.finishHandshake(verified: false)
    wire.say("250 mx.example\r\n")
    #expect(try await opened.get().tls != nil)

    let stripped = OpportunisticTests()
    async let refused = stripped.attempt(encrypt)
    await stripped.offer([])
    let fault = try await fault(refused)
    #expect(fault.fault == DialogueFault(.startTLS, .security(.notOffered)))
    #expect(!fault.fault.isTLSFailure)
    #expect(stripped.wire.sent() == "QUIT\r\n")
  }

  @Test("what fails behind the handshake is recorded with its TLS and its greeting")
  func openingFault() async throws {
    async let opened = attempt()
    await offer()
    wire.say("220 go ahead\r\n")
    wire.finishHandshake()
    _ = wire.sent()
    wire.say("550 5.7.1 not you\r\n")
    let fault = try await fault(opened)
    #expect(describe(fault) == "hello reply 550" || describe(fault) == "ehlo reply 550")
    #expect(fault.tls?.version == .v1_3)
    #expect(fault.peer == DialledPeer(endpoint: nil))
    #expect(fault.greetingName == "mx.example")
    #expect(!fault.fault.isTLSFailure)
  }

  @Test("a greeting that says no still says who it is; one without a name says nothing")
  func refusedGreeting() async throws {
    for (greeting, name) in [("554 client.example no\r\n", "client.example"), ("554\r\n", nil), ("554  \r\n", nil)] {
      let trial = OpportunisticTests()
      async let opened = trial.attempt()
      await trial.wire.connected()
      trial.wire.say(greeting)
      #expect(try await fault(opened).greetingName == name)
    }
  }

  @Test(
    "which faults say that TLS could not be had",
    arguments: [
      (.startTLS, .security(.notOffered), false), (.handshake, .security(.certificate(.expired)), true),
      (.startTLS, .transport("the connection was lost"), true), (.hello, .transport("lost"), false),
      (.connect, .transport("refused"), false), (.authentication, .security(.noProvenPeer), false),
      (.startTLS, .protocolViolation("bytes in clear"), false), (.mail, .security(.noPermit), false),
    ] as [(DialogueStage, DialogueFault.Cause, Bool)])
  func tlsFailures(stage: DialogueStage, cause: DialogueFault.Cause, isTLSFailure: Bool) {
    #expect(DialogueFault(stage, cause).isTLSFailure == isTLSFailure)
  }
}
