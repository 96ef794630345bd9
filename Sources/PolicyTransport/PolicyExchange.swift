import MailSyntax
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS
import SMTPSessions
import SMTPTransport
import TransportSecurity

/// One connection to one address of a policy host: the handshake, one request, one answer. Confined to its loop.
final class PolicyExchange: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  /// What came of it.
  enum Outcome: Sendable {
    case policy(STSPolicy)
    /// The host has spoken, or time is over: no other address is asked.
    case final(STSTrouble)
    /// Nobody was there, or not the one who should be: another address may be better.
    case next(STSTrouble)
  }

  private let host: String
  private let outcome: EventLoopPromise<Outcome>
  private var channel: (any Channel)?
  private var timers: [Scheduled<Void>] = []
  private var answer = PolicyAnswer()
  private var isAsked = false
  private var isOver = false
  /// What the certificate shown is not, where it isn't what was demanded.
  private var fault: CertificateFault?

  init(host: String, outcome: EventLoopPromise<Outcome>) {
    self.host = host
    self.outcome = outcome
  }

  func start(
    to endpoint: SocketEndpoint, by client: ClientTLS, on station: TransportLoops.Station,
    _ bounds: HTTPSPolicyFetcher.Bounds, until deadline: NIODeadline
  ) {
    guard !isOver else { return }
    guard let address = try? endpoint.socketAddress() else {
      return end(.next(PolicyAnswer.trouble("\(endpoint) is no address of a socket")))
    }
    let me = NIOLoopBound(self, eventLoop: station.loop)
    let loop = station.loop.assumeIsolated()
    timers.append(loop.scheduleTask(deadline: deadline) { self.stop("the policy didn't come in time") })
    timers.append(
      loop.scheduleTask(in: TimeAmount(bounds.connecting + bounds.handshake)) {
        if !self.isAsked { self.stop("TLS with the policy host takes too long") }
      })
    ClientBootstrap(group: station.loop)
      .connectTimeout(TimeAmount(bounds.connecting))
      .channelOption(.maxMessagesPerRead, value: 4)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try me.value.equip(channel, by: client, on: station) }
      }
      .connect(to: address).assumeIsolated().whenFailure { _ in
        self.end(.next(PolicyAnswer.trouble("nobody answers for the policy host at \(endpoint)")))
      }
  }

  private func equip(_ channel: any Channel, by client: ClientTLS, on station: TransportLoops.Station) throws {
    // Nobody waits any more: the attempt fails before it is made.
    guard !isOver else { throw ChannelError.ioOnClosedChannel }
    self.channel = channel
    // RFC 8461 §3.3: a DNS-ID for the policy host itself, whatever the name leads to.
    let peer = ExpectedPeer(hostName: host, demand: .verified)
    let tls = try client.handler(for: peer, on: station) { facts in self.fault = peer.fault(with: facts) }
    let decoder = ByteToMessageHandler(
      HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop))
    try channel.pipeline.syncOperations.addHandlers([tls, AnswerMeter(), HTTPRequestEncoder(), decoder, self])
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted? = event as? TLSUserEvent, !isAsked, !isOver { ask(context) }
    context.fireUserInboundEventTriggered(event)
  }

  /// RFC 8461 §3.3: no caching, so no conditional request either; one answer and the connection is over.
  private func ask(_ context: ChannelHandlerContext) {
    isAsked = true
    let head = HTTPRequestHead(
      version: .http1_1, method: .GET, uri: HTTPSPolicyFetcher.path,
      headers: [
        "Host": host, "User-Agent": HTTPSPolicyFetcher.userAgent, "Accept": "text/plain", "Connection": "close",
      ])
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isOver else { return }
    do throws(STSTrouble) {
      switch unwrapInboundIn(data) {
      case .head(let head): try answer.take(head)
      case .body(let part): try answer.take(part)
      case .end: end(.policy(try answer.policy()))
      }
    } catch {
      end(.final(error))
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { end(outcome(of: error)) }

  func channelInactive(context: ChannelHandlerContext) {
    end(
      isAsked
        ? .final(PolicyAnswer.trouble("the policy host closed the connection before its answer was whole"))
        : .next(PolicyAnswer.trouble("the policy host closed the connection before TLS stood")))
    context.fireChannelInactive()
  }

  /// Time is over, or nobody waits any more.
  func stop(_ words: String) {
    let trouble = PolicyAnswer.trouble(words)
    end(isAsked ? .final(trouble) : .next(trouble))
  }

  private func end(_ result: Outcome) {
    guard !isOver else { return }
    isOver = true
    for timer in timers { timer.cancel() }
    timers = []
    outcome.succeed(result)
    // Below TLS: its orderly end would wait for the host's, and take in what it sends until then.
    let tls = try? channel?.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self)
    if let tls { tls.close(promise: nil) } else { channel?.close(promise: nil) }
    channel = nil
  }

  private func outcome(of error: any Error) -> Outcome {
    if isAsked {
      switch error {
      case let error as STSTrouble: return .final(error)
      case is HTTPParserError: return .final(PolicyAnswer.trouble("the answer is no HTTP: \(error)"))
      case NIOSSLError.uncleanShutdown:
        return .final(PolicyAnswer.trouble("the answer was cut off: TLS was not closed in good order"))
      case _: return .final(PolicyAnswer.trouble("the connection failed: \(error)"))
      }
    }
    if let fault { return .next(STSTrouble(.stsWebPKIInvalid, "the policy host's certificate \(fault.words)")) }
    return .next(PolicyAnswer.trouble("TLS with the policy host failed: \(ClientTLS.describe(error))"))
  }
}

/// Counts what comes out of TLS: heads without end, interim answers without end and chunks of one octet are all bounded
/// here, before they are read.
final class AnswerMeter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  /// For the head, and for what chunks cost.
  static let maximumOctets = STSPolicy.maximumOctets + 32_768

  private var octets = 0

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    octets += unwrapInboundIn(data).readableBytes
    guard octets <= AnswerMeter.maximumOctets else { return context.fireErrorCaught(PolicyAnswer.tooLarge) }
    context.fireChannelRead(data)
  }
}

extension CertificateFault {
  /// What a certificate is not, behind its name in a sentence.
  fileprivate var words: String {
    switch self {
    case .hostMismatch(let expected, let presented):
      "is not for \(expected): it has \(presented.isEmpty ? "no DNS name" : presented.prefix(5).joined(separator: ", "))"
    case .expired: "is out of date"
    case .notTrusted(let reason): "is not trusted: \(reason)"
    case .tlsaMismatch(let reason, _): "doesn't fit TLSA records: \(reason)"
    }
  }
}
