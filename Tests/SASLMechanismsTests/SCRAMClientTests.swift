import MailSyntax
import Testing

@testable import SASLMechanisms

@Suite("SCRAM-SHA-256, client side")
struct SCRAMClientTests {
  private func started() throws -> ClientExchange {
    var exchange = ClientExchange(
      mechanism: .scramSHA256, credential: .password(user: "user", Secret("pencil")),
      nonce: try #require(SCRAMNonce(RFC7677.clientNonce)))
    #expect(shown(exchange.start()) == "send " + RFC7677.clientFirst)
    return exchange
  }

  private func upToFinal() throws -> ClientExchange {
    var exchange = try started()
    guard case .derive(let derivation) = exchange.receive(Array(RFC7677.serverFirst.utf8)) else {
      Issue.record("no derivation")
      return exchange
    }
    #expect(shown(exchange.receive(salted: derivation.run())) == "send " + RFC7677.clientFinal)
    return exchange
  }

  @Test("SCRAM-003: RFC 7677 §3's exchange comes out octet for octet")
  func vector() throws {
    var exchange = try upToFinal()
    #expect(exchange.outcome == .failed(.endedEarly))
    #expect(shown(exchange.receive(Array(RFC7677.serverFinal.utf8))) == "send ")
    #expect(exchange.outcome == .authenticated)
    #expect(shown(exchange.receive([])) == "failed unexpectedChallenge")
  }

  @Test("SCRAM-003: 235 before the server has proven itself is no success, at any step")
  func endedEarly() throws {
    var exchange = try started()
    #expect(exchange.outcome == .failed(.endedEarly))
    _ = exchange.receive(Array(RFC7677.serverFirst.utf8))
    #expect(exchange.outcome == .failed(.endedEarly))
    #expect(try upToFinal().outcome == .failed(.endedEarly))
  }

  @Test(
    "SCRAM-003: a forged or missing server signature fails for good, even if 235 follows",
    arguments: [
      ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", ClientFault.serverSignatureMismatch),
      ("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", .serverSignatureMismatch),
      ("v=", .serverSignatureMismatch), ("v=AAAA", .serverSignatureMismatch),
      ("e=other-error", .refused("other-error")), ("", .malformedChallenge), ("x=1", .malformedChallenge),
    ])
  func forgedSignature(message: String, fault: ClientFault) throws {
    var exchange = try upToFinal()
    #expect(shown(exchange.receive(Array(message.utf8))) == "failed \(fault)")
    #expect(exchange.outcome == .failed(fault))
  }

  @Test(
    "SCRAM-001, SCRAM-004: a server's first message that can't be trusted is refused before any work is done",
    arguments: [
      ("r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096", ClientFault.nonceMismatch),
      ("r=xOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=4096", .nonceMismatch), ("r=rOpr,s=W22Z,i=4096", .nonceMismatch),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=4095", .iterationsOutOfRange(4095)),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=0", .iterationsOutOfRange(0)),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=600001", .iterationsOutOfRange(600_001)),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=9999999999", .malformedChallenge),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=-1", .malformedChallenge),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=", .malformedChallenge),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=,i=4096", .malformedChallenge),
      ("r=rOprNGfwEbeRWgbNEkqOabc,s=W22,i=4096", .malformedChallenge),
      ("m=x,r=rOprNGfwEbeRWgbNEkqOabc,s=W22Z,i=4096", .malformedChallenge),
      ("s=W22Z,r=rOprNGfwEbeRWgbNEkqOabc,i=4096", .malformedChallenge), ("", .malformedChallenge),
    ])
  func serverFirst(message: String, fault: ClientFault) throws {
    var exchange = try started()
    #expect(shown(exchange.receive(Array(message.utf8))) == "failed \(fault)")
    #expect(exchange.outcome == .failed(fault))
    #expect(shown(exchange.receive([])) == "failed \(fault)")
  }

  @Test("unknown attributes behind the iteration count are ignored, and signed")
  func extensions() throws {
    var exchange = try started()
    #expect(shown(exchange.receive(Array((RFC7677.serverFirst + ",x=1").utf8))) == "derive 4096")
  }

  @Test(
    "client and server agree, for names and passwords that need escaping and preparing",
    arguments: [
      ("user", "pencil"), ("a,b=c", "p,=w"), ("jürgen", "geh\u{A0}heim"), ("u", String(repeating: "p", count: 200)),
    ])
  func bothSides(user: String, password: String) throws {
    var random = SystemRandomNumberGenerator()
    let prepared = try SASLPreparation.password(Secret(password))
    let keys = SCRAMKeys.derive(password: prepared, salt: [1, 2, 3], iterations: 4096)
    var server = ServerExchange(mechanism: .scramSHA256, nonce: SCRAMNonce(using: &random))
    var client = ClientExchange(
      mechanism: .scramSHA256, credential: .password(user: user, Secret(password)), nonce: SCRAMNonce(using: &random))
    guard case .send(let first) = client.start() else {
      Issue.record("client start")
      return
    }
    #expect(shown(server.start(initialResponse: first)) == "keys of \(user)")
    guard case .challenge(let challenge) = server.receive(keys: keys),
      case .derive(let derivation) = client.receive(challenge),
      case .send(let proof) = client.receive(salted: derivation.run()),
      case .challenge(let signature) = server.receive(proof),
      case .send(let empty) = client.receive(signature)
    else {
      Issue.record("the exchange stopped")
      return
    }
    #expect(shown(server.receive(empty)) == "finished \(user) true")
    #expect(client.outcome == .authenticated)
  }

  @Test("a nonce has 144 bits, printable, and no comma; two differ")
  func nonces() {
    var random = SystemRandomNumberGenerator()
    let (one, other) = (SCRAMNonce(using: &random), SCRAMNonce(using: &random))
    #expect(one.octets.count == 24 && one != other && SCRAMNonce.isValid(one.octets))
    for bad in ["", "a,b", "a b", "ä", String(repeating: "a", count: 257)] { #expect(SCRAMNonce(bad) == nil) }
  }

  @Test("no key shows in a description")
  func redacted() {
    #expect(!"\(RFC7677.keys)".contains("WG5d") && "\(RFC7677.keys.storedKey)" == "(redacted)")
    #expect(RFC7677.keys.storedKey.withExposedBytes { $0.count } == SCRAMKeys.keyOctets)
  }
}
