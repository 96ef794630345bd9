public import NIOCore
public import SASLMechanisms
public import SMTPGrammar

/// Where a client connection stands. Going to TLS consumes the cleartext session, and what is left can authenticate.
public enum ClientPhase: ~Copyable {
  case cleartext(CleartextClientSession)
  case encrypted(EncryptedClientSession)
  /// Before the handshake of implicit TLS, and behind the end.
  case closed

  public mutating func next(_ bytes: inout ByteBuffer) -> ClientAction {
    apply({ $0.next(&bytes) }, { $0.next(&bytes) }, closed: .needBytes)
  }

  /// STARTTLS: the proof opens the encrypted session in the place of the cleartext one.
  public mutating func upgrade(by proof: TLSProof) -> ClientAction {
    switch consume self {
    case .cleartext(let session) where session.isHandshaking:
      var encrypted = session.upgraded(by: proof)
      let action = encrypted.start()
      self = .encrypted(encrypted)
      return action
    case .cleartext(let session):
      self = .cleartext(session)
      return .fail(DialogueFault(.handshake, .protocolViolation("a handshake that nobody asked for")))
    case .encrypted(let session):
      self = .encrypted(session)
      return .fail(DialogueFault(.handshake, .protocolViolation("a second handshake")))
    case .closed:
      self = .closed
      return .needBytes
    }
  }

  /// - Parameter permit: what a cleartext session needs; an encrypted one has no use for it.
  public mutating func send(
    _ transaction: Transaction, usesChunking: Bool, permit: CleartextPermit?
  ) -> ClientAction {
    let refused = ClientPhase.finished(
      transaction, .security(.noPermit), usable: true)
    return apply(
      { session in
        guard let permit else { return refused }
        return session.send(transaction, usesChunking: usesChunking, permit: permit)
      },
      { $0.send(transaction, usesChunking: usesChunking) },
      closed: ClientPhase.finished(transaction, .transport("the connection is closed"), usable: false))
  }

  private static func finished(
    _ transaction: Transaction, _ cause: DialogueFault.Cause, usable: Bool
  ) -> ClientAction {
    let answers = transaction.recipients.map { _ in RecipientAnswer.fault(DialogueFault(.mail, cause)) }
    return .finished(TransactionOutcome(answers: answers, leavesConnectionUsable: usable))
  }

  /// Law 3: a session in clear, or one whose peer isn't proven, has nobody to give a credential to.
  public mutating func authenticate(
    _ credential: ClientCredential, nonce: SCRAMNonce, server: ClientExchange.Server?
  ) -> ClientAction {
    let unproven = ClientAction.refused(DialogueFault(.authentication, .security(.noProvenPeer)))
    return apply(
      { _ in unproven },
      { session in
        guard let peer = session.facts.verifiedPeer else { return unproven }
        return session.authenticate(credential, to: peer, nonce: nonce, server: server)
      }, closed: .needBytes)
  }

  public mutating func receive(salted: SaltedPassword) -> ClientAction {
    apply({ _ in .needBytes }, { $0.receive(salted: salted) }, closed: .needBytes)
  }
  public mutating func take(content piece: ByteBuffer?) -> ClientAction {
    apply({ $0.take(content: piece) }, { $0.take(content: piece) }, closed: .needBytes)
  }
  public mutating func lose(_ cause: DialogueFault.Cause) -> TransactionOutcome? {
    apply({ $0.lose(cause) }, { $0.lose(cause) }, closed: nil)
  }
  public mutating func reset() -> ClientAction {
    apply({ $0.reset() }, { $0.reset() }, closed: .close)
  }
  public mutating func quit() -> ClientAction {
    apply({ $0.quit() }, { $0.quit() }, closed: .close)
  }
  public mutating func takeHeard() -> ServerReply? {
    apply({ $0.takeHeard() }, { $0.takeHeard() }, closed: nil)
  }

  public var stage: DialogueStage {
    switch self {
    case .cleartext(let session): session.stage
    case .encrypted(let session): session.stage
    case .closed: .handshake
    }
  }
  public var wantsContent: Bool {
    switch self {
    case .cleartext(let session): session.wantsContent
    case .encrypted(let session): session.wantsContent
    case .closed: false
    }
  }
  public var capabilities: Capabilities {
    switch self {
    case .cleartext(let session): session.capabilities
    case .encrypted(let session): session.capabilities
    case .closed: Capabilities()
    }
  }
  public var greetingName: String? {
    switch self {
    case .cleartext(let session): session.greetingName
    case .encrypted(let session): session.greetingName
    case .closed: nil
    }
  }
  public var helloName: String? {
    switch self {
    case .cleartext(let session): session.helloName
    case .encrypted(let session): session.helloName
    case .closed: nil
    }
  }
  public var derivation: SCRAMDerivation? {
    switch self {
    case .encrypted(let session): session.derivation
    case .cleartext: nil
    case .closed: nil
    }
  }
  public var isEncrypted: Bool {
    switch self {
    case .encrypted: true
    case .cleartext: false
    case .closed: false
    }
  }

  private mutating func apply<Result>(
    _ cleartext: (inout CleartextClientSession) -> Result, _ encrypted: (inout EncryptedClientSession) -> Result,
    closed: @autoclosure () -> Result
  ) -> Result {
    switch consume self {
    case .cleartext(var session):
      let result = cleartext(&session)
      self = .cleartext(session)
      return result
    case .encrypted(var session):
      let result = encrypted(&session)
      self = .encrypted(session)
      return result
    case .closed:
      self = .closed
      return closed()
    }
  }
}
