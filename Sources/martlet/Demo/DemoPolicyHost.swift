import MailSyntax
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// The web server behind every `mta-sts.` name of the demonstration. Source: RFC 8461 §3.2, §3.3.
final class DemoPolicyHost: Sendable {
  enum Answer: Sendable {
    /// The text of a policy.
    case policy(String)
    /// To be asked elsewhere, which a sender doesn't do.
    case redirect(to: String)
  }

  static let path = "/.well-known/mta-sts.txt"

  private let listener: any Channel
  private let asked: Asked

  private final class Asked: Sendable { let hosts = Mutex<[String]>([]) }

  private init(_ listener: any Channel, _ asked: Asked) {
    self.listener = listener
    self.asked = asked
  }

  /// The hosts that were asked for, in order.
  var askedFor: [String] { asked.hosts.withLock { $0 } }

  /// - Parameter answers: by host name.
  static func start(
    at endpoint: SocketEndpoint, chainPEM: String, keyPEM: Secret, answers: [String: Answer]
  ) async throws -> DemoPolicyHost {
    let chain = try NIOSSLCertificate.fromPEMBytes(Array(chainPEM.utf8))
    let key = try keyPEM.withExposedBytes { try NIOSSLPrivateKey(bytes: $0, format: .pem) }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    let context = try NIOSSLContext(configuration: configuration)
    let asked = Asked()
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLServerHandler(context: context))
          try pipeline.configureHTTPServerPipeline()
          try pipeline.addHandler(Handler(answers, asked))
        }
      }
      .bind(host: endpoint.address.description, port: Int(endpoint.port)).get()
    return DemoPolicyHost(listener, asked)
  }

  func stop() async { try? await listener.close() }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let answers: [String: Answer]
    private let asked: Asked
    private var host = ""
    private var path = ""

    init(_ answers: [String: Answer], _ asked: Asked) {
      self.answers = answers
      self.asked = asked
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head):
        // With a port behind it where that isn't 443 (RFC 9110 §7.2).
        host = (head.headers.first(name: "host") ?? "").split(separator: ":").first.map { $0.lowercasedASCII() } ?? ""
        path = head.uri
      case .body: break
      case .end:
        asked.hosts.withLock { $0.append(host) }
        answer(context)
      }
    }

    private func answer(_ context: ChannelHandlerContext) {
      switch path == DemoPolicyHost.path ? answers[host] : nil {
      case .policy(let text): say(.ok, [("content-type", "text/plain")], text, context)
      case .redirect(let place): say(.movedPermanently, [("location", place)], "", context)
      case nil: say(.notFound, [], "", context)
      }
    }

    private func say(
      _ status: HTTPResponseStatus, _ headers: [(String, String)], _ body: String, _ context: ChannelHandlerContext
    ) {
      var fields = HTTPHeaders(headers)
      fields.add(name: "content-length", value: "\(body.utf8.count)")
      fields.add(name: "connection", value: "close")
      context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: fields))), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
      let channel = context.channel
      context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}
