import MailSyntax
import Testing

@testable import SASLMechanisms

func shown(_ step: ClientStep) -> String {
  switch step {
  case .send(let octets): "send " + String(decoding: octets, as: UTF8.self)
  case .awaitChallenge: "await"
  case .derive(let derivation): "derive \(derivation.iterations)"
  case .failed(let fault): "failed \(fault)"
  }
}

@Suite("client side")
struct ClientExchangeTests {
  private let password = ClientCredential.password(user: "user", Secret("pencil"))
  private let token = ClientCredential.token(
    user: "user@example.com", Secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="))

  private func exchange(
    _ mechanism: ClientMechanism, _ credential: ClientCredential? = nil, server: ClientExchange.Server? = nil
  ) throws -> ClientExchange {
    ClientExchange(
      mechanism: mechanism, credential: credential ?? password,
      nonce: try #require(SCRAMNonce(RFC7677.clientNonce)), server: server)
  }

  @Test(
    "the server's offer is taken in the credential's own order",
    arguments: [
      (["LOGIN", "PLAIN", "SCRAM-SHA-256"], ClientMechanism.scramSHA256, ClientMechanism?.none),
      (["login", "plain"], .plain, nil), (["LOGIN", "XOAUTH2"], .login, .xoauth2),
      (["XOAUTH2", "OAUTHBEARER", "PLAIN"], .plain, .oauthBearer),
      (["SCRAM-SHA-256-PLUS", "CRAM-MD5", ""], nil, nil), ([], nil, nil),
    ] as [([String], ClientMechanism?, ClientMechanism?)])
  func choice(offered: [String], forPassword: ClientMechanism?, forToken: ClientMechanism?) {
    #expect(ClientMechanism.choose(from: offered, for: password) == forPassword)
    #expect(ClientMechanism.choose(from: offered, for: token) == forToken)
  }

  @Test("PLAIN-001: RFC 4616 §4's first example")
  func plain() throws {
    var exchange = try exchange(.plain, .password(user: "tim", Secret("tanstaaftanstaaf")))
    #expect(exchange.outcome == .failed(.endedEarly))
    #expect(shown(exchange.start()) == "send \u{0}tim\u{0}tanstaaftanstaaf")
    #expect(exchange.outcome == .authenticated)
    #expect(shown(exchange.receive([])) == "failed unexpectedChallenge")
    #expect(exchange.outcome == .failed(.unexpectedChallenge))
  }

  @Test("LOGIN-001: LOGIN answers two prompts, whatever they say", arguments: [("Username:", "Password:"), ("Q1", "")])
  func login(first: String, second: String) throws {
    var exchange = try exchange(.login)
    #expect(shown(exchange.start()) == "await")
    #expect(shown(exchange.receive(Array(first.utf8))) == "send user")
    #expect(exchange.outcome == .failed(.endedEarly))
    #expect(shown(exchange.receive(Array(second.utf8))) == "send pencil")
    #expect(exchange.outcome == .authenticated)
    #expect(shown(exchange.receive([])) == "failed unexpectedChallenge")
  }

  @Test(
    "what a mechanism can't carry isn't sent",
    arguments: [
      (ClientMechanism.plain, "us\u{0}er", "x"), (.plain, "user", "a\u{0}b"), (.plain, "", "x"), (.plain, "user", ""),
      (.login, "user", "a\r\nb"), (.scramSHA256, "user", ""), (.scramSHA256, "u\u{7}", "x"),
    ])
  func unusablePasswords(mechanism: ClientMechanism, user: String, password: String) throws {
    var exchange = try exchange(mechanism, .password(user: user, Secret(password)))
    #expect(shown(exchange.start()) == "failed unusableCredential")
    #expect(exchange.outcome == .failed(.unusableCredential))
  }

  @Test(
    "a token with a separator, a blank or nothing in it isn't sent",
    arguments: [ClientMechanism.oauthBearer, .xoauth2], ["", "a\u{1}auth=x", "a b", "a\r\n", "ä"])
  func unusableTokens(mechanism: ClientMechanism, token: String) throws {
    var exchange = try exchange(mechanism, .token(user: "user", Secret(token)))
    #expect(shown(exchange.start()) == "failed unusableCredential")
  }

  @Test(
    "a user name can't bring a pair of its own into an OAuth message",
    arguments: [ClientMechanism.oauthBearer, .xoauth2])
  func injectedPair(mechanism: ClientMechanism) throws {
    var exchange = try exchange(mechanism, .token(user: "a\u{1}host=evil", Secret("t")))
    #expect(shown(exchange.start()) == "failed unusableCredential")
  }

  @Test("a credential of the other kind is our own caller's mistake", arguments: ClientMechanism.allCases)
  func wrongCredential(mechanism: ClientMechanism) throws {
    var exchange = try exchange(mechanism, password.mechanisms.contains(mechanism) ? token : password)
    #expect(shown(exchange.start()) == "failed wrongCredential")
  }

  @Test("XOA-001: Google's vector; XOA-002: the error is answered by an empty line and 235 can't follow")
  func xoauth2() throws {
    var exchange = try exchange(
      .xoauth2, .token(user: "someuser@example.com", Secret("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")))
    guard case .send(let message) = exchange.start() else {
      Issue.record("nothing sent")
      return
    }
    #expect(
      String(decoding: SASLBase64.encode(message), as: UTF8.self)
        == "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5"
        + "LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
    )
    #expect(exchange.outcome == .authenticated)
    let error = #"{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}"#
    #expect(shown(exchange.receive(Array(error.utf8))) == "send ")
    #expect(exchange.outcome == .failed(.refused(error)))
    #expect(shown(exchange.receive([])) == "failed \(ClientFault.refused(error))")
  }

  @Test("OAB-002: RFC 7628 §4.1's message, with a= as GS2 has it; OAB-004: one %x01 answers the error")
  func oauthBearer() throws {
    let server = ClientExchange.Server(host: try DomainName("server.example.com"), port: 143)
    var exchange = try exchange(.oauthBearer, token, server: server)
    #expect(
      shown(exchange.start())
        == "send n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}"
        + "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}")
    #expect(shown(exchange.receive(Array(#"{"status":"invalid_token"}"#.utf8))) == "send \u{1}")
    #expect(exchange.outcome == .failed(.refused(#"{"status":"invalid_token"}"#)))
  }

  @Test("OAUTHBEARER's user name is escaped")
  func escapedUser() throws {
    var exchange = try exchange(.oauthBearer, .token(user: "a,b=c", Secret("t")))
    #expect(shown(exchange.start()) == "send n,a=a=2Cb=3Dc,\u{1}auth=Bearer t\u{1}\u{1}")
  }

  @Test("a server's error text is shown bounded and printable")
  func errorText() throws {
    var exchange = try exchange(.xoauth2, token)
    _ = exchange.start()
    _ = exchange.receive([0x1b, 0x5b, 0x0d, 0x0a] + [UInt8](repeating: 0x61, count: 5000))
    guard case .failed(.refused(let text)) = exchange.outcome else {
      Issue.record("no refusal")
      return
    }
    #expect(text.hasPrefix("?[??aaa") && text.utf8.count == ClientExchange.maximumErrorOctets)
  }
}
