import MailSyntax
import NIOCore
import SMTPSessions
import Synchronization
import Testing
import TransportSecurity

@testable import SMTPTransport

/// Writes down the errors on their way to the wire.
private final class FaultSpy: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  let log: EventLog
  init(_ log: EventLog) { self.log = log }
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    log.add("\(error)")
    context.fireErrorCaught(error)
  }
}

@Suite("The wire on a channel, over loopback", .timeLimit(.minutes(5)))
struct WireTests {
  let house = House.shared

  @Test("ITLS-002, TLSB-002: on a TLS port the proof comes, then the greeting, and both sides know what was settled")
  func implicitTLS() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let client = implicitTLSPlayer("localhost")
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(Array(server.log.events.prefix(3)) == ["accepted 127.0.0.1 at 127.0.0.1", "tls", "opened"])
    // Swift to Swift the hybrid group is both sides' first wish.
    let seenByServer = try #require(server.facts.withLock { $0 })
    let seenByClient = try #require(client.facts.withLock { $0 })
    for facts in [seenByServer, seenByClient] {
      #expect(facts.version == .v1_3)
      #expect(facts.group?.description == "X25519MLKEM768")
      #expect(facts.cipherSuite.description.hasPrefix("TLS_AES_"))
    }
    #expect(seenByServer.serverName == "localhost")
    #expect(seenByServer.peerCertificate == nil)
    #expect(seenByClient.peerCertificate?.verification == .verified(hostName: "localhost"))
    #expect(seenByClient.peerCertificate?.dnsNames == ["localhost"])
    #expect(seenByClient.peerCertificate?.sha256Fingerprint.count == 32)
    client.say("NOOP\r\nQUIT\r\n")
    await client.log.waitToReceive("250 NOOP\r\n221 QUIT\r\n")
    // The end is an orderly one.
    await client.log.wait(for: "inputClosed")
    client.perform { $0.close() }
    #expect(await client.log.wait(for: "closed") == "closed by us")
    #expect(await server.log.wait(for: "closed") == "closed by us")
    await listener.stopAccepting()
  }

  @Test("STARTTLS: replies before it leave first, and the session goes on inside TLS")
  func startTLS() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player(
      received: { wire, bytes in
        while let line = bytes.takeLine() {
          if line == "220 go" { return wire.startTLS(.client(hostName: "localhost", demand: .verified)) }
        }
      },
      tls: { wire in
        wire.write(ByteBuffer(string: "NOOP\r\n"))
        wire.flush()
      })
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    client.say("EHLO x\r\nSTARTTLS\r\n")
    await client.log.waitToReceive("250 NOOP\r\n")
    #expect(client.log.received == "220 hello\r\n250 EHLO x\r\n220 go\r\n250 NOOP\r\n")
    #expect(server.log.events.filter { $0 == "opened" }.count == 1)
    #expect(server.facts.withLock { $0?.version } == .v1_3)
    client.perform { $0.close() }
    await server.end()
    await listener.stopAccepting()
  }

  @Test(
    "STLS-005: bytes behind STARTTLS in its segment, or right after it, never reach the delegate",
    arguments: [
      "STARTTLS\r\nEVIL injected\r\n", "STARTTLS\r\nEVI", "STARTTLS\r\nX",
    ])
  func nothingCrosses(_ segment: String) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player(received: { wire, bytes in
      while let line = bytes.takeLine() {
        if line == "220 go" { return wire.startTLS(.client(hostName: "localhost", demand: .verified)) }
      }
    })
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    client.say(segment)
    // The handshake goes well: what lay behind the line was dropped with the read's buffer, TLS never saw it.
    await client.log.wait(for: "tls")
    client.say("NOOP\r\n")
    await client.log.waitToReceive("250 NOOP\r\n")
    let afterTLS = server.log.events.drop { $0 != "tls" }.filter { $0 != "tick" }
    #expect(afterTLS == ["tls", "received NOOP\r\n"])
    #expect(client.log.received == "220 hello\r\n220 go\r\n250 NOOP\r\n")
    client.perform { $0.close() }
    await server.end()
    await listener.stopAccepting()
  }

  @Test("STLS-003: garbage in place of a ServerHello ends the client's connection")
  func garbageForAHello() async throws {
    let server = Player(received: { wire, bytes in
      if bytes.takeLine() != nil {
        wire.write(ByteBuffer(string: "220 go\r\n"))
      } else {
        wire.write(ByteBuffer(string: "250-this is no TLS\r\n250 AUTH PLAIN\r\n"))
      }
      wire.flush()
    })
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player(received: { wire, bytes in
      if bytes.takeLine() == "220 go" { wire.startTLS(.client(hostName: "localhost", demand: .verified)) }
    })
    try await house.dial(endpoint, client)
    client.say("STARTTLS\r\n")
    #expect(await client.log.wait(for: "closed").hasPrefix("closed handshakeFailed"))
    #expect(client.log.received == "220 go\r\n")
    // The server answers the client's alert too, and where that comes behind the client's close it is told by a reset.
    await server.log.wait { events in events.contains { $0 == "inputClosed" || $0.hasPrefix("closed") } }
    server.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("STLS-005: cleartext in a later segment than STARTTLS breaks the handshake")
  func laterCleartext() async throws {
    let (server, reports) = (smtpLikePlayer(), EventLog())
    let (listener, endpoint) = try await house.listen(.clear, server, reports: reports)
    let client = Player()
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    client.say("STARTTLS\r\n")
    await client.log.waitToReceive("220 go\r\n")
    client.say("EVIL injected\r\n")
    #expect(await server.log.wait(for: "closed").hasPrefix("closed handshakeFailed"))
    #expect(server.log.received == "STARTTLS\r\n")
    #expect(reports.events.isEmpty)
    #expect(!client.log.received.contains("554"))
    await listener.stopAccepting()
  }

  @Test(
    "ITLS-005: either side says close_notify before it closes, so that the other sees no cut-off",
    arguments: [
      true, false,
    ])
  func orderlyEnd(_ isServers: Bool) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let client = implicitTLSPlayer("localhost")
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    let (closing, watching) = isServers ? (server, client) : (client, server)
    let faults = EventLog()
    watching.perform { wire in
      let handler = wire as! WireChannelHandler
      try? handler.context?.pipeline.syncOperations.addHandler(FaultSpy(faults), position: .before(handler))
      faults.add("watching")
    }
    await faults.wait(for: "watching")
    closing.perform { $0.close() }
    await watching.log.wait(for: "inputClosed")
    watching.perform { $0.close() }
    await closing.log.wait(for: "closed")
    // NIOSSL tells of a FIN without close_notify as an error, before the end of the input.
    #expect(faults.events == ["watching"])
    await listener.stopAccepting()
  }

  @Test("a FIN behind pipelined commands still gets every reply", arguments: [false, true])
  func halfClosure(_ isEncrypted: Bool) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(isEncrypted ? .implicitTLS : .clear, server)
    let client = isEncrypted ? implicitTLSPlayer("localhost") : Player()
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    client.perform { wire in
      let handler = wire as! WireChannelHandler
      wire.write(ByteBuffer(string: "A\r\nB\r\nC\r\n"))
      wire.flush()
      handler.context?.close(mode: .output, promise: nil)
    }
    await client.log.waitToReceive("250 A\r\n250 B\r\n250 C\r\n")
    await server.log.wait(for: "inputClosed")
    // Even a reply that is made after the end of the input goes out.
    server.say("250 late\r\n")
    await client.log.waitToReceive("250 late\r\n")
    server.perform { $0.close() }
    #expect(await server.log.wait(for: "closed") == "closed by us")
    await listener.stopAccepting()
  }

  @Test("an answer awaited elsewhere comes back on the wire's loop; after the end it doesn't come")
  func awaiting() async throws {
    let server = Player(opened: { wire in
      wire.await({ 42 }) { answer in
        (wire as! WireChannelHandler).station.loop.preconditionInEventLoop()
        wire.write(ByteBuffer(string: "\(answer)\r\n"))
        wire.flush()
      }
    })
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player()
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("42\r\n")

    let (gates, open) = AsyncStream.makeStream(of: Void.self)
    server.perform { wire in
      wire.await({ for await _ in gates { return } }) { server.log.add("answered too late") }
    }
    client.perform { $0.close() }
    await server.log.wait(for: "inputClosed")
    server.perform { $0.close() }
    await server.log.wait(for: "closed")
    open.yield()
    open.finish()
    // What is on the loop behind the answer comes behind it.
    server.perform { wire in
      wire.await({ 1 }) { _ in }
      server.log.add("end")
    }
    await server.log.wait(for: "end")
    #expect(!server.log.events.contains("answered too late"))
    await listener.stopAccepting()
  }

  @Test("back-pressure: a peer that doesn't read makes the wire unwritable, and reading makes it writable again")
  func backPressure() async throws {
    let sent = Mutex(0)
    let filled = EventLog()
    let server = Player(opened: { wire in
      wire.pauseReading()
      let chunk = ByteBuffer(repeating: 0x61, count: 65_536)
      while wire.isWritable, sent.withLock({ $0 < 1_000 }) {
        wire.write(chunk)
        wire.flush()
        sent.withLock { $0 += 1 }
      }
      filled.add("filled")
    })
    let (listener, endpoint) = try await house.listen(.clear, server)
    let received = Mutex(0)
    let client = Player(
      opened: { $0.pauseReading() },
      received: { _, bytes in
        received.withLock { $0 += bytes.readableBytes }
        bytes.clear()
      })
    try await house.dial(endpoint, client)
    await filled.wait(for: "filled")
    let count = sent.withLock { $0 }
    #expect(count > 0 && count < 1_000, "the wire became unwritable")
    #expect(!server.log.events.contains("writable"))
    client.perform { $0.resumeReading() }
    await server.log.wait(for: "writable")
    // The paused server has not looked at what its peer says.
    client.say("EHLO\r\n")
    server.perform { $0.resumeReading() }
    await server.log.waitToReceive("EHLO\r\n")
    client.perform { $0.close() }
    server.perform { $0.close() }
    await server.log.wait(for: "closed")
    await listener.stopAccepting()
  }

  @Test("closing is bounded for a peer that reads nothing", arguments: [false, true])
  func boundedClose(_ isEncrypted: Bool) async throws {
    let server = Player(opened: { wire in
      for _ in 0..<256 { wire.write(ByteBuffer(repeating: 0x61, count: 65_536)) }
      wire.flush()
      wire.close()
    })
    let (listener, endpoint) = try await house.listen(isEncrypted ? .implicitTLS : .clear, server) {
      $0.timeouts.close = .milliseconds(200)
    }
    let client = Player(
      opened: { wire in
        if isEncrypted { wire.startTLS(.client(hostName: "localhost", demand: .verified)) } else { wire.pauseReading() }
      }, tls: { $0.pauseReading() })
    try await house.dial(endpoint, client)
    #expect(await server.log.wait(for: "closed") == "closed by us")
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("a reply of many segments arrives whole before the close")
  func flushedBeforeClose() async throws {
    let size = 4_000_000
    let server = Player(opened: { wire in
      wire.write(ByteBuffer(repeating: 0x61, count: size))
      wire.close()
    })
    let (listener, endpoint) = try await house.listen(.clear, server)
    let received = Mutex(0)
    let client = Player(received: { _, bytes in received.withLock { $0 += bytes.readableBytes } })
    try await house.dial(endpoint, client)
    await client.log.wait(for: "inputClosed")
    #expect(received.withLock { $0 } == size)
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("the sweep ticks open wires")
  func ticks() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.clear, server)
    let client = Player()
    try await house.dial(endpoint, client)
    await server.log.wait(until: { $0.filter { $0 == "tick" }.count >= 2 })
    client.perform { $0.close() }
    await server.log.wait(for: "inputClosed")
    server.perform { $0.close() }
    await listener.stopAccepting()
  }
}
