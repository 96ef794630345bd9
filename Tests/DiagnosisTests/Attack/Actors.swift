import Certificates
import Foundation
import MailSyntax
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

@testable import Diagnosis

/// One end of a connection that a script reads lines from, in clear or inside TLS begun at any time.
final class ScriptEnd {
  struct Gone: Error {}

  let channel: any Channel
  private var octets = ByteBuffer()
  private var arrivals: AsyncStream<ByteBuffer>.Iterator

  init(_ channel: any Channel, _ arrivals: AsyncStream<ByteBuffer>) {
    self.channel = channel
    self.arrivals = arrivals.makeAsyncIterator()
  }

  /// Octets that came and weren't asked for yet: whoever keeps them over a handshake is careless.
  var leftover: Int { octets.readableBytes }

  func line() async throws -> String {
    while true {
      if let end = octets.readableBytesView.firstIndex(of: UInt8(ascii: "\n")),
        let line = octets.readString(length: end - octets.readerIndex + 1)
      {
        return line
      }
      guard let more = await arrivals.next(isolation: #isolation) else { throw Gone() }
      octets.writeImmutableBuffer(more)
    }
  }

  /// All lines of a reply.
  func reply() async throws -> String {
    var reply = ""
    while true {
      let line = try await line()
      reply += line
      guard line.count >= 4, line.dropFirst(3).first == "-" else { return reply }
    }
  }

  func say(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }

  func ask(_ text: String) async throws -> String {
    try await say(text + "\r\n")
    return try await reply()
  }

  func startTLSAsClient(trusting authority: String?) async throws {
    var configuration = TLSConfiguration.makeClientConfiguration()
    if let authority {
      configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
    } else {
      configuration.certificateVerification = .none
    }
    let context = try NIOSSLContext(configuration: configuration)
    let channel = channel
    try await channel.eventLoop.submit {
      let handler = try NIOSSLClientHandler(context: context, serverHostname: "mx.example")
      try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }.get()
  }

  /// In one turn of the loop: a client may be quick behind the 220.
  func startTLSAsServer(_ context: NIOSSLContext, saying reply: String) async throws {
    let channel = channel
    try await channel.eventLoop.submit {
      channel.writeAndFlush(ByteBuffer(string: reply), promise: nil)
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context), position: .first)
    }.get()
  }

  static func connect(to endpoint: SocketEndpoint) async throws -> ScriptEnd {
    let (arrivals, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Funnel(continuation))
        }
      }
      .connect(host: endpoint.address.description, port: Int(endpoint.port)).get()
    return ScriptEnd(channel, arrivals)
  }

  final class Funnel: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let arrivals: AsyncStream<ByteBuffer>.Continuation
    init(_ arrivals: AsyncStream<ByteBuffer>.Continuation) { self.arrivals = arrivals }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { arrivals.yield(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { arrivals.finish() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

/// The server that the mail is meant for. It takes everything, unless it is told to take nothing.
final class TrueServer: Sendable {
  struct Letter: Hashable { var isInTLS: Bool, greeting: String }

  private let listener: any Channel
  let endpoint: SocketEndpoint
  private let state: State

  private final class State: Sendable { let letters = Mutex<[Letter]>([]) }

  var letters: [Letter] { state.letters.withLock { $0 } }

  private init(_ listener: any Channel, _ state: State) {
    self.listener = listener
    self.state = state
    endpoint = SocketEndpoint(
      address: .v4(0x7f00_0001), port: UInt16(truncatingIfNeeded: listener.localAddress?.port ?? 0))
  }

  static func start(_ identity: AttackIdentity?, takesMail: Bool = true) async throws -> TrueServer {
    let state = State()
    let context = identity?.context
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let (arrivals, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
          try channel.pipeline.syncOperations.addHandler(ScriptEnd.Funnel(continuation))
          Task {
            try? await serve(ScriptEnd(channel, arrivals), context, state, takesMail)
            try? await channel.close()
          }
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return TrueServer(listener, state)
  }

  func stop() async { try? await listener.close() }

  private static func serve(
    _ end: ScriptEnd, _ context: NIOSSLContext?, _ state: State, _ takesMail: Bool
  ) async throws {
    var letter = Letter(isInTLS: false, greeting: "")
    try await end.say("220 mx.example\r\n")
    while true {
      let line = try await end.line()
      switch line.prefix(4).uppercased() {
      case "EHLO":
        letter.greeting = "EHLO"
        let offersTLS = context != nil && !letter.isInTLS
        try await end.say("250-mx.example\r\n\(offersTLS ? "250-STARTTLS\r\n" : "")250 AUTH PLAIN\r\n")
      case "HELO":
        letter.greeting = "HELO"
        try await end.say("250 mx.example\r\n")
      case "STAR":
        guard let context else { return try await end.say("502 no\r\n") }
        try await end.startTLSAsServer(context, saying: "220 go\r\n")
        letter.isInTLS = true
      case "AUTH": try await end.say("235 ok\r\n")
      case "DATA":
        guard takesMail else {
          try await end.say("554 no\r\n")
          continue
        }
        try await end.say("354 go\r\n")
        while try await end.line() != ".\r\n" {}
        state.letters.withLock { $0.append(letter) }
        try await end.say("250 taken\r\n")
      case "QUIT": return try await end.say("221 bye\r\n")
      case _: try await end.say(takesMail ? "250 ok\r\n" : "550 no\r\n")
      }
    }
  }
}

/// A client as many are: it takes TLS where it can have it, and asks nobody for a proof.
struct CarelessClient {
  /// The authority that it verifies by; a careless one has none.
  var authority: String?
  /// Drops the connection where something stands behind the 220.
  var looksBehind220 = false
  /// Whether 454, or no STARTTLS at all, is the end for it.
  var needsTLS = false
  var password: String?

  struct Refusal: Error, Equatable { let reason: String }

  /// - Returns: whether the client believes that its mail was taken.
  func send(to endpoint: SocketEndpoint) async throws -> Bool {
    let end = try await ScriptEnd.connect(to: endpoint)
    defer { end.channel.close(promise: nil) }
    _ = try await end.reply()
    var hello = try await end.ask("EHLO client.example")
    if hello.hasPrefix("5") { hello = try await end.ask("HELO client.example") }
    if hello.contains("STARTTLS"), try await end.ask("STARTTLS").hasPrefix("220") {
      if looksBehind220, end.leftover > 0 { throw Refusal(reason: "octets behind the 220") }
      try await end.startTLSAsClient(trusting: authority)
      hello = try await end.ask("EHLO client.example")
    } else if needsTLS {
      throw Refusal(reason: "no TLS")
    }
    if let password { _ = try await end.ask("AUTH PLAIN \(password)") }
    guard try await end.ask("MAIL FROM:<alice@client.example>").hasPrefix("250"),
      try await end.ask("RCPT TO:<bob@mx.example>").hasPrefix("250"),
      try await end.ask("DATA").hasPrefix("354")
    else { return false }
    return try await end.ask("Subject: secret\r\n\r\nmeet me at noon\r\n.").hasPrefix("250")
  }
}
