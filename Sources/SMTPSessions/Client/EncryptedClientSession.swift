public import MailSyntax
public import NIOCore
public import SASLMechanisms
public import SMTPGrammar

/// A client's session inside TLS. Only a `TLSProof` opens it, and only a `VerifiedPeer` gets a credential (Law 3).
public struct EncryptedClientSession: ~Copyable {
  /// RFC 5321 §4.5.3.1.4: an AUTH line that would get longer leaves its initial response to the next (RFC 4954 §4).
  public static let maximumInitialResponseLineOctets = 512

  public enum Opening: Hashable, Sendable {
    /// Port 465: the greeting is still to come (RFC 8314 §3.3).
    case withGreeting
    /// EHLO again, at once (RFC 3207 §4.2).
    case afterStartTLS
  }

  private let proof: TLSProof
  private let opening: Opening
  private var dialogue: ClientDialogue
  private var authentication: AuthenticationDialogue?
  public private(set) var isAuthenticated = false

  public init(proof: TLSProof, identity: HostIdentity, dialect: ClientDialect = .smtp, opening: Opening) {
    self.proof = proof
    self.opening = opening
    dialogue = ClientDialogue(identity: identity, dialect: dialect, isEncrypted: true)
  }

  public var stage: DialogueStage { dialogue.stage }
  public var facts: TLSProof { proof }
  public var capabilities: Capabilities { dialogue.capabilities }
  /// Nil behind STARTTLS: the greeting was said in clear, and nothing of that is taken over.
  public var greetingName: String? { dialogue.greetingName }
  public var helloName: String? { dialogue.helloName }
  public var wantsContent: Bool { dialogue.wantsContent }
  /// What `.deriveKey` asks for.
  public var derivation: SCRAMDerivation? { authentication?.derivation }
  public mutating func takeHeard() -> ServerReply? { dialogue.takeHeard() }

  /// Called once, before `next`.
  public mutating func start() -> ClientAction {
    switch opening {
    case .withGreeting:
      dialogue.awaitGreeting()
      return .needBytes
    case .afterStartTLS: return dialogue.sayHello()
    }
  }

  public mutating func next(_ bytes: inout ByteBuffer) -> ClientAction {
    guard var exchange = authentication else { return dialogue.next(&bytes) }
    let (reply, otherwise) = dialogue.nextReply(&bytes)
    guard let reply else { return otherwise }
    let action = follow(exchange.take(reply))
    if authentication != nil { authentication = exchange }
    return action
  }

  /// Begins AUTH with the best mechanism that both sides know.
  ///
  /// - Parameters:
  ///   - peer: the one whom this session's own proof shows. A credential never goes to another (RFC 4954 §14).
  ///   - nonce: fresh for each call.
  public mutating func authenticate(
    _ credential: ClientCredential, to peer: VerifiedPeer, nonce: SCRAMNonce,
    server: ClientExchange.Server? = nil
  ) -> ClientAction {
    guard dialogue.state == .ready, !isAuthenticated else {
      return .fail(DialogueFault(.authentication, .local("AUTH has no place here")))
    }
    dialogue.own(.authentication)
    guard peer == proof.verifiedPeer else {
      return dialogue.refuse(.security(.noProvenPeer))
    }
    guard let mechanism = ClientMechanism.choose(from: dialogue.capabilities.mechanisms, for: credential) else {
      return dialogue.refuse(.security(.noMechanism))
    }
    let exchange = ClientExchange(mechanism: mechanism, credential: credential, nonce: nonce, server: server)
    var authentication = AuthenticationDialogue(exchange)
    let step = authentication.start()
    self.authentication = authentication
    return follow(step)
  }

  /// The result of `derivation`.
  public mutating func receive(salted: SaltedPassword) -> ClientAction {
    guard var exchange = authentication else { return .needBytes }
    let step = exchange.receive(salted: salted)
    authentication = exchange
    return follow(step)
  }

  private mutating func follow(_ step: AuthenticationDialogue.Step) -> ClientAction {
    switch step {
    case .write(let output): return dialogue.issue(output, as: .owned(.authentication))
    case .derive: return .deriveKey
    case .authenticated:
      authentication = nil
      isAuthenticated = true
      dialogue.becomeReady()
      return .authenticated
    case .refused(let cause):
      authentication = nil
      return dialogue.refuse(cause)
    case .fail(let cause):
      authentication = nil
      return dialogue.fail(cause)
    }
  }

  public mutating func send(_ transaction: Transaction, usesChunking: Bool) -> ClientAction {
    dialogue.send(transaction, isAuthenticated: isAuthenticated, usesChunking: usesChunking)
  }

  public mutating func take(content piece: ByteBuffer?) -> ClientAction { dialogue.take(content: piece) }
  public mutating func lose(_ cause: DialogueFault.Cause) -> TransactionOutcome? { dialogue.lose(cause) }
  public mutating func reset() -> ClientAction { dialogue.reset() }
  public mutating func quit() -> ClientAction { dialogue.quit() }
}
