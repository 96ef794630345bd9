/// What the caller of a `ServerExchange` is to do next.
///
/// `start(initialResponse:)` comes first, exactly once; after `.challenge` comes `receive`; after `.verify` the outcome
/// is the caller's; after `.lookUpSCRAMKeys` comes `receive(keys:)`; after `.finishedSCRAM` nothing, but the final
/// server message has been sent as a `.challenge` before it and answered by the client's empty response.
public enum ServerStep: Sendable {
  case challenge([UInt8])
  case verify(PasswordClaim)
  case lookUpSCRAMKeys(user: String)
  /// `provenSalt` names the keys that the client has proven to know the password of; nil where it has not.
  case finishedSCRAM(user: String, provenSalt: [UInt8]?)
  /// The message can't be read as this mechanism's: 501 or 535 as the fault says.
  case fault(SASLFault)
}

public enum SASLFault: Error, Hashable, Sendable {
  /// Not the mechanism's syntax: 501 5.5.2.
  case malformed
  /// Well formed but never valid (empty password, prohibited code point, wrong binding, bad nonce): 535 5.7.8.
  case rejected
}

/// One server side of a SASL exchange as a step machine: feed what the client said, do what the step asks.
///
/// Messages are decoded bytes; base64, `=` and `*` are SMTP's and stay with the session (`SASLBase64`).
/// Every fault ends the exchange, and a call out of turn is a fault too. Only the names and passwords of bounded
/// length pass: `maximumUserOctets`, `maximumPasswordOctets`.
public struct ServerExchange: Sendable {
  /// RFC 4616 §2 asks for at least 255 octets.
  public static let maximumUserOctets = 255
  public static let maximumPasswordOctets = 1024

  public let mechanism: ServerMechanism
  let nonce: SCRAMNonce
  private var state = State.ready

  /// `nonce` must be fresh and unguessable for each exchange; PLAIN and LOGIN don't use it.
  public init(mechanism: ServerMechanism, nonce: SCRAMNonce) {
    self.mechanism = mechanism
    self.nonce = nonce
  }

  /// `nil` when AUTH came without an initial response; empty when it came with `=` (RFC 4954 §4).
  public mutating func start(initialResponse: [UInt8]?) -> ServerStep {
    guard case .ready = state else { return finish(.malformed) }
    switch mechanism {
    case .plain: state = .plain
    // RFC 4954 §4 refuses an initial response to a mechanism whose server speaks first. Clients send LOGIN's user name
    // there all the same, and every large server takes it: so do we.
    case .login: state = .loginUser
    case .scramSHA256: state = .scramFirst
    }
    if let initialResponse { return receive(initialResponse) }
    switch mechanism {
    // RFC 4954 §4: the empty challenge asks for the client's first message.
    case .plain, .scramSHA256: return .challenge([])
    case .login: return .challenge(LoginPrompt.user)
    }
  }

  /// The client's response to the last challenge.
  public mutating func receive(_ response: [UInt8]) -> ServerStep {
    do throws(SASLFault) {
      switch state {
      case .plain:
        let claim = try PlainMessage.read(response)
        state = .finished
        return .verify(claim)
      case .loginUser:
        let user = try SASLPreparation.name(response)
        state = .loginPassword(user: user)
        return .challenge(LoginPrompt.password)
      case .loginPassword(let user):
        let password = try SASLPreparation.password(response)
        state = .finished
        return .verify(PasswordClaim(user: user, password: password))
      case .scramFirst:
        let message = try SCRAMClientFirst(response)
        state = .scramKeys(message)
        return .lookUpSCRAMKeys(user: message.user)
      case .scramFinal(let conversation):
        return try receiveSCRAMFinal(response, conversation)
      case .scramAcknowledgement(let user, let salt):
        // RFC 4422 §5: where success carries no data, the server's last message is answered by an empty response.
        guard response.isEmpty else { throw .malformed }
        state = .finished
        return .finishedSCRAM(user: user, provenSalt: salt)
      case .ready, .scramKeys, .finished:
        throw .malformed
      }
    } catch {
      return finish(error)
    }
  }

  /// The answer to `.lookUpSCRAMKeys`: the user's keys, or made-up ones of the same shape where there is no such user.
  public mutating func receive(keys: SCRAMKeys) -> ServerStep {
    guard case .scramKeys(let first) = state else { return finish(.malformed) }
    let reply = SCRAMServerFirst(nonce: first.nonce + nonce.octets, salt: keys.salt, iterations: keys.iterations)
    state = .scramFinal(SCRAMServerConversation(clientFirst: first, serverFirst: reply, keys: keys))
    return .challenge(reply.octets)
  }

  private mutating func receiveSCRAMFinal(
    _ response: [UInt8], _ conversation: SCRAMServerConversation
  ) throws(SASLFault) -> ServerStep {
    let user = conversation.clientFirst.user
    switch try conversation.judge(SCRAMClientFinal(response)) {
    case .proven(let serverFinal):
      state = .scramAcknowledgement(user: user, salt: conversation.keys.salt)
      return .challenge(serverFinal)
    case .unproven:
      state = .finished
      return .finishedSCRAM(user: user, provenSalt: nil)
    }
  }

  private mutating func finish(_ fault: SASLFault) -> ServerStep {
    state = .finished
    return .fault(fault)
  }

  private enum State {
    case ready
    case plain
    case loginUser
    case loginPassword(user: String)
    case scramFirst
    case scramKeys(SCRAMClientFirst)
    case scramFinal(SCRAMServerConversation)
    case scramAcknowledgement(user: String, salt: [UInt8])
    case finished
  }
}
