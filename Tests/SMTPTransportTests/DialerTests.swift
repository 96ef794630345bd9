import Certificates
import Foundation
import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions
import Synchronization
import Testing

@testable import SMTPTransport

@Suite("The dialer", .timeLimit(.minutes(1)))
struct DialerTests {
  let house = House.shared

  private struct Fixed: HostResolver {
    let result: Result<[IPAddress], DialFault>
    func addresses(of name: DomainName) async throws(DialFault) -> [IPAddress] { try result.get() }
  }

  /// Answers when it is let, which may be never.
  private struct Stuck: HostResolver {
    func addresses(of name: DomainName) async throws(DialFault) -> [IPAddress] {
      let (never, _) = AsyncStream.makeStream(of: Void.self)
      for await _ in never {}
      return []
    }
  }

  private func dial(
    _ target: DialTarget, _ resolver: any HostResolver = LoopbackResolver(), from source: IPAddress? = nil,
    timeout: Duration = .seconds(10), player: Player = Player()
  ) async throws -> DialledPeer {
    try await house.dialer(resolver: resolver).dial(target, from: source, timeout: timeout) { player.delegate(on: $0) }
  }

  @Test("a host is resolved and its addresses tried in turn; the answer says which one it was")
  func inTurn() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player()
    // Nothing listens on 127.0.0.2 at that port.
    let resolver = Fixed(result: .success([.v4(0x7f00_0002), .v4(0x7f00_0001)]))
    let peer = try await dial(.host(DomainName("mx.test"), port: endpoint.port), resolver, player: client)
    #expect(peer.endpoint == endpoint)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(client.log.events.filter { $0 == "opened" }.count == 1)
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("the families take turns")
  func families() {
    let (a, b, c) = (IPAddress.v4(1), IPAddress.v4(2), IPAddress.v4(3))
    let (x, y) = (IPAddress.v6(high: 1, low: 1), IPAddress.v6(high: 1, low: 2))
    #expect(NIODialer.inTurn([x, y, a, b, c]) == [x, a, y, b, c])
    #expect(NIODialer.inTurn([a, b, x]) == [a, x, b])
    #expect(NIODialer.inTurn([]) == [])
  }

  @Test("no such host, a look-up that failed, and one that doesn't end are told apart")
  func resolution() async throws {
    let target = DialTarget.host(try DomainName("mx.test"), port: 25)
    await #expect(throws: DialFault.noSuchHost("mx.test")) {
      try await dial(target, Fixed(result: .failure(.noSuchHost("mx.test"))))
    }
    await #expect(throws: DialFault.resolutionFailed("later")) {
      try await dial(target, Fixed(result: .failure(.resolutionFailed("later"))))
    }
    await #expect(throws: DialFault.resolutionFailed("mx.test: no answer in time")) {
      try await dial(target, Stuck(), timeout: .milliseconds(50))
    }
  }

  @Test("where nobody listens the last address and the reason are named")
  func refused() async throws {
    let (listener, endpoint) = try await house.listen(.clear, Player())
    await listener.stopAccepting()
    await #expect(throws: DialFault.unreachable("\(endpoint): Connection refused")) {
      try await dial(.address(endpoint))
    }
  }

  @Test("the source address is the one that was asked for, and must be of a family the host has")
  func source() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player()
    let host = DialTarget.host(try DomainName("mx.test"), port: endpoint.port)
    _ = try await dial(host, from: .v4(0x7f00_0009), player: client)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(server.log.events.first == "accepted 127.0.0.9 at 127.0.0.1")
    client.perform { $0.close() }
    await #expect(throws: DialFault.self) { try await dial(host, from: .v6(high: 0, low: 1)) }
    await listener.stopAccepting()
  }

  @Test("a UNIX socket is dialled by its path, and has no endpoint")
  func unixSocket() async throws {
    let folder = Folder()
    let path = folder.path + "/lmtp"
    let server = try await ServerBootstrap(group: house.loops.group).childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(Greeter())
      }
    }.bind(unixDomainSocketPath: path).get()
    let client = Player()
    let peer = try await dial(.unixSocket(path: path), player: client)
    #expect(peer.endpoint == nil)
    await client.log.waitToReceive("220 lmtp\r\n")
    client.perform { $0.close() }
    try await server.close()
    await #expect(throws: DialFault.self) { try await dial(.unixSocket(path: folder.path + "/absent")) }
    await #expect(throws: DialFault.self) {
      try await dial(.unixSocket(path: String(repeating: "x", count: 200)))
    }
  }

  @Test("without trust roots a wire stays in clear: mail without TLS needs none, and a handshake says what is missing")
  func rootless() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let dialer = try NIODialer(loops: house.loops, roots: nil, timeouts: .brief, now: { House.today })
    let client = Player()
    try await house.dial(endpoint, client, dialer: dialer)
    await client.log.waitToReceive("220 hello\r\n")
    client.perform { $0.startTLS(.client(hostName: "localhost", demand: .recorded)) }
    #expect(
      await client.log.wait(for: "closed")
        == "closed \(WireFault.handshakeFailed("no trust roots were given to judge the server by"))")
    await listener.stopAccepting()
  }

  @Test("each file of trust roots that is of no use is named with its reason")
  func roots() throws {
    let folder = Folder()
    let good = try folder.write("good.pem", house.authority.issued.certificatePEM)
    let bad = try folder.write("bad.pem", "nonsense")
    let absent = folder.path + "/absent.pem"
    #expect(throws: TrustRootsFault.noCertificate(bad)) { try TrustRoots.files([good, bad]) }
    #expect("\(TrustRootsFault.noCertificate(bad))".hasPrefix("\(bad): "))
    do throws(TrustRootsFault) {
      _ = try TrustRoots.files([good, absent])
      Issue.record("a file that isn't there was read")
    } catch {
      #expect("\(error)".contains(absent))
    }
    _ = try NIODialer(loops: house.loops, roots: try .files([good, good]), now: { House.today })
  }

  @Test(
    "what BoringSSL says of a failed handshake is told in words",
    arguments: [
      ("TLSV1_ALERT_PROTOCOL_VERSION", "the other side refuses TLS 1.2 and 1.3 (alert protocol_version)"),
      ("WRONG_VERSION_NUMBER", "the other side doesn't speak TLS here"),
      ("SOMETHING_NEW", "something new"),
    ])
  func words(_ name: String, _ sentence: String) {
    let line = "Error: 268435703 error:100000f7:SSL routines:OPENSSL_internal:\(name) at /src/tls.cc:13"
    let above = "error:1000009a:SSL routines:OPENSSL_internal:HANDSHAKE_FAILURE_ON_CLIENT_HELLO"
    #expect(BoringSSLWords.describe([line]) == sentence)
    if name != "SOMETHING_NEW" { #expect(BoringSSLWords.describe([line, above]) == sentence) }
    #expect(BoringSSLWords.describe([]) == "TLS failed")
  }

  @Test("the machine's own resolver finds localhost, and knows what isn't there")
  func system() async throws {
    let found = try await SystemHostResolver().addresses(of: DomainName("localhost"))
    #expect(found.contains(.v4(0x7f00_0001)) || found.contains(.v6(high: 0, low: 1)))
  }

  private final class Greeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    func channelActive(context: ChannelHandlerContext) {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "220 lmtp\r\n")), promise: nil)
    }
  }
}
