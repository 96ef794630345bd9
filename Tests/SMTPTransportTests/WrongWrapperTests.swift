import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions
import Testing
import TransportSecurity

@testable import SMTPTransport

@Suite("The wrong wrapper is named", .timeLimit(.minutes(5)))
struct WrongWrapperTests {
  let house = House.shared
  static let notice = "554 5.7.0 This port speaks TLS from the first byte (RFC 8314); use 587 for STARTTLS\r\n"

  @Test("SMTP on a TLS port is told in SMTP", arguments: ["EHLO client.example\r\n", "\r\n", "quit\r\n"])
  func smtpOnTLSPort(_ line: String) async throws {
    let (server, reports) = (smtpLikePlayer(), EventLog())
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, reports: reports)
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(line)
    await client.log.waitToReceive(Self.notice)
    await client.log.wait(for: "inputClosed")
    #expect(client.log.received == Self.notice)
    client.perform { $0.close() }
    #expect(await server.log.wait(for: "closed").hasPrefix("closed handshakeFailed"))
    #expect(!server.log.events.contains("opened"))
    #expect(reports.events == ["smtp-on-tls-port"])
    await listener.stopAccepting()
  }

  @Test("HTTP on a TLS port is closed without a word", arguments: ["GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n"])
  func http(_ line: String) async throws {
    let (server, reports) = (smtpLikePlayer(), EventLog())
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, reports: reports)
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(line)
    await client.log.wait(for: "inputClosed")
    #expect(client.log.received.isEmpty)
    #expect(reports.events == ["http"])
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("silence on a TLS port is named after its time, in clear, and ended after the other")
  func silence() async throws {
    let (server, reports) = (smtpLikePlayer(), EventLog())
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, reports: reports) {
      $0.timeouts.silenceSaid = .milliseconds(100)
      $0.timeouts.silenceClosed = .milliseconds(300)
    }
    let client = Player()
    let start = Uptime.current
    try await house.dial(endpoint, client)
    await client.log.waitToReceive(Self.notice)
    #expect(Uptime.current - start >= .milliseconds(100))
    client.say("QUIT\r\n")
    await client.log.wait(until: { $0.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } })
    #expect(Uptime.current - start >= .milliseconds(300))
    #expect(client.log.received == Self.notice)
    #expect(reports.events == ["silence-on-tls-port"])
    #expect(await server.log.wait(for: "closed").hasPrefix("closed handshakeFailed"))
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("a handshake that stands still ends after its time")
  func unfinished() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server) {
      $0.timeouts.handshake = .milliseconds(100)
    }
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(Array(RecordedHandshakes.clientHello.prefix(40)))
    #expect(await server.log.wait(for: "closed").contains("not finished in time"))
    await listener.stopAccepting()
  }

  @Test("TLS on a STARTTLS port gets an alert, and never reaches the session")
  func tlsOnCleartextPort() async throws {
    let (server, reports) = (smtpLikePlayer(), EventLog())
    let (listener, endpoint) = try await house.listen(.clear, server, reports: reports)
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(RecordedHandshakes.clientHello)
    await client.log.wait(for: "inputClosed")
    #expect(client.log.received.utf8.elementsEqual(Array("220 hello\r\n".utf8) + [21, 3, 3, 0, 2, 2, 40]))
    #expect(server.log.received.isEmpty)
    #expect(reports.events == ["tls-on-starttls-port"])
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test(
    "ITLS-007, TLSB-001: a client with TLS 1.1 at most is named, and gets the alert protocol_version",
    arguments: [
      HandmadeHello(legacyVersion: 0x0302), HandmadeHello(supportedVersions: [0x0302, 0x0301]),
    ])
  func obsolete(_ hello: HandmadeHello) async throws {
    let (server, reports) = (smtpLikePlayer(), EventLog())
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, reports: reports)
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(hello.record)
    #expect(await server.log.wait(for: "closed") == "closed obsoleteTLS")
    await client.log.wait(until: { $0.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } })
    #expect(client.log.received.utf8.suffix(2).elementsEqual([2, 70]))
    #expect(reports.events == ["obsolete-tls"])
    await listener.stopAccepting()
  }

  @Test("TLSB-008, ALP-001: a client that asks by ALPN for another protocol gets no_application_protocol")
  func alpn() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(RecordedHandshakes.clientHelloWithALPN)
    await client.log.wait(for: "inputClosed")
    #expect(Array(client.log.received.utf8) == [21, 3, 3, 0, 2, 2, 120])
    client.perform { $0.close() }
    #expect(await server.log.wait(for: "closed").contains("ALPN"))
    await listener.stopAccepting()
  }

  /// Says one thing to whatever comes.
  private final class Parrot: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let answer: [UInt8]
    init(_ answer: [UInt8]) { self.answer = answer }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer)), promise: nil)
    }
  }

  @Test(
    "STS-033, TLSB-001: a server with TLS 1.1 at most is named, by its hello and by its alert",
    arguments: [
      // A hello of TLS 1.1: the random is zeros, the suite ECDHE-RSA-AES128-SHA.
      [22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2] + Array(repeating: 0, count: 32) + [0, 0xc0, 0x13, 0],
      // The alert protocol_version.
      [21, 3, 1, 0, 2, 2, 70],
    ] as [[UInt8]])
  func obsoleteServer(_ answer: [UInt8]) async throws {
    let server = try await ServerBootstrap(group: house.loops.group).childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Parrot(answer)) }
    }.bind(host: "127.0.0.1", port: 0).get()
    let client = implicitTLSPlayer("localhost", .recorded)
    let port = UInt16(server.localAddress?.port ?? 0)
    try await house.dial(SocketEndpoint(address: .v4(0x7f00_0001), port: port), client)
    #expect(await client.log.wait(for: "closed") == "closed obsoleteTLS")
    try await server.close()
  }

  @Test("a port scan, connecting and leaving, is a peer that closed")
  func leaving() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let client = Player(opened: { $0.close() })
    try await house.dial(endpoint, client)
    #expect(await server.log.wait(for: "closed") == "closed peerClosed")
    await listener.stopAccepting()
  }

  @Test("the first octets tell TLS, SMTP and HTTP apart")
  func firstOctets() {
    let rows: [(String, FirstOctets)] = [
      ("", .undecided), ("E", .undecided), ("POS", .undecided), ("EHLO", .wrong(.smtpOnTLSPort)),
      ("\r", .wrong(.smtpOnTLSPort)), ("POST", .wrong(.http)), ("GET ", .wrong(.http)), ("PRI * H", .wrong(.http)),
      ("HELO x", .wrong(.smtpOnTLSPort)), ("HEAD /", .wrong(.http)), ("\u{16}\u{3}\u{1}", .perhapsTLS),
      ("\u{0}", .perhapsTLS),
    ]
    for (text, verdict) in rows { #expect(FirstOctets.judge(Array(text.utf8)) == verdict, "\(text.debugDescription)") }
  }
}
