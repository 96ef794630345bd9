import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions
import Testing
import TransportSecurity

@testable import SMTPTransport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite("Listeners", .timeLimit(.minutes(5)))
struct ListenerTests {
  let house = House.shared

  @Test("a connection too many from one address is told 421, and let in when another has gone")
  func limitByAddress() async throws {
    let server = smtpLikePlayer()
    var limits = ConnectionLimits()
    limits.perAddress = 1
    let reports = EventLog()
    let (listener, endpoint) = try await house.listen(.clear, server, limits: limits, reports: reports)
    let first = Player()
    let second = Player()
    try await house.dial(endpoint, first)
    await first.log.waitToReceive("220 hello\r\n")
    try await house.dial(endpoint, second)
    await second.log.waitToReceive("421 4.7.0 mx.example Too many connections from your address; try again later\r\n")
    #expect(reports.events == ["127.0.0.1: connections-at-once"])
    first.say("QUIT\r\n")
    await first.log.wait(for: "inputClosed")
    first.perform { $0.close() }
    await server.log.wait(for: "closed")
    // The count goes down with the channel, a turn of the loop later.
    var third = Player()
    repeat {
      third = Player()
      try await house.dial(endpoint, third)
      await third.log.wait(for: "received ")
    } while third.log.received.hasPrefix("421")
    #expect(third.log.received == "220 hello\r\n")
    await listener.stopAccepting()
  }

  @Test("a connection too many in all is closed on a TLS port, without a handshake")
  func limitInAll() async throws {
    let server = smtpLikePlayer()
    var limits = ConnectionLimits()
    limits.total = 0
    let reports = EventLog()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, limits: limits, reports: reports)
    let client = Player()
    try? await house.dial(endpoint, client)
    await client.log.wait(until: { $0.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } })
    #expect(client.log.received.isEmpty)
    #expect(server.log.events.isEmpty)
    #expect(reports.events == ["127.0.0.1: connections-in-all"])
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("handshakes too many from one address are refused")
  func limitOfHandshakes() async throws {
    let server = smtpLikePlayer()
    var limits = ConnectionLimits()
    limits.handshakesPerAddressPerMinute = 0
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, limits: limits)
    let client = implicitTLSPlayer("localhost")
    try await house.dial(endpoint, client)
    #expect(await server.log.wait(for: "closed").contains("too many TLS handshakes"))
    #expect(await client.log.wait(for: "closed").hasPrefix("closed"))
    await listener.stopAccepting()
  }

  @Test("a handshake behind STARTTLS is counted before it is answered, once")
  func limitOfHandshakesBehindSTARTTLS() async throws {
    let answers = EventLog()
    let server = Player(received: { wire, bytes in
      while bytes.takeLine() != nil {
        let isAdmitted = wire.admitsTLS()
        answers.add("\(isAdmitted)")
        wire.write(ByteBuffer(string: isAdmitted ? "220 go\r\n" : "421 no\r\n"))
        guard isAdmitted else { return wire.close() }
        wire.startTLS(.server)
      }
    })
    var limits = ConnectionLimits()
    limits.handshakesPerAddressPerMinute = 1
    let (listener, endpoint) = try await house.listen(.clear, server, limits: limits)
    let first = Player(received: { wire, _ in wire.startTLS(.client(hostName: "localhost", demand: .verified)) })
    try await house.dial(endpoint, first)
    first.say("STARTTLS\r\n")
    await first.log.wait(for: "tls")
    let second = Player()
    // In the same minute, or it is the first of the next: the third is refused in any case.
    for _ in 1...2 {
      try await house.dial(endpoint, second)
      second.say("STARTTLS\r\n")
      await second.log.wait(for: "received ")
    }
    await second.log.waitToReceive("421 no\r\n")
    #expect(answers.events.first == "true" && answers.events.last == "false")
    first.perform { $0.close() }
    second.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("a trusted proxy's header names the client, and what follows it goes into TLS", arguments: [false, true])
  func proxied(_ isSplit: Bool) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server) {
      $0.trustedProxies = [IPNetwork("127.0.0.0/8")].compactMap { $0 }
    }
    // The header in clear, then TLS on the same connection; in one segment with the hello, or octet by octet before it.
    let client = Player(opened: { wire in
      if isSplit {
        for octet in proxiedV4 {
          wire.write(ByteBuffer(bytes: [octet]))
          wire.flush()
        }
      } else {
        wire.write(ByteBuffer(bytes: proxiedV4))
      }
      wire.startTLS(.client(hostName: "localhost", demand: .verified))
    })
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(server.log.events.first == "accepted 192.0.2.7 at 198.51.100.1")
    client.perform { $0.close() }
    await server.end()
    await listener.stopAccepting()
  }

  @Test("SMTP in the header's own segment reaches the session, and LOCAL keeps the socket's addresses")
  func proxiedInClear() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server) {
      $0.trustedProxies = [IPNetwork("127.0.0.1")].compactMap { $0 }
    }
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(proxyHeader(command: 0x20, family: 0, []) + Array("NOOP\r\n".utf8))
    await client.log.waitToReceive("220 hello\r\n250 NOOP\r\n")
    #expect(server.log.events.first == "accepted 127.0.0.1 at 127.0.0.1")
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test(
    "a trusted proxy without a good header is closed without a word, and the report names it and what was wrong",
    arguments: [
      (Array("PROXY TCP4 192.0.2.7 198.51.100.1 54321 465\r\n".utf8), "version 1 of the PROXY protocol"),
      (Array("EHLO client.example\r\n".utf8), "no PROXY protocol header came"),
      (proxyHeader(command: 0x21, family: 0x11, [192, 0, 2, 7]), "shorter than its addresses"),
    ])
  func badHeader(_ bytes: [UInt8], _ reason: String) async throws {
    let server = smtpLikePlayer()
    let reports = EventLog()
    let (listener, endpoint) = try await house.listen(.clear, server, reports: reports) {
      $0.trustedProxies = [IPNetwork("127.0.0.1")].compactMap { $0 }
    }
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(bytes)
    await client.log.wait(until: { $0.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } })
    #expect(client.log.received.isEmpty && server.log.events.isEmpty)
    let report = await reports.wait(for: "127.0.0.1: ")
    #expect(report.contains(reason), "\(report)")
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("a trusted proxy that says nothing is closed after its time, and reported")
  func silentProxy() async throws {
    let reports = EventLog()
    let (listener, endpoint) = try await house.listen(.clear, smtpLikePlayer(), reports: reports) {
      $0.trustedProxies = [IPNetwork("127.0.0.1")].compactMap { $0 }
      $0.timeouts.proxyHeader = .milliseconds(50)
    }
    let client = Player()
    try await house.dial(endpoint, client)
    await client.log.wait(until: { $0.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } })
    #expect(client.log.received.isEmpty)
    #expect(await reports.wait(for: "127.0.0.1: ").contains("no whole PROXY header came"))
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("who isn't a trusted proxy can pretend nothing")
  func untrusted() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server) {
      $0.trustedProxies = [IPNetwork("192.0.2.0/24")].compactMap { $0 }
    }
    let client = Player()
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(server.log.events.first == "accepted 127.0.0.1 at 127.0.0.1")
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("an inherited socket is listened on; what is no listening socket is refused by name")
  func inherited() async throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let address = try SocketEndpoint(address: .v4(0x7f00_0001), port: 0).socketAddress()
    let isBound = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
    #expect(isBound == 0 && Glibc.listen(descriptor, 16) == 0)
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server) {
      $0.addresses = []
      $0.inherited = [InheritedSocket(descriptor: descriptor, name: "submission")]
    }
    let client = Player()
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    client.perform { $0.close() }
    await listener.stopAccepting()

    let plain = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(plain) }
    await #expect(throws: ListenFault.notListening("inherited socket \(plain) (unknown)")) {
      try await house.listen(.clear, smtpLikePlayer()) {
        $0.addresses = []
        $0.inherited = [InheritedSocket(descriptor: plain, name: "unknown")]
      }
    }
  }

  @Test("an address in use is named, and what was bound before it is let go")
  func inUse() async throws {
    let (listener, endpoint) = try await house.listen(.clear, smtpLikePlayer())
    await #expect(throws: ListenFault.addressInUse(endpoint.description)) {
      try await house.listen(.clear, smtpLikePlayer()) { $0.addresses = [$0.addresses[0], endpoint] }
    }
    await listener.stopAccepting()
  }

  @Test("IPv4 and IPv6 stand beside each other on one port, where the machine has IPv6")
  func bothFamilies() async throws {
    let server = smtpLikePlayer()
    do {
      let (probe, _) = try await house.listen(.clear, server) {
        $0.addresses = [.init(address: .v6(high: 0, low: 1), port: 0)]
      }
      await probe.stopAccepting()
    } catch {
      return
    }
    let (v4, endpoint) = try await house.listen(.clear, server) { $0.addresses = [.init(address: .v4(0), port: 0)] }
    let (v6, other) = try await house.listen(.clear, server) {
      $0.addresses = [.init(address: .v6(high: 0, low: 0), port: endpoint.port)]
    }
    let client = Player()
    try await house.dial(SocketEndpoint(address: .v6(high: 0, low: 1), port: other.port), client)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(server.log.events.contains("accepted ::1 at ::1"))
    client.perform { $0.close() }
    await v4.stopAccepting()
    await v6.stopAccepting()
  }

  /// A process that another test is just starting has a copy of the socket until it runs its own program, and so long
  /// the kernel lets clients in.
  private func isRefused(_ endpoint: SocketEndpoint) async -> Bool {
    for _ in 0..<1_000 {
      let client = Player()
      do {
        try await house.dial(endpoint, client)
        client.perform { $0.close() }
      } catch {
        return error is DialFault
      }
    }
    return false
  }

  @Test("a shutdown reaches the delegates of its listener alone, and a stopped listener takes nobody in")
  func visiting() async throws {
    let (server, other) = (smtpLikePlayer(), smtpLikePlayer())
    let (listener, endpoint) = try await house.listen(.clear, server)
    let (bystander, otherEndpoint) = try await house.listen(.clear, other)
    let (client, otherClient) = (Player(), Player())
    try await house.dial(endpoint, client)
    try await house.dial(otherEndpoint, otherClient)
    await client.log.waitToReceive("220 hello\r\n")
    await otherClient.log.waitToReceive("220 hello\r\n")
    await listener.stopAccepting()
    #expect(await isRefused(endpoint))
    listener.visit { $0.inputClosed() }
    await server.log.wait(for: "inputClosed")
    client.say("NOOP\r\n")
    await client.log.waitToReceive("250 NOOP\r\n")
    #expect(!other.log.events.contains("inputClosed"))
    client.perform { $0.close() }
    otherClient.perform { $0.close() }
    await bystander.stopAccepting()
  }
}
