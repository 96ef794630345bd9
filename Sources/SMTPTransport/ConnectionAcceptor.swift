import MailSyntax
import NIOCore
import SMTPSessions

/// Takes a new connection of a listener in: the limits, the proxy's header where one is due, then the wire.
final class ConnectionAcceptor: Sendable {
  private let options: ListenerOptions
  private let setup: WireSetup
  private let ledger: ConnectionLedger
  private let loops: TransportLoops
  private let makeDelegate: SMTPListener.MakeDelegate

  init(
    options: ListenerOptions, setup: WireSetup, ledger: ConnectionLedger, loops: TransportLoops,
    makeDelegate: @escaping SMTPListener.MakeDelegate
  ) {
    self.options = options
    self.setup = setup
    self.ledger = ledger
    self.loops = loops
    self.makeDelegate = makeDelegate
  }

  /// The child channel's initializer, on its loop, before it is active.
  func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
    channel.eventLoop.makeCompletedFuture {
      let endpoints = ProxyHeader.Endpoints(of: channel)
      guard ledger.admit() else {
        return try turnAway(channel, .inAll, endpoints)
      }
      channel.closeFuture.whenComplete { [ledger] _ in ledger.release() }
      guard options.trustedProxies.contains(where: { $0.contains(endpoints.source.address) }) else {
        return try welcome(channel, endpoints)
      }
      try channel.pipeline.syncOperations.addHandler(
        ProxyHeaderHandler(timeout: options.timeouts.proxyHeader) { channel, header in
          try self.welcome(channel, header.endpoints ?? endpoints)
        } report: { [setup] reason in
          setup.report(.badProxyHeader(reason, proxy: endpoints.source, local: endpoints.destination))
        })
    }
  }

  /// Whom the connection is for is known.
  private func welcome(_ channel: any Channel, _ endpoints: ProxyHeader.Endpoints) throws {
    let address = endpoints.source.address
    guard ledger.admit(address) else {
      return try turnAway(channel, .ofAddress, endpoints)
    }
    channel.closeFuture.whenComplete { [ledger] _ in ledger.release(address) }
    let wire = WireChannelHandler(
      setup: setup, station: loops.station(of: channel.eventLoop), peer: endpoints.source, local: endpoints.destination
    ) { [makeDelegate] in makeDelegate($0, endpoints.source, endpoints.destination) }
    try channel.pipeline.syncOperations.addHandler(wire)
  }

  private func turnAway(
    _ channel: any Channel, _ bound: ConnectionBound, _ endpoints: ProxyHeader.Endpoints
  ) throws {
    setup.report(.notAdmitted(bound, peer: endpoints.source, local: endpoints.destination))
    let reason =
      switch bound {
      case .inAll: "Too many connections; try again later"
      case .ofAddress: "Too many connections from your address; try again later"
      }
    let reply: ByteBuffer? =
      switch options.opening {
      // RFC 5321 §3.8: 421 is how a server says that it must close.
      case .clear: ByteBuffer(string: "421 4.7.0 \(options.hostName) \(reason)\r\n")
      // Nothing can be said to a TLS client that it would understand at this price.
      case .implicitTLS: nil
      }
    try channel.pipeline.syncOperations.addHandler(TurningAwayHandler(reply: reply))
  }
}

extension ProxyHeader.Endpoints {
  /// The socket's own. A peer that is gone already has none: the unspecified address stands for it.
  init(of channel: any Channel) {
    let unknown = SocketEndpoint(address: .v4(0), port: 0)
    self.init(
      source: channel.remoteAddress.flatMap { SocketEndpoint($0) } ?? unknown,
      destination: channel.localAddress.flatMap { SocketEndpoint($0) } ?? unknown)
  }
}

/// Says one line and closes.
private final class TurningAwayHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  private let reply: ByteBuffer?

  init(reply: ByteBuffer?) { self.reply = reply }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { say(context) }
  }

  func channelActive(context: ChannelHandlerContext) { say(context) }
  func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

  private func say(_ context: ChannelHandlerContext) {
    if let reply { context.writeAndFlush(wrapOutboundOut(reply), promise: nil) }
    context.close(promise: nil)
  }
}

/// Reads a trusted proxy's header, then makes way: what follows it belongs to TLS or SMTP.
private final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  private let timeout: Duration
  private let welcome: (any Channel, ProxyHeader) throws -> Void
  private let report: (String) -> Void
  private var held = ByteBuffer()
  private var alarm: Scheduled<Void>?
  private var isDone = false

  init(
    timeout: Duration, welcome: @escaping (any Channel, ProxyHeader) throws -> Void,
    report: @escaping (String) -> Void
  ) {
    self.timeout = timeout
    self.welcome = welcome
    self.report = report
  }

  func channelActive(context: ChannelHandlerContext) {
    alarm = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(timeout)) {
      if !self.isDone { self.turnAway(context, "no whole PROXY header came in \(self.timeout)") }
    }
    context.fireChannelActive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { alarm?.cancel() }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isDone else { return context.fireChannelRead(data) }
    held.writeImmutableBuffer(unwrapInboundIn(data))
    switch ProxyHeader.parse(held.readableBytesView) {
    case .needsBytes: return
    case .malformed(let reason): turnAway(context, reason)
    case .done(let header):
      isDone = true
      held.moveReaderIndex(forwardBy: header.octetCount)
      let rest = held
      held = ByteBuffer()
      do {
        try welcome(context.channel, header)
        if rest.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(rest)) }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
      } catch {
        context.close(promise: nil)
      }
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard !isDone, case .inputClosed? = event as? ChannelEvent else {
      return context.fireUserInboundEventTriggered(event)
    }
    // A proxy that connects and says nothing is looking whether we are there.
    guard held.readableBytes > 0 else { return context.close(promise: nil) }
    turnAway(context, "the connection ended inside the PROXY header")
  }

  private func turnAway(_ context: ChannelHandlerContext, _ reason: String) {
    isDone = true
    report(reason)
    context.close(promise: nil)
  }
}
