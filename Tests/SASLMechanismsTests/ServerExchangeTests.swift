import MailSyntax
import Testing

@testable import SASLMechanisms

/// A step as text, so that tables can hold what is expected.
func shown(_ step: ServerStep) -> String {
  switch step {
  case .challenge(let octets): "challenge " + String(decoding: octets, as: UTF8.self)
  case .verify(let claim):
    "verify \(claim.user)|" + claim.password.withExposedBytes { String(decoding: $0, as: UTF8.self) }
  case .lookUpSCRAMKeys(let user): "keys of \(user)"
  case .finishedSCRAM(let user, let salt): "finished \(user) \(salt != nil)"
  case .fault(let fault): "\(fault)"
  }
}

func exchange(_ mechanism: ServerMechanism, nonce: String = "servernonce") throws -> ServerExchange {
  ServerExchange(mechanism: mechanism, nonce: try #require(SCRAMNonce(nonce)))
}

@Suite("PLAIN and LOGIN, server side")
struct ServerExchangeTests {
  @Test(
    "PLAIN-001: a message is [authzid] NUL authcid NUL passwd and nothing else",
    arguments: [
      // RFC 4616 §4, both examples; to act as another user isn't offered.
      ("\u{0}tim\u{0}tanstaaftanstaaf", "verify tim|tanstaaftanstaaf"),
      ("Ursel\u{0}Kurt\u{0}xipj3plmq", "rejected"),
      ("Kurt\u{0}Kurt\u{0}xipj3plmq", "verify Kurt|xipj3plmq"),
      ("kurt\u{0}Kurt\u{0}xipj3plmq", "rejected"),
      ("\u{0}user@example.org\u{0}p w", "verify user@example.org|p w"),
      ("\u{0}jürgen\u{0}pässword", "verify jürgen|pässword"),
      ("", "malformed"), ("tim", "malformed"), ("\u{0}tim", "malformed"), ("tim\u{0}secret", "malformed"),
      ("\u{0}tim\u{0}sec\u{0}ret", "malformed"), ("\u{0}tim\u{0}secret\u{0}", "malformed"),
      ("\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}", "malformed"),
    ])
  func plain(message: String, expected: String) throws {
    var exchange = try exchange(.plain)
    #expect(shown(exchange.start(initialResponse: Array(message.utf8))) == expected)
  }

  @Test("every truncation of a PLAIN message is malformed or another message, and never a trap")
  func plainTruncated() throws {
    let whole = Array("tim\u{0}tim\u{0}secret".utf8)
    for length in 0..<whole.count {
      var exchange = try exchange(.plain)
      let step = shown(exchange.start(initialResponse: Array(whole[..<length])))
      switch length {
      case ..<8: #expect(step == "malformed", "\(length)")
      case 8: #expect(step == "rejected")
      case _: #expect(step == "verify tim|" + "secret".prefix(length - 8))
      }
    }
  }

  @Test("PLAIN-001: 255 octets of user name and 1024 of password pass, one more is rejected")
  func plainBounds() throws {
    func step(_ user: Int, _ password: Int) throws -> String {
      var exchange = try exchange(.plain)
      let message = [0] + [UInt8](repeating: 0x61, count: user) + [0] + [UInt8](repeating: 0x62, count: password)
      return String(shown(exchange.start(initialResponse: message)).prefix(8))
    }
    #expect(try step(255, 255) == "verify a")
    #expect(try step(255, 1024) == "verify a")
    #expect(try step(256, 255) == "rejected")
    #expect(try step(255, 1025) == "rejected")
  }

  @Test(
    "PLAIN-002, AUTH-015: what preparation refuses or leaves empty is rejected",
    arguments: [
      "\u{0}\u{0}secret", "\u{0}tim\u{0}", "\u{0}\u{AD}\u{0}secret", "\u{0}tim\u{0}\u{200D}",
      "\u{0}tim\u{0}a\u{7}b", "\u{0}ti\u{E000}m\u{0}secret", "\u{0}tim\u{0}a\r\nb", "a\u{7}\u{0}tim\u{0}secret",
    ])
  func prohibited(message: String) throws {
    var exchange = try exchange(.plain)
    #expect(shown(exchange.start(initialResponse: Array(message.utf8))) == "rejected")
  }

  @Test("PLAIN-001: what isn't UTF-8 is malformed")
  func notUTF8() throws {
    for bad: [UInt8] in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]] {
      var user = try exchange(.plain)
      #expect(shown(user.start(initialResponse: [0] + bad + [0, 0x61])) == "malformed")
      var password = try exchange(.plain)
      #expect(shown(password.start(initialResponse: [0, 0x61, 0] + bad)) == "malformed")
    }
  }

  @Test("AUTH-003: PLAIN without an initial response gets an empty challenge")
  func plainWithoutInitialResponse() throws {
    var exchange = try exchange(.plain)
    #expect(shown(exchange.start(initialResponse: nil)) == "challenge ")
    #expect(shown(exchange.receive(Array("\u{0}tim\u{0}secret".utf8))) == "verify tim|secret")
    #expect(shown(exchange.receive(Array("\u{0}tim\u{0}secret".utf8))) == "malformed")
  }

  @Test("LOGIN-001: LOGIN prompts with Username: and Password:")
  func login() throws {
    var exchange = try exchange(.login)
    #expect(shown(exchange.start(initialResponse: nil)) == "challenge Username:")
    #expect(shown(exchange.receive(Array("tim".utf8))) == "challenge Password:")
    #expect(shown(exchange.receive(Array("tanstaaf".utf8))) == "verify tim|tanstaaf")
    #expect(shown(exchange.receive([])) == "malformed")
  }

  @Test("AUTH-006: LOGIN's initial response is taken as the user name")
  func loginInitialResponse() throws {
    var exchange = try exchange(.login)
    #expect(shown(exchange.start(initialResponse: Array("tim".utf8))) == "challenge Password:")
    #expect(shown(exchange.receive(Array("tanstaaf".utf8))) == "verify tim|tanstaaf")
  }

  @Test(
    "LOGIN refuses an empty name, an empty password and NUL", arguments: [("", "x"), ("tim", ""), ("tim", "a\u{0}b")])
  func loginRejected(user: String, password: String) throws {
    var exchange = try exchange(.login)
    var step = exchange.start(initialResponse: Array(user.utf8))
    if case .challenge = step { step = exchange.receive(Array(password.utf8)) }
    #expect(shown(step) == "rejected")
  }

  @Test("a call out of turn is a fault and ends the exchange", arguments: ServerMechanism.allCases)
  func outOfTurn(mechanism: ServerMechanism) throws {
    var unstarted = try exchange(mechanism)
    #expect(shown(unstarted.receive([])) == "malformed")
    #expect(shown(unstarted.start(initialResponse: nil)) == "malformed")
    var twice = try exchange(mechanism)
    _ = twice.start(initialResponse: nil)
    #expect(shown(twice.start(initialResponse: nil)) == "malformed")
    var keyed = try exchange(mechanism)
    _ = keyed.start(initialResponse: nil)
    let keys = SCRAMKeys(salt: [1], iterations: 4096, storedKey: Secret([1]), serverKey: Secret([1]))
    #expect(shown(keyed.receive(keys: keys)) == "malformed")
    #expect(shown(keyed.receive([])) == "malformed")
  }
}
