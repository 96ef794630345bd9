import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar

extension ServerSession {
  /// RFC 4954 §4. The gate has seen to it that AUTH is only heard inside TLS on submission listeners.
  mutating func authenticate(_ name: String, _ initialResponse: ByteBuffer?) -> ServerAction {
    guard facts.tls != nil, let authentication else { return refuseJunk(.notImplemented) }
    guard facts.clientIdentity != nil else { return refuseJunk(.helloFirst) }
    guard facts.user == nil, transaction == nil else { return refuseJunk(.authenticatedAlready) }
    guard let mechanism = authentication.mechanisms.first(where: { $0.rawValue == name }) else {
      return refuseJunk(.mechanismUnknown)
    }
    var exchange = ServerExchange(mechanism: mechanism, nonce: authentication.makeNonce())
    guard let initialResponse else {
      let step = exchange.start(initialResponse: nil)
      return take(step, of: exchange)
    }
    let octets: [UInt8]
    do throws(SASLBase64.Fault) {
      octets = try SASLBase64.decodeInitialResponse(initialResponse.readableBytesView)
    } catch {
      return refuseJunk(Reply(error))
    }
    let step = exchange.start(initialResponse: octets)
    return take(step, of: exchange)
  }

  mutating func nextAuthenticationLine(_ exchange: ServerExchange, _ bytes: inout ByteBuffer) -> ServerAction {
    switch framer.next(&bytes, maximumOctets: settings.limits.authenticationLineOctets + 2) {
    case .needBytes: return .needBytes
    case .tooLong:
      phase = .command
      return refuseJunk(.authenticationLineTooLong)
    case .bareLineFeed, .bareCarriageReturn: return end(.protocolViolation, saying: .bareLineEnd)
    case .line(let line):
      phase = .command
      if line.readableBytesView.elementsEqual([UInt8(ascii: "*")]) { return refuseJunk(.authenticationCancelled) }
      let octets: [UInt8]
      do throws(SASLBase64.Fault) {
        octets = try SASLBase64.decode(line.readableBytesView)
      } catch {
        return refuseJunk(Reply(error))
      }
      var exchange = exchange
      let step = exchange.receive(octets)
      return take(step, of: exchange)
    }
  }

  mutating func take(_ step: ServerStep, of exchange: ServerExchange) -> ServerAction {
    switch step {
    case .challenge(let octets):
      phase = .authenticating(exchange)
      return .reply(.challenge(SASLBase64.encode(octets)))
    case .verify(let claim):
      phase = .awaiting(.authentication(exchange))
      return .ask(.verify(claim))
    case .lookUpSCRAMKeys(let user):
      phase = .awaiting(.authentication(exchange))
      return .ask(.scramKeys(user: user))
    case .finishedSCRAM(let user, let salt):
      phase = .awaiting(.authentication(exchange))
      return .ask(.finishedSCRAM(user: user, provenSalt: salt))
    case .fault(.malformed):
      phase = .command
      return refuseJunk(.authenticationMalformed)
    case .fault(.rejected):
      return answered(authentication: .refused(.authenticationFailed), by: exchange.mechanism)
    }
  }

  mutating func answered(
    authentication answer: AuthenticationAnswer, by mechanism: ServerMechanism
  ) -> ServerAction {
    phase = .command
    switch answer {
    case .accepted(let user):
      facts.user = AuthenticatedUser(name: user, mechanism: mechanism)
      return .reply(.authenticated)
    case .refused(let reply):
      return refuseAuthentication(reply)
    }
  }
}
