import MailQueue
import MailSyntax
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import Testing
import TransportSecurity

@testable import Relay

@Suite("Lines about a session")
struct SessionEventTests {
  static let peer = SocketEndpoint(address: .v4(0xc000_0207), port: 40_000)
  static let events: [SessionEvent] = [
    .connected, .tlsEstablished, .authenticated, .authenticationFailed(user: "alice"), .authenticationFailed(user: nil),
    .refused(reply: .authenticationFailed), .wrongWrapper(.http), .badProxyHeader("too short"), .closed(.quit),
  ]

  func facts(tls: TLSFacts?) -> SessionFacts {
    var facts = SessionFacts(
      session: SessionID(1), role: .submissions, peer: Self.peer, local: SocketEndpoint(address: .v4(0), port: 465))
    facts.tls = tls
    facts.user = AuthenticatedUser(name: "alice", mechanism: .login)
    return facts
  }

  @Test("ITLS-010: every line of a session has TLS version, cipher suite and group, or none", arguments: events)
  func encryption(_ event: SessionEvent) throws {
    let tls = TLSFacts(
      version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec))
    let inside = try #require(MailEvent(event, facts(tls: tls)))
    #expect(inside["tls"] == .text("TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768"))
    let clear = try #require(MailEvent(event, facts(tls: nil)))
    #expect(clear["tls"] == .text("none"))
    #expect(clear["peer"] == .text(Self.peer.description) && clear["listener"] == .text("submissions"))
  }

  @Test("a log-in is told with the mechanism that the client used")
  func mechanism() throws {
    let event = try #require(MailEvent(.authenticated, facts(tls: nil)))
    #expect(event["mechanism"] == .text("LOGIN") && event["user"] == .text("alice"))
  }

  @Test("a refusal is told with the name in EHLO, the sender and the recipient, as far as they are known")
  func refusal() throws {
    var facts = facts(tls: nil)
    #expect(
      try #require(MailEvent(.refused(reply: .authenticationFailed), facts)).fields.map(\.key).prefix(2) == [
        "session", "reply",
      ])
    facts.clientIdentity = .name(try DomainName("client.example"))
    facts.refused = NamedEnvelope(sender: .null, recipient: .mailbox(try Mailbox("x@c.example")))
    let event = try #require(MailEvent(.refused(reply: .authenticationFailed), facts))
    #expect(
      event["ehlo"] == .text("client.example") && event["from"] == .text("<>") && event["to"] == .text("<x@c.example>"))
  }

  @Test("a failed handshake is told with TLS's reason, a good end without one")
  func endReason() throws {
    let failed = try #require(MailEvent(.closed(.handshakeFailed, reason: "no shared cipher"), facts(tls: nil)))
    #expect(failed["end"] == .text("handshake-failed") && failed["reason"] == .text("no shared cipher"))
    #expect(try #require(MailEvent(.closed(.quit), facts(tls: nil)))["reason"] == nil)
  }

  @Test("a proxy's bad header is told with the listener, the proxy's address and what was wrong")
  func proxyHeader() throws {
    let event = try #require(MailEvent(.badProxyHeader("the PROXY header has 9000 octets"), facts(tls: nil)))
    #expect(event.kind == .wrongWrapper && event["what"] == .text("bad-proxy-header"))
    #expect(event["reason"] == .text("the PROXY header has 9000 octets"))
  }
}
