public import MailSyntax

/// One client side of a SASL exchange as a step machine: `start()`, then `receive` for each decoded challenge, and when
/// a 235 comes, `outcome`.
///
/// It may run only where the server is proven; the encrypted client session is its one owner. Challenges are decoded
/// bytes: one that isn't base64 is the session's to cancel.
public struct ClientExchange: Sendable {
  public static let maximumTokenOctets = 8192
  public static let maximumErrorOctets = 512

  public let mechanism: ClientMechanism
  private let credential: ClientCredential
  private let nonce: SCRAMNonce
  private let server: Server?
  private var state = State.ready

  /// The host and port connected to, which OAUTHBEARER names to the server. Source: RFC 7628 §3.1.
  public struct Server: Hashable, Sendable {
    public let host: DomainName
    public let port: UInt16
    public init(host: DomainName, port: UInt16) {
      self.host = host
      self.port = port
    }
  }

  /// `nonce` must be fresh and unguessable for each exchange; only SCRAM uses it.
  public init(mechanism: ClientMechanism, credential: ClientCredential, nonce: SCRAMNonce, server: Server? = nil) {
    self.mechanism = mechanism
    self.credential = credential
    self.nonce = nonce
    self.server = server
  }

  public mutating func start() -> ClientStep {
    guard case .ready = state else { return fail(.unexpectedChallenge) }
    do throws(ClientFault) {
      switch mechanism {
      case .plain:
        let (user, password) = try plainCredential()
        state = .complete
        return .send(PlainMessage.write(user: user, password: password))
      case .login:
        _ = try plainCredential()
        state = .loginUser
        return .awaitChallenge
      case .scramSHA256:
        let conversation = try SCRAMClientConversation(credential, nonce: nonce)
        state = .scramFirst(conversation)
        return .send(conversation.clientFirst)
      case .oauthBearer:
        let message = try bearerMessage()
        state = .token(answerToError: [1])
        return .send(message)
      case .xoauth2:
        let message = try xoauth2Message()
        state = .token(answerToError: [])
        return .send(message)
      }
    } catch {
      return fail(error)
    }
  }

  /// A challenge of the server, decoded.
  public mutating func receive(_ challenge: [UInt8]) -> ClientStep {
    do throws(ClientFault) {
      switch state {
      case .loginUser:
        // draft-murchison-sasl-login §2: the prompts' text means nothing.
        state = .loginPassword
        return .send(Array(credential.user.utf8))
      case .loginPassword:
        let (_, password) = try plainCredential()
        state = .complete
        return .send(password)
      case .scramFirst(let conversation):
        let (derivation, derived) = try conversation.receiveServerFirst(challenge)
        state = .scramDerivation(derived)
        return .derive(derivation)
      case .scramFinal(let serverSignature):
        try SCRAMClientConversation.checkServerFinal(challenge, serverSignature)
        state = .complete
        return .send([])
      case .token(let answer):
        // RFC 7628 §3.2.3 wants one %x01, Google's XOAUTH2 an empty line; then comes the 535.
        state = .failed(.refused(ClientExchange.shown(challenge)))
        return .send(answer)
      case .failed(let fault): return .failed(fault)
      case .ready, .complete, .scramDerivation: throw .unexpectedChallenge
      }
    } catch {
      return fail(error)
    }
  }

  /// The result of `.derive`.
  public mutating func receive(salted: SaltedPassword) -> ClientStep {
    guard case .scramDerivation(let conversation) = state else { return fail(.unexpectedChallenge) }
    let (message, serverSignature) = conversation.finish(salted)
    state = .scramFinal(serverSignature: serverSignature)
    return .send(message)
  }

  /// What a 235 means if it comes now. RFC 5802 §5: without the server's right signature there's no success.
  public var outcome: ClientOutcome {
    switch state {
    case .complete, .token: .authenticated
    case .failed(let fault): .failed(fault)
    case .ready, .loginUser, .loginPassword, .scramFirst, .scramDerivation, .scramFinal: .failed(.endedEarly)
    }
  }

  private mutating func fail(_ fault: ClientFault) -> ClientStep {
    state = .failed(fault)
    return .failed(fault)
  }

  private enum State {
    case ready
    case loginUser
    case loginPassword
    case scramFirst(SCRAMClientConversation)
    case scramDerivation(SCRAMClientConversation.Derived)
    case scramFinal(serverSignature: Secret)
    case token(answerToError: [UInt8])
    case complete
    case failed(ClientFault)
  }
}

extension ClientExchange {
  /// What PLAIN and LOGIN carry, as it was given: the server prepares it (RFC 4616 §2).
  private func plainCredential() throws(ClientFault) -> (user: String, password: [UInt8]) {
    guard case .password(let user, let password) = credential else { throw .wrongCredential }
    let octets = password.withExposedBytes { $0 }
    do throws(SASLFault) {
      _ = try SASLPreparation.name(user.utf8)
      _ = try SASLPreparation.password(octets)
    } catch {
      throw .unusableCredential
    }
    return (user, octets)
  }

  /// A token goes between %x01, so it must not hold one; RFC 6750 §2.1 makes it printable ASCII.
  private func tokenCredential() throws(ClientFault) -> (user: String, token: [UInt8]) {
    guard case .token(let user, let secret) = credential else { throw .wrongCredential }
    let token = secret.withExposedBytes { $0 }
    guard !token.isEmpty, token.count <= ClientExchange.maximumTokenOctets,
      token.allSatisfy({ (0x21...0x7e).contains($0) })
    else { throw .unusableCredential }
    do throws(SASLFault) {
      _ = try SASLPreparation.name(user.utf8)
    } catch {
      throw .unusableCredential
    }
    return (user, token)
  }

  /// RFC 7628 §3.1: GS2 header, then key=value pairs, each closed by %x01, and one more.
  private func bearerMessage() throws(ClientFault) -> [UInt8] {
    let (user, token) = try tokenCredential()
    var message = Array("n,a=".utf8) + SCRAMName.encode(user) + Array(",\u{1}".utf8)
    if let server {
      message += Array("host=\(server.host)\u{1}port=\(server.port)\u{1}".utf8)
    }
    return message + "auth=Bearer ".utf8 + token + [1, 1]
  }

  private func xoauth2Message() throws(ClientFault) -> [UInt8] {
    let (user, token) = try tokenCredential()
    return Array("user=\(user)\u{1}auth=Bearer ".utf8) + token + [1, 1]
  }

  /// A server's words made safe to show: printable ASCII, bounded.
  static func shown(_ text: some Sequence<UInt8>) -> String {
    String(decoding: text.prefix(maximumErrorOctets).map { (0x20...0x7e).contains($0) ? $0 : 0x3f }, as: UTF8.self)
  }
}
