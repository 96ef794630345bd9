import MailSyntax
import NIOCore
import NIOPosix
import NIOSSL
import SMTPSessions
import Synchronization
import Testing

@testable import SMTPTransport

/// A server that keeps what it is sent, answers the first octets with an alert, and closes.
private final class RefusingServer: Sendable {
  private let received = Mutex<[[UInt8]]>([])
  /// A fatal handshake_failure (RFC 8446 §6).
  private static let alert: [UInt8] = [21, 3, 1, 0, 2, 2, 40]

  /// What each connection sent before it was refused.
  var hellos: [[UInt8]] { received.withLock { $0 } }

  func start() async throws -> any Channel {
    try await ServerBootstrap(group: House.shared.loops.group)
      .childChannelInitializer { channel in
        let number = self.received.withLock { received in
          received.append([])
          return received.count - 1
        }
        return channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Refusal(server: self, number: number))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
  }

  private final class Refusal: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    let server: RefusingServer
    let number: Int
    var messages = HandshakeMessages(wanted: [.clientHello])

    init(server: RefusingServer, number: Int) {
      self.server = server
      self.number = number
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      messages.append(Array(unwrapInboundIn(data).readableBytesView))
      guard case .message(_, let hello) = messages.next() else { return }
      server.received.withLock { $0[number] = hello }
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: RefusingServer.alert)), promise: nil)
      context.close(promise: nil)
    }
  }
}

/// The extensions of a ClientHello by their numbers. Source: RFC 8446 §4.1.2.
private func extensions(of hello: [UInt8]) -> [UInt16: [UInt8]] {
  var bytes = ByteBuffer(bytes: hello)
  bytes.moveReaderIndex(forwardBy: 34)
  _ = bytes.readLengthPrefixedSlice(as: UInt8.self)
  _ = bytes.readLengthPrefixedSlice(as: UInt16.self)
  _ = bytes.readLengthPrefixedSlice(as: UInt8.self)
  guard var list = bytes.readLengthPrefixedSlice(as: UInt16.self) else { return [:] }
  var found: [UInt16: [UInt8]] = [:]
  while let number = list.readInteger(as: UInt16.self), let body = list.readLengthPrefixedSlice(as: UInt16.self) {
    found[number] = Array(body.readableBytesView)
  }
  return found
}

@Suite("What a client's hello asks for", .timeLimit(.minutes(5)))
struct ClientHelloTests {
  let house = House.shared

  /// The hellos of so many dials, each refused.
  private func hellos(of dials: Int) async throws -> [[UInt8]] {
    let server = RefusingServer()
    let channel = try await server.start()
    let endpoint = SocketEndpoint(address: .v4(0x7f00_0001), port: UInt16(channel.localAddress?.port ?? 0))
    for _ in 0..<dials {
      let client = implicitTLSPlayer("localhost")
      try await house.dial(endpoint, client)
      #expect(await client.log.wait(for: "closed").hasPrefix("closed handshakeFailed"))
    }
    try await channel.close()
    return server.hellos
  }

  @Test("TLSB-003: a refused handshake isn't tried again by itself, and the next dial offers what the first did")
  func noFallback() async throws {
    let hellos = try await hellos(of: 3)
    #expect(hellos.count == 3)
    // A list of two octets each: TLS 1.3 and TLS 1.2, and a GREASE value that means nothing (RFC 8701).
    for hello in hellos {
      let versions = try #require(extensions(of: hello)[43]).dropFirst()
      let offered = stride(from: versions.startIndex, to: versions.endIndex, by: 2)
        .map { UInt16(versions[$0]) << 8 | UInt16(versions[$0 + 1]) }.filter { $0 & 0x0f0f != 0x0a0a }
      #expect(offered == [0x0304, 0x0303])
      #expect(Array(hello.prefix(2)) == [3, 3])
    }
  }

  @Test("RFC 9155: the hello asks for no handshake signed with SHA-1 or MD5, and for each of the others")
  func signatures() async throws {
    let hello = try #require(try await hellos(of: 1).first)
    let offered = try #require(extensions(of: hello)[13]).dropFirst(2)
    let algorithms = stride(from: offered.startIndex, to: offered.endIndex, by: 2)
      .map { UInt16(offered[$0]) << 8 | UInt16(offered[$0 + 1]) }
    #expect(algorithms == allowedSignatures.map(\.rawValue))
    // RFC 8446 §4.2.3: the first octet is the hash of TLS 1.2, 1 for MD5 and 2 for SHA-1.
    #expect(algorithms.count >= 10 && algorithms.allSatisfy { $0 >> 8 > 2 })
  }

  @Test("TLSB-007: the hello offers extended_master_secret and renegotiation_info")
  func safeRenegotiation() async throws {
    let offered = extensions(of: try #require(try await hellos(of: 1).first))
    #expect(offered[23] == [])
    #expect(offered[0xff01] == [0])
  }

  @Test("TLSB-009: the hello offers no early data, the second time to a server either")
  func noEarlyData() async throws {
    for hello in try await hellos(of: 2) {
      let offered = extensions(of: hello)
      #expect(!offered.isEmpty && offered[42] == nil)
    }
  }
}
