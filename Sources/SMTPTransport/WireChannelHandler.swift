import MailSyntax
import NIOCore
import NIOSSL
import NIOTLS
import SMTPSessions
import TransportSecurity

/// The `Wire` on a NIO channel: the last handler of its pipeline, driving one `WireDelegate`.
///
/// It keeps no input. What the delegate leaves in a read's buffer is the delegate's to have copied, and goes: that is
/// why nothing can cross the STARTTLS line here. Confined to the channel's event loop.
final class WireChannelHandler: ChannelInboundHandler, Wire {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// What a closing wire still takes from its peer before it stops being polite.
  static let maximumDiscardedOctets = 262_144

  enum Phase {
    case connecting
    /// Up to the end of a TLS handshake, asked for by the listener's kind or by `startTLS`.
    case handshaking(since: Uptime)
    /// The silence of a TLS port has been named on the wire, in clear: TLS can't follow any more.
    case silent(since: Uptime)
    case open
    /// Our replies are flushed, then our side is shut, then the peer's end is awaited until `deadline`.
    case closing(deadline: Uptime, outputIsShut: Bool)
    case gone
  }

  let setup: WireSetup
  let station: TransportLoops.Station
  let peer: SocketEndpoint?
  let local: SocketEndpoint?
  /// Let go once it has been called: an idle session keeps no closure.
  private var makeDelegate: ((WireChannelHandler) -> any WireDelegate)?
  var owner: ObjectIdentifier? { setup.owner }
  var sweepIndex = 0

  private(set) var delegate: (any WireDelegate)?
  private(set) var context: ChannelHandlerContext?
  var phase = Phase.connecting
  var outgoing: ByteBuffer?
  private var isEncrypted = false
  private var isOpened = false
  private(set) var inputIsClosed = false
  private var hasSeenInput = false
  private var discardedOctets = 0
  private var callDepth = 0
  private var owesWritable = false
  /// In front of this handler for the length of a handshake.
  var gate: HandshakeGate?
  var tls: NIOSSLHandler?
  var hasAdmittedTLS = false
  var judgement: CertificateFacts?
  /// Why that isn't what was demanded.
  var refusal: CertificateFault?
  var fault: WireFault?

  init(
    setup: WireSetup, station: TransportLoops.Station, peer: SocketEndpoint?, local: SocketEndpoint?,
    delegate makeDelegate: @escaping (WireChannelHandler) -> any WireDelegate
  ) {
    self.setup = setup
    self.station = station
    self.peer = peer
    self.local = local
    self.makeDelegate = makeDelegate
  }

  // MARK: Wire

  var uptime: Uptime { .current }
  var isWritable: Bool { context?.channel.isWritable ?? false }

  func write(_ bytes: ByteBuffer) {
    if outgoing == nil { outgoing = bytes } else { outgoing?.writeImmutableBuffer(bytes) }
  }

  func flush() {
    guard let context, let bytes = outgoing else { return }
    outgoing = nil
    switch phase {
    case .open, .handshaking: context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    case .connecting, .silent, .closing, .gone: break
    }
  }

  /// What has left the kernel already still comes: at most `SMTPListener.readsAtATime` reads.
  func pauseReading() { setAutoRead(false) }
  func resumeReading() { setAutoRead(true) }

  private func setAutoRead(_ reads: Bool) {
    // Fails on a closed channel alone, and that reads no more.
    try? context?.channel.syncOptions?.setOption(.autoRead, value: reads)
  }

  func startTLS(_ side: TLSSide) {
    guard case .open = phase, !isEncrypted else { return }
    flush()
    phase = .handshaking(since: uptime)
    setAutoRead(true)
    beginHandshake(side)
  }

  func close() {
    switch phase {
    case .open, .handshaking, .silent: break
    case .connecting, .closing, .gone: return
    }
    guard let context else { return }
    let last = outgoing ?? ByteBuffer()
    outgoing = nil
    // Inside an unfinished handshake nothing can be said any more.
    let isHandshaking = if case .handshaking = phase { tls != nil } else { false }
    phase = .closing(deadline: uptime + setup.timeouts.close, outputIsShut: false)
    guard !isHandshaking else { return closeNow() }
    setAutoRead(true)
    // An empty write ends when all before it has reached the kernel. Closing earlier would throw replies away.
    let flushed = context.eventLoop.makePromise(of: Void.self)
    flushed.futureResult.assumeIsolated().whenComplete { _ in self.shutOutput() }
    context.writeAndFlush(wrapOutboundOut(last), promise: flushed)
  }

  func await<Answer: Sendable>(
    _ question: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void
  ) {
    let rest = NIOLoopBound((wire: self, then: then), eventLoop: station.loop)
    Task(executorPreference: station.executor) {
      let answer = await question()
      rest.value.wire.answered(answer, rest.value.then)
    }
  }

  private func answered<Answer>(_ answer: Answer, _ then: (Answer) -> Void) {
    if case .gone = phase { return }
    tell { _ in then(answer) }
  }

  // MARK: Channel

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin() }
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    begin()
    context.fireChannelActive()
  }

  private func begin() {
    guard case .connecting = phase else { return }
    station.sweep.value.add(self)
    delegate = makeDelegate?(self)
    makeDelegate = nil
    switch setup.opening {
    case .clear:
      phase = .open
      open()
    case .implicitTLS:
      phase = .handshaking(since: uptime)
      beginHandshake(.server)
    }
  }

  private func open() {
    guard !isOpened else { return }
    isOpened = true
    tell { $0.opened() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    switch phase {
    case .open:
      if !hasSeenInput {
        hasSeenInput = true
        // RFC 8446 §5.1: a handshake record begins with 22. No SMTP command does.
        if setup.isServer, !isEncrypted, bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) == 22 {
          return turnAway(.tlsOnCleartextPort)
        }
      }
      tell { $0.received(&bytes) }
    case .closing:
      discardedOctets += bytes.readableBytes
      if discardedOctets > WireChannelHandler.maximumDiscardedOctets { closeNow() }
    case .connecting, .handshaking, .silent, .gone: break
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable, case .open = phase {
      if callDepth > 0 { owesWritable = true } else { tell { $0.becameWritable() } }
    }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case TLSUserEvent.handshakeCompleted:
      handshakeCompleted()
    case ChannelEvent.inputClosed:
      inputClosed()
    case _:
      context.fireUserInboundEventTriggered(event)
    }
  }

  private func inputClosed() {
    guard !inputIsClosed else { return }
    inputIsClosed = true
    switch phase {
    case .open: tell { $0.inputClosed() }
    case .handshaking:
      // NIOSSL ends its own handshake. Before it is there, nobody else would.
      if tls == nil { end(with: .peerClosed) }
    case .silent: end(with: .peerClosed)
    case .closing(_, let outputIsShut): if outputIsShut { closeNow() }
    case .connecting, .gone: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch phase {
    case .closing, .gone: return
    case .connecting, .handshaking, .silent, .open: break
    }
    // A FIN without close_notify: no more input will come, which `inputClosed` says too, and replies may still go out.
    if case .open = phase, error as? NIOSSLError == .uncleanShutdown { return }
    if fault == nil { fault = describe(error) }
    closeNow()
  }

  func channelInactive(context: ChannelHandlerContext) {
    let wasClosedByUs: Bool
    switch phase {
    case .gone: return
    case .closing: wasClosedByUs = true
    case .connecting, .handshaking, .silent, .open: wasClosedByUs = false
    }
    phase = .gone
    station.sweep.value.remove(self)
    let fault = fault ?? (wasClosedByUs ? nil : .peerClosed)
    let delegate = delegate
    self.delegate = nil
    gate = nil
    tls = nil
    outgoing = nil
    // Later, for it may have been a call of the delegate's own that closed the channel.
    context.eventLoop.assumeIsolated().execute { delegate?.closed(fault) }
    context.fireChannelInactive()
  }

  /// Every call of the delegate goes through here. NIO tells of writability from within `flush`: the delegate hears of
  /// it when its own call has returned.
  func tell(_ call: (any WireDelegate) -> Void) {
    guard let delegate else { return }
    callDepth += 1
    call(delegate)
    callDepth -= 1
    if callDepth == 0, owesWritable {
      owesWritable = false
      if case .open = phase { tell { $0.becameWritable() } }
    }
  }

  // MARK: The end of a handshake

  private func handshakeCompleted() {
    guard case .handshaking = phase, let tls, let gate, let context else { return }
    let hello = gate.serverHello
    let serverName = gate.clientHello?.serverName
    self.gate = nil
    context.pipeline.syncOperations.removeHandler(gate, promise: nil)
    // What BoringSSL says must be what was read off the wire; facts that differ are no evidence.
    guard let hello, hello.version == tls.tlsVersion.map(TransportSecurity.TLSVersion.init) else {
      return end(with: .handshakeFailed("the server's hello was not understood"))
    }
    let facts = TLSFacts(
      version: hello.version, cipherSuite: hello.cipherSuite, group: hello.group, serverName: serverName,
      peerCertificate: judgement)
    isEncrypted = true
    phase = .open
    tell { $0.tlsEstablished(mintProof(of: facts)) }
    if case .open = phase { open() }
  }
}

extension TransportSecurity.TLSVersion {
  init(_ version: NIOSSL.TLSVersion) {
    switch version {
    case .tlsv1: self = .v1_0
    case .tlsv11: self = .v1_1
    case .tlsv12: self = .v1_2
    case .tlsv13: self = .v1_3
    }
  }
}
