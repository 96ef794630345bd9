import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar

/// AUTH from the client's side: SASL's steps in SMTP's lines. Source: RFC 4954 §4.
struct AuthenticationDialogue {
  enum Step {
    case write(ClientOutput)
    case derive
    case authenticated
    /// The exchange is over and the session knows where it stands.
    case refused(DialogueFault.Cause)
    /// The server can't be what it says it is, or has lost its place: the connection ends.
    case fail(DialogueFault.Cause)
  }

  private var exchange: ClientExchange
  /// The initial response, where it didn't fit into the AUTH line: the answer to the first, empty challenge.
  private var deferredResponse: [UInt8]?
  /// Why `*` was sent: whatever the server answers, this is the reason.
  private var cancelledFor: DialogueFault.Cause?
  private(set) var derivation: SCRAMDerivation?

  init(_ exchange: ClientExchange) { self.exchange = exchange }

  mutating func start() -> Step {
    switch exchange.start() {
    case .awaitChallenge: return writeCommand(nil)
    case .send(let response):
      // RFC 4954 §4: `=` stands for a response of no octets; one too long for the line waits for the 334.
      let encoded = SASLBase64.encodeInitialResponse(response)
      let line = "AUTH \(exchange.mechanism.rawValue) ".utf8.count + encoded.count + 2
      guard line <= EncryptedClientSession.maximumInitialResponseLineOctets else {
        deferredResponse = response
        return writeCommand(nil)
      }
      return writeCommand(ByteBuffer(bytes: encoded))
    case .derive: return .fail(.local("\(exchange.mechanism.rawValue) began out of order"))
    case .failed(let fault): return .refused(.local("the credential can't be used: \(fault)"))
    }
  }

  mutating func take(_ reply: ServerReply) -> Step {
    guard derivation == nil else { return .fail(.protocolViolation("the server spoke out of turn during AUTH")) }
    // RFC 5321 §3.8: the server is leaving.
    guard reply.code != ReplyCode(421) else { return .fail(.reply(reply)) }
    switch reply.code.severity {
    case .positiveIntermediate: return takeChallenge(reply)
    case .positiveCompletion:
      if let cancelledFor { return .fail(cancelledFor) }
      // RFC 5802 §5: a 235 without the server's signature is the word of someone who doesn't know the password.
      switch exchange.outcome {
      case .authenticated: return .authenticated
      case .failed(let fault): return .fail(.security(.unprovenSuccess("\(fault)")))
      }
    case .transientNegative, .permanentNegative: return .refused(cancelledFor ?? .reply(reply))
    }
  }

  mutating func receive(salted: SaltedPassword) -> Step {
    derivation = nil
    return follow(exchange.receive(salted: salted))
  }

  private mutating func takeChallenge(_ reply: ServerReply) -> Step {
    guard cancelledFor == nil else { return .fail(.protocolViolation("the server went on with a cancelled AUTH")) }
    if let response = deferredResponse {
      deferredResponse = nil
      return writeResponse(response)
    }
    // RFC 4954 §4: what isn't base64 cancels the exchange.
    guard reply.lines.count == 1, let text = reply.lines.first, let challenge = try? SASLBase64.decode(text.utf8) else {
      return cancel(.protocolViolation("the server's challenge is not base64"))
    }
    return follow(exchange.receive(challenge))
  }

  private mutating func follow(_ step: ClientStep) -> Step {
    switch step {
    case .send(let response): return writeResponse(response)
    case .derive(let derivation):
      self.derivation = derivation
      return .derive
    case .awaitChallenge: return .fail(.local("\(exchange.mechanism.rawValue) went on out of order"))
    case .failed(let fault): return cancel(.security(.authentication("\(fault)")))
    }
  }

  private mutating func cancel(_ cause: DialogueFault.Cause) -> Step {
    cancelledFor = cause
    return .write(ClientOutput(ByteBuffer(string: "*\r\n")))
  }

  private func writeCommand(_ response: ByteBuffer?) -> Step {
    let mechanism = exchange.mechanism.rawValue
    var bytes = ByteBuffer()
    do throws(CommandEncodingFault) {
      try CommandEncoder.write(.auth(mechanism: mechanism, initialResponse: response), into: &bytes)
    } catch {
      return .refused(.local("AUTH can't be sent: \(error)"))
    }
    return .write(ClientOutput(bytes, shownAs: response == nil ? nil : "AUTH \(mechanism) (redacted)"))
  }

  /// Law 8: whatever SASL says is shown as nothing but that it was said.
  private func writeResponse(_ response: [UInt8]) -> Step {
    var bytes = ByteBuffer(bytes: SASLBase64.encode(response))
    bytes.writeStaticString("\r\n")
    return .write(ClientOutput(bytes, shownAs: "(redacted)"))
  }
}
