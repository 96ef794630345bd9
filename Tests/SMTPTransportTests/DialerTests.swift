import Certificates
import Foundation
import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions
import Synchronization
import Testing
import TransportSecurity

@testable import SMTPTransport

@Suite("The dialer", .timeLimit(.minutes(5)))
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
    _ target: DialTarget, _ resolver: any HostResolver = LoopbackResolver(), from egress: Egress = .test,
    timeout: Duration = .seconds(10), player: Player = Player()
  ) async throws -> DialledPeer {
    try await house.dialer(resolver: resolver).dial(target, from: egress, timeout: timeout) { wire, peer in
      player.log.add("dialled \(peer.endpoint?.description ?? "a socket")")
      return player.delegate(on: wire)
    }
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
    #expect(client.log.events.first == "dialled \(endpoint)")
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("an address that doesn't answer keeps nobody waiting for the next, and nobody hears of it")
  func blackHole() async throws {
    let hole = try await BlackHole(on: house.loops.group)
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player()
    let peer = try await dial(.addresses([hole.endpoint, endpoint]), timeout: .seconds(60), player: client)
    #expect(peer.endpoint == endpoint)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(client.log.events.filter { $0 != "tick" } == ["dialled \(endpoint)", "opened", "received 220 hello\r\n"])
    client.perform { $0.close() }
    await listener.stopAccepting()
    try await hole.close()
  }

  @Test("where no address answers, time ends it and the last one is named; of many, so many are tried")
  func silence() async throws {
    let holes = [try await BlackHole(on: house.loops.group), try await BlackHole(on: house.loops.group)]
    await #expect(throws: DialFault.unanswered("\(holes[1].endpoint): no answer in time")) {
      try await dial(.addresses(holes.map(\.endpoint)), timeout: .milliseconds(600))
    }
    await #expect(throws: DialFault.unreachable("no address was tried")) { try await dial(.addresses([])) }
    let (listener, endpoint) = try await house.listen(.clear, Player())
    await listener.stopAccepting()
    let server = smtpLikePlayer()
    let (last, lastEndpoint) = try await house.listen(.clear, server)
    let tooMany = Array(repeating: endpoint, count: NIODialer.maximumAddresses) + [lastEndpoint]
    await #expect(throws: DialFault.refused("\(endpoint): Connection refused")) {
      try await dial(.addresses(tooMany))
    }
    #expect(server.log.events.isEmpty)
    await last.stopAccepting()
    for hole in holes { try await hole.close() }
  }

  @Test("a cancelled dial ends, whatever doesn't answer")
  func cancelled() async throws {
    let hole = try await BlackHole(on: house.loops.group)
    let client = Player()
    let dialling = Task { try await dial(.addresses([hole.endpoint]), timeout: .seconds(600), player: client) }
    dialling.cancel()
    await #expect(throws: DialFault.unreachable("the dial was cancelled")) { try await dialling.value }
    #expect(client.log.events.isEmpty)
    try await hole.close()
  }

  @Test("of two addresses that connect one becomes a wire; the other is closed and nothing was said on it")
  func twoConnect() async throws {
    let servers = [smtpLikePlayer(), smtpLikePlayer()]
    let listeners = [try await house.listen(.clear, servers[0]), try await house.listen(.clear, servers[1])]
    let client = Player(opened: { wire in
      wire.write(ByteBuffer(string: "EHLO client.example\r\n"))
      wire.flush()
    })
    let station = house.loops.station(of: house.loops.group.next())
    let outcome = station.loop.makePromise(of: Result<DialledPeer, DialFault>.self)
    let destinations = try listeners.map {
      Dialling.Destination(address: try $0.endpoint.socketAddress(), endpoint: $0.endpoint, source: nil)
    }
    station.loop.execute { [loops = house.loops] in
      let dialling = Dialling(
        destinations, until: .current + .seconds(20), setup: WireSetup(client: nil, timeouts: .brief),
        on: loops.station(of: station.loop), outcome: outcome, delegate: { wire, _ in client.delegate(on: wire) })
      dialling.start()
      // Before the loop can hear of the first.
      dialling.grewLate(0)
    }
    let winner = try await outcome.futureResult.get().get()
    let won = try #require(listeners.firstIndex { $0.endpoint == winner.endpoint })
    await client.log.waitToReceive("250 EHLO client.example\r\n")
    #expect(client.log.events.count { $0 == "opened" } == 1)
    await servers[1 - won].log.wait(until: { $0.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } })
    #expect(servers[1 - won].log.received == "")
    client.perform { $0.close() }
    for listener in listeners { await listener.listener.stopAccepting() }
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
    await #expect(throws: DialFault.refused("\(endpoint): Connection refused")) {
      try await dial(.address(endpoint))
    }
  }

  @Test("the source address is the egress's of the family that is dialled; without one the system chooses")
  func source() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let host = DialTarget.host(try DomainName("mx.test"), port: endpoint.port)
    let (v4, v6) = (Egress.Source(.v4(0x7f00_0009)), Egress.Source(.v6(high: 0x2001_0db8_0000_0000, low: 1)))
    for (sources, source) in [([v6, v4], "127.0.0.9"), ([v6], "127.0.0.1")] {
      let client = Player()
      _ = try await dial(host, from: Egress(name: Egress.test.name, sources: sources), player: client)
      await client.log.waitToReceive("220 hello\r\n")
      #expect(server.log.events.last { $0.hasPrefix("accepted") } == "accepted \(source) at 127.0.0.1")
      client.perform { $0.close() }
    }
    await listener.stopAccepting()
  }

  private final class Sources: SourceWatch {
    let heard = Mutex<[String]>([])
    func had(_ address: IPAddress) { heard.withLock { $0.append("had \(address)") } }
    func lacked(_ address: IPAddress, reason: String) { heard.withLock { $0.append("lacked \(address)") } }
  }

  @Test("a source address that this machine lacks is named as the fault, and not the host that was meant")
  func missingSource() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let sources = Sources()
    let dialer = try NIODialer(loops: house.loops, roots: nil, timeouts: .brief, sources: sources, now: { House.today })
    func dial(from source: IPAddress) async throws {
      let egress = Egress(name: Egress.test.name, sources: [.init(source)])
      _ = try await dialer.dial(.address(endpoint), from: egress, timeout: .seconds(10)) { wire, _ in
        Player().delegate(on: wire)
      }
    }
    // RFC 5737: nobody has it.
    await #expect(
      throws: DialFault.unreachable(
        "this machine has no address 192.0.2.44, which outbound.sources names; \(endpoint) was not asked")
    ) { try await dial(from: .v4(0xc000_022c)) }
    try await dial(from: .v4(0x7f00_0009))
    #expect(sources.heard.withLock { $0 } == ["lacked 192.0.2.44", "had 127.0.0.9"])
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
