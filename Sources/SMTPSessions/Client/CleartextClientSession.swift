public import MailSyntax
public import NIOCore
public import SMTPGrammar

/// A client's session on a channel without TLS. It can't authenticate: there is no such function here (Law 3). It sends
/// mail only by a `CleartextPermit`, never where it was opened to go to TLS, and never once STARTTLS has been said:
/// whatever goes wrong from there, no mail follows on this connection.
///
/// Going to TLS consumes it: nothing that was learned in clear outlives it (RFC 3207 §4.2).
public struct CleartextClientSession: ~Copyable {
  public enum Goal: Hashable, Sendable {
    /// STARTTLS right behind EHLO, or the end: stripping the offer out of the answer gains an attacker nothing.
    case tls
    /// STARTTLS where EHLO's answer offers it, and then TLS or the end; else mail in clear (RFC 3207 §4.1 leaves it to
    /// the client; Law 2 says when it may be wished for).
    case tlsIfOffered
    case mail
  }

  private let goal: Goal
  private var dialogue: ClientDialogue

  public init(identity: HostIdentity, dialect: ClientDialect = .smtp, goal: Goal) {
    self.goal = goal
    dialogue = ClientDialogue(identity: identity, dialect: dialect, isEncrypted: false)
    // RFC 5321 §4.3.1: the server speaks first.
    dialogue.awaitGreeting()
  }

  public var stage: DialogueStage { dialogue.stage }
  public var capabilities: Capabilities { dialogue.capabilities }
  public var greetingName: String? { dialogue.greetingName }
  public var helloName: String? { dialogue.helloName }
  public var wantsContent: Bool { dialogue.wantsContent }
  /// The server has agreed to a handshake that hasn't ended.
  public var isHandshaking: Bool { dialogue.state == .owned(.handshake) }
  public mutating func takeHeard() -> ServerReply? { dialogue.takeHeard() }

  public mutating func next(_ bytes: inout ByteBuffer) -> ClientAction {
    switch dialogue.state {
    case .owned(.handshake):
      // Law 4: what arrives in clear once the server has agreed is nobody's.
      guard bytes.readableBytes > 0 else { return .needBytes }
      return dialogue.fail(.protocolViolation("bytes in clear behind the answer to STARTTLS"))
    case .owned:
      let (reply, otherwise) = dialogue.nextReply(&bytes)
      guard let reply else { return otherwise }
      return takeStartTLS(reply, bytes)
    case .unopened, .greeting, .ehlo, .helo, .ready, .transaction, .resetting, .refused, .quitting, .over:
      let action = dialogue.next(&bytes)
      guard action == .ready else { return action }
      return greeted()
    }
  }

  /// The server's answer to EHLO or HELO is in.
  private mutating func greeted() -> ClientAction {
    let isOffered = dialogue.capabilities.offersStartTLS
    switch goal {
    case .mail: return .ready
    case .tlsIfOffered where !isOffered: return .ready
    case .tls, .tlsIfOffered:
      // From here there is TLS or the end: only `.ready` lets mail go.
      dialogue.own(.startTLS)
      guard isOffered else { return dialogue.refuse(.security(.notOffered)) }
      return dialogue.issue(.startTLS, as: .owned(.startTLS))
    }
  }

  private mutating func takeStartTLS(_ reply: ServerReply, _ bytes: ByteBuffer) -> ClientAction {
    switch reply.code.severity {
    case .positiveCompletion:
      // CVE-2011-0411 and its kin: answers injected behind the 220 would be taken for the server's own inside TLS.
      guard bytes.readableBytes == 0 else {
        return dialogue.fail(.protocolViolation("bytes in clear behind the answer to STARTTLS"))
      }
      dialogue.own(.handshake)
      return .startTLS
    case .positiveIntermediate: return dialogue.unexpected(reply)
    case .transientNegative, .permanentNegative:
      return dialogue.refuse(.security(.refused(reply)))
    }
  }

  /// The permit's reason is the caller's to record.
  public mutating func send(
    _ transaction: Transaction, usesChunking: Bool, permit: CleartextPermit
  ) -> ClientAction {
    dialogue.send(transaction, isAuthenticated: false, usesChunking: usesChunking)
  }

  public mutating func take(content piece: ByteBuffer?) -> ClientAction { dialogue.take(content: piece) }
  public mutating func lose(_ cause: DialogueFault.Cause) -> TransactionOutcome? { dialogue.lose(cause) }
  public mutating func reset() -> ClientAction { dialogue.reset() }
  public mutating func quit() -> ClientAction { dialogue.quit() }

  /// Takes over nothing but who we are.
  public consuming func upgraded(by proof: TLSProof) -> EncryptedClientSession {
    EncryptedClientSession(
      proof: proof, identity: dialogue.identity, dialect: dialogue.dialect, opening: .afterStartTLS)
  }
}
