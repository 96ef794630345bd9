import MailSyntax
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// A client, the true server, and the attacker between them. All of it lives on one event loop.
final class AttackedConnection {
  /// Between the two parts of what is sent split.
  static let splitPause = TimeAmount.milliseconds(20)

  private let scene: AttackScene
  private let client: any Channel
  private var server: (any Channel)?
  private var dialogue: AttackedDialogue
  private var octets = 0
  private var isOver = false
  private var alarm: Scheduled<Void>?
  /// What waits for the client behind a split part.
  private var held: [ByteBuffer]?

  init(client: any Channel, scene: AttackScene) {
    self.client = client
    self.scene = scene
    dialogue = AttackedDialogue(scene.attack)
  }

  func begin() throws {
    let loop = client.eventLoop
    try client.pipeline.syncOperations.addHandler(AttackEnd(.client, of: self))
    alarm = loop.assumeIsolated().scheduleTask(in: TimeAmount.nanoseconds(scene.bounds.time.nanoseconds)) {
      self.close()
    }
    let me = NIOLoopBound(self, eventLoop: loop)
    ClientBootstrap(group: loop)
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AttackEnd(.server, of: me.value))
        }
      }
      .connect(host: scene.server.address.description, port: Int(scene.server.port))
      .assumeIsolated().whenComplete { result in
        switch result {
        case .success(let channel):
          self.server = channel
          if self.isOver { channel.close(promise: nil) }
          try? self.client.syncOptions?.setOption(.autoRead, value: true)
        case .failure: self.close()
        }
      }
  }

  // MARK: What the ends do

  fileprivate func said(_ bytes: ByteBuffer, by end: AttackEnd.Side) {
    octets += bytes.readableBytes
    guard octets <= scene.bounds.octets else { return close() }
    switch end {
    case .client: take(dialogue.clientSaid(bytes))
    case .server: take(dialogue.serverSaid(bytes))
    }
  }

  fileprivate func secured(_ end: AttackEnd.Side) {
    switch end {
    case .client: take(dialogue.clientIsSecure())
    case .server: take(dialogue.serverIsSecure())
    }
  }

  /// A client that breaks the handshake off has looked at the certificate.
  fileprivate func handshakeFailed(_ end: AttackEnd.Side) {
    if case .client = end { dialogue.clientRefused() }
    note()
    close()
  }

  /// No more is read of one end than the other takes.
  fileprivate func isWritable(_ end: AttackEnd.Side, _ isWritable: Bool) {
    switch end {
    case .client: try? server?.syncOptions?.setOption(.autoRead, value: isWritable)
    case .server: try? client.syncOptions?.setOption(.autoRead, value: isWritable)
    }
  }

  /// Where one end goes, the other goes too, once it has all that was for it.
  fileprivate func ended(_ end: AttackEnd.Side) {
    guard !isOver else { return }
    switch end {
    case .client: close()
    case .server:
      client.writeAndFlush(ByteBuffer()).assumeIsolated().whenComplete { _ in self.close() }
    }
  }

  private func close() {
    guard !isOver else { return }
    isOver = true
    alarm?.cancel()
    client.close(promise: nil)
    server?.close(promise: nil)
  }

  // MARK: What follows

  private func take(_ steps: [AttackedDialogue.Step]) {
    note()
    for step in steps where !isOver {
      switch step {
      case .toServer(let bytes): server?.writeAndFlush(bytes, promise: nil)
      case .toClient(let bytes, .whole): toClient(bytes)
      case .toClient(let bytes, .split): split(bytes)
      case .startTLSWithClient:
        guard let identity = scene.attack.impersonation?.identity else { return close() }
        secure(client, .client, NIOSSLServerHandler(context: identity.context))
      case .startTLSWithServer:
        guard let server, let handler = try? NIOSSLClientHandler(context: scene.onward, serverHostname: nil)
        else { return close() }
        secure(server, .server, handler)
      case .close: close()
      }
    }
  }

  private func note() {
    let seen = dialogue.takeSeen()
    scene.record.withLock { $0 += seen }
  }

  private func secure(_ channel: any Channel, _ side: AttackEnd.Side, _ handler: some ChannelHandler) {
    do {
      try channel.pipeline.syncOperations.handler(type: AttackEnd.self).handshakes = true
      try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    } catch {
      close()
    }
  }

  private func toClient(_ bytes: ByteBuffer) {
    guard held == nil else {
      held?.append(bytes)
      return
    }
    client.writeAndFlush(bytes, promise: nil)
  }

  /// Two octets, a pause, and the rest with whatever came meanwhile.
  private func split(_ bytes: ByteBuffer) {
    var rest = bytes
    guard held == nil, let first = rest.readSlice(length: min(2, rest.readableBytes)) else { return toClient(bytes) }
    client.writeAndFlush(first, promise: nil)
    held = [rest]
    client.eventLoop.assumeIsolated().scheduleTask(in: AttackedConnection.splitPause) {
      let waiting = self.held ?? []
      self.held = nil
      for bytes in waiting where !self.isOver { self.toClient(bytes) }
    }
  }
}

/// One end of an attacked connection.
final class AttackEnd: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  enum Side: Sendable { case client, server }

  private let side: Side
  private let connection: AttackedConnection
  /// TLS was begun at this end, and isn't yet there.
  var handshakes = false

  init(_ side: Side, of connection: AttackedConnection) {
    self.side = side
    self.connection = connection
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { connection.said(unwrapInboundIn(data), by: side) }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted? = event as? TLSUserEvent {
      handshakes = false
      connection.secured(side)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    connection.isWritable(side, context.channel.isWritable)
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { over() }

  func channelInactive(context: ChannelHandlerContext) {
    over()
    context.fireChannelInactive()
  }

  private func over() {
    guard handshakes else { return connection.ended(side) }
    handshakes = false
    connection.handshakeFailed(side)
  }
}
