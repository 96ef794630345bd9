import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
@_spi(CleartextPermitMinting) @_spi(TLSProofMinting) import SMTPSessions
import TransportSecurity

/// Runs a transcript against the machines alone: pulls actions, does them, and keeps a log of what the client wrote and
/// what the session reported.
struct ClientDriver: ~Copyable {
  struct Message {
    var transaction: Transaction
    var pieces: [ByteBuffer]
  }

  private let transcript: ClientTranscript
  private var phase: ClientPhase
  private var unread = ByteBuffer()
  private var messages: [Message]
  private var content: [ByteBuffer] = []
  private var credential: ClientCredential?
  private let server: ClientExchange.Server
  private var isOver = false
  private var isUsable = true
  private var written = ByteBuffer()
  private(set) var log: [String] = []

  init(_ transcript: ClientTranscript) throws {
    let identity = HostIdentity.name(try DomainName("client.example"))
    let host = try DomainName("server.example")
    let messages = try transcript.messages()
    let dialect: ClientDialect = transcript.has("dialect", "lmtp") ? .lmtp : .smtp
    self.transcript = transcript
    self.messages = messages
    server = ClientExchange.Server(host: host, port: 465)
    credential = transcript.credential()
    switch transcript.settings["security"]?.first {
    case "implicit":
      var session = EncryptedClientSession(
        proof: transcript.proof(), identity: identity, dialect: dialect, opening: .withGreeting)
      _ = session.start()
      phase = .encrypted(session)
    case "starttls":
      phase = .cleartext(CleartextClientSession(identity: identity, dialect: dialect, goal: .tls))
    case "opportunistic":
      phase = .cleartext(CleartextClientSession(identity: identity, dialect: dialect, goal: .tlsIfOffered))
    default:
      phase = .cleartext(CleartextClientSession(identity: identity, dialect: dialect, goal: .mail))
    }
  }

  /// The log, once every step has been taken, and the first place where it wasn't what the transcript says.
  mutating func run(_ feeding: Feeding) -> [String] {
    var expected: [String] = []
    for step in transcript.steps {
      switch step {
      case .expected(let line): expected.append(line)
      case .handshake:
        guard flushed() == expected else { return flushed() }
        perform(phase.upgrade(by: transcript.proof()))
        pull()
      case .server(let octets):
        guard flushed() == expected else { return flushed() }
        for piece in feeding.pieces(of: octets) where !isOver {
          unread.writeBytes(piece)
          pull()
        }
      }
    }
    return flushed()
  }

  private mutating func flushed() -> [String] {
    flush()
    return log
  }

  private mutating func pull() {
    while !isOver {
      let action = phase.next(&unread)
      guard action != .needBytes else { return }
      perform(action)
      // A connection does nothing more before the handshake has ended.
      if action == .startTLS, unread.readableBytes == 0 { return }
    }
  }

  private mutating func perform(_ action: ClientAction) {
    switch action {
    case .needBytes, .goOn: break
    case .write(let output) where output.shownAs == nil || !transcript.has("show", "redacted"):
      written.writeImmutableBuffer(output.bytes)
    case .write(let output): written.writeString("\(output.shownAs ?? "")\r\n")
    case .startTLS: note("TLS")
    case .ready:
      if let credential {
        self.credential = nil
        perform(
          phase.authenticate(
            credential, nonce: SCRAMNonce("rOprNGfwEbeRWgbNEkqO")!,
            server: server))
      } else {
        goOn()
      }
    case .authenticated: goOn()
    case .refused(let fault):
      note("= refused \(describe(fault))")
      perform(phase.quit())
    case .deriveKey:
      perform(phase.receive(salted: phase.derivation!.run()))
    case .sendContent: sendContent()
    case .finished(let outcome):
      for answer in outcome.answers { note("= \(describe(answer))") }
      isUsable = outcome.leavesConnectionUsable
      if isUsable { goOn() } else { end("= closed") }
    case .wasReset: note("= reset")
    case .close: end("= closed")
    case .fail(let fault):
      note("= failed \(describe(fault))")
      for answer in phase.lose(fault.cause)?.answers ?? [] { note("= \(describe(answer))") }
      end("= closed")
    }
  }

  private mutating func goOn() {
    guard !messages.isEmpty else {
      if !transcript.has("then", "wait") { perform(phase.quit()) }
      return
    }
    let message = messages.removeFirst()
    content = message.pieces
    let permit = transcript.has("permit", "none") ? nil : CleartextPermit(reason: "transcript")
    perform(phase.send(message.transaction, usesChunking: transcript.has("chunking", "yes"), permit: permit))
  }

  private mutating func sendContent() {
    while !isOver, phase.wantsContent {
      let piece = content.isEmpty ? nil : content.removeFirst()
      perform(phase.take(content: piece))
    }
  }

  private mutating func note(_ line: String) {
    flush()
    log.append(line)
  }

  private mutating func end(_ line: String) {
    note(line)
    isOver = true
  }

  /// What was written since, as lines.
  private mutating func flush() {
    guard written.readableBytes > 0 else { return }
    var text = String(buffer: written)
    written.clear()
    if text.hasSuffix("\r\n") { text.removeLast() } else { text += "\\" }
    log += text.split(separator: "\r\n", omittingEmptySubsequences: false).map { "C: \($0)" }
  }
}

func describe(_ answer: RecipientAnswer) -> String {
  switch answer {
  case .taken(let reply): "taken \(reply.code)"
  case .fault(let fault): describe(fault)
  }
}

func describe(_ opening: OpeningFault) -> String { describe(opening.fault) }

func describe(_ fault: DialogueFault) -> String {
  switch fault.cause {
  case .reply(let reply): "\(fault.stage.rawValue) reply \(reply.code)"
  case .transport: "\(fault.stage.rawValue) transport"
  case .security: "\(fault.stage.rawValue) security"
  case .protocolViolation: "\(fault.stage.rawValue) violation"
  case .unsupported(let status, _): "\(fault.stage.rawValue) unsupported \(status)"
  case .local: "\(fault.stage.rawValue) local"
  }
}

extension ClientTranscript {
  func has(_ key: String, _ value: String) -> Bool { settings[key]?.contains(value) ?? false }

  func proof() -> TLSProof {
    let verification: CertificateVerification =
      has("certificate", "unverified")
      ? .failed(.notTrusted(reason: "self-signed")) : .verified(hostName: "server.example")
    return TLSProof(
      facts: TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: nil, serverName: "server.example",
        peerCertificate: CertificateFacts(
          sha256Fingerprint: [], dnsNames: ["server.example"], verification: verification)))
  }

  func credential() -> ClientCredential? {
    guard let words = settings["auth"]?.first?.split(separator: " ").map(String.init), words.count >= 3 else {
      return nil
    }
    let secret = words.count > 3 ? String(repeating: words[2], count: Int(words[3]) ?? 1) : words[2]
    return words[0] == "token" ? .token(user: words[1], Secret(secret)) : .password(user: words[1], Secret(secret))
  }

  /// `mail: <from> <to>… [size=N] [7bit] [8bit] [utf8] [dsn] [envid=X] [orcpt=type;address] [never] [requiretls]
  /// [settles] [auth]`,
  /// one for each message; `content:`, one for each piece, is the content of each of them.
  func messages() throws -> [ClientDriver.Message] {
    let pieces = (settings["content"] ?? ["Subject: hello\\r\\n\\r\\nhi\\r\\n\\"]).map {
      ByteBuffer(bytes: ClientTranscript.unescape($0))
    }
    return try (settings["mail"] ?? []).map { line in
      var parameters = MailParameters()
      var paths: [String] = []
      var withoutRequireTLS = Transaction.WithoutRequireTLS.nothing
      var recipient = RecipientParameters()
      for word in line.split(separator: " ").map(String.init) {
        switch word {
        case "8bit": parameters.body = .eightBitMIME
        case "7bit": parameters.body = .sevenBit
        case "utf8": parameters.usesSMTPUTF8 = true
        case "requiretls": parameters.requiresTLS = true
        case "settles": withoutRequireTLS = .message
        case "auth": parameters.authenticatedSender = .null
        case "dsn":
          parameters.deliveryReportContent = .headers
          parameters.envelopeID = "QQ314159"
          recipient.notify = [.failure, .delay]
        case let word where word.hasPrefix("envid="): parameters.envelopeID = String(word.dropFirst(6))
        case let word where word.hasPrefix("orcpt="):
          let words = word.dropFirst(6).split(separator: ";", maxSplits: 1).map(String.init)
          recipient.originalRecipient = OriginalRecipient(addressType: words[0], address: words[1])
        case "never": recipient.notify = .never
        case let word where word.hasPrefix("size="): parameters.size = ByteCount(Int(word.dropFirst(5)) ?? 0)
        case let word: paths.append(word)
        }
      }
      var transaction = Transaction(reversePath: try ReversePath(paths[0]), parameters: parameters)
      transaction.withoutRequireTLS = withoutRequireTLS
      transaction.recipients = try paths.dropFirst().map {
        Transaction.Recipient(path: try ForwardPath($0), parameters: recipient)
      }
      return ClientDriver.Message(transaction: transaction, pieces: pieces)
    }
  }
}
