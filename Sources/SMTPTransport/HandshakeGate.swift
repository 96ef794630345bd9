import MailSyntax
import NIOCore
import NIOSSL
import SMTPSessions

/// Stands between the network and TLS for the length of a handshake, and reads both hellos off it.
///
/// On a server it holds the client's hello until it is whole, so that the certificate can be chosen by it, a wrong
/// wrapper can be answered in clear, and a silent peer costs no TLS state. Then it lets everything through and watches
/// for the ServerHello. The wire takes it out when the handshake ends.
final class HandshakeGate: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// A hello of `HandshakeMessages.maximumMessageOctets` cut into small records.
  static let maximumHeldOctets = 32_768

  private enum Stage {
    case holding(ClientHelloReader)
    case watchingOutput(ServerHelloReader)
    case watchingInput(ServerHelloReader)
    case passing
    case discarding
  }

  private(set) var clientHello: ClientHello?
  private(set) var serverHello: ServerHello?
  /// The alert that a client sent in clear behind our flight. OpenSSL does so in TLS 1.3 when it refuses the certificate,
  /// and BoringSSL, which awaits protected records from there on, can tell no more than that it was none.
  private(set) var alertInClear: UInt8?
  private var stage: Stage
  private var held = ByteBuffer()
  private weak var wire: WireChannelHandler?

  init(_ side: Side, of wire: WireChannelHandler) {
    self.wire = wire
    switch side {
    case .server: stage = .holding(ClientHelloReader())
    case .client: stage = .watchingInput(ServerHelloReader())
    }
  }

  enum Side { case server, client }

  var isWaitingForFirstByte: Bool {
    if case .holding = stage { return held.readableBytes == 0 }
    return false
  }

  /// From here on nothing of the peer's goes further.
  func discardInput() {
    stage = .discarding
    held = ByteBuffer()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    switch stage {
    case .holding(var reader):
      held.writeImmutableBuffer(bytes)
      hold(&reader, bytes, context)
    case .watchingInput(var reader):
      stage = watch(&reader, bytes).map(Stage.watchingInput) ?? .passing
      context.fireChannelRead(data)
    case .watchingOutput, .passing:
      if clientHello != nil { alertInClear = TLSAlert.code(ofRecordEnding: bytes.readableBytesView) ?? alertInClear }
      context.fireChannelRead(data)
    case .discarding: bytes.clear()
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .watchingOutput(var reader) = stage {
      stage = watch(&reader, unwrapOutboundIn(data)).map(Stage.watchingOutput) ?? .passing
    }
    context.write(data, promise: promise)
  }

  /// The reader to go on with, or nil at the end.
  private func watch(_ reader: inout ServerHelloReader, _ bytes: ByteBuffer) -> ServerHelloReader? {
    switch reader.read(bytes.readableBytesView) {
    case .needsBytes: return reader
    case .malformed: return nil
    case .done(let hello):
      serverHello = hello
      return nil
    }
  }

  private func hold(_ reader: inout ClientHelloReader, _ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    // Behind STARTTLS cleartext is no mistaken port but an injection: TLS refuses it, and nothing is said.
    let isImplicit = wire?.setup.opening == .implicitTLS
    switch isImplicit ? FirstOctets.judge(held.readableBytesView) : .perhapsTLS {
    case .undecided:
      stage = .holding(reader)
      return
    case .wrong(let wrapper):
      discardInput()
      wire?.turnAway(wrapper)
      return
    case .perhapsTLS: break
    }
    switch reader.read(bytes.readableBytesView) {
    case .needsBytes where held.readableBytes <= HandshakeGate.maximumHeldOctets:
      stage = .holding(reader)
    case .needsBytes, .malformed:
      // TLS itself finds the words for what is wrong with it.
      admit(context)
    case .done(let hello):
      clientHello = hello
      admit(context)
    }
  }

  private func admit(_ context: ChannelHandlerContext) {
    guard let wire else { return }
    // RFC 7301 §3.2, RFC 9325 §3.8: SMTP has no ALPN identifier, so a client that asks for one means another server.
    if clientHello?.applicationProtocols.isEmpty == false {
      discardInput()
      wire.refuseHandshake(.noApplicationProtocol, "the client asks by ALPN for a protocol that is not SMTP")
      return
    }
    guard wire.addServerTLS(after: self, for: clientHello?.serverName) else { return }
    stage = .watchingOutput(ServerHelloReader())
    let bytes = held
    held = ByteBuffer()
    context.fireChannelRead(wrapInboundOut(bytes))
  }
}

/// What the first octets on a TLS port are. Source: RFC 8446 §5.1; RFC 5321 §2.4; RFC 9112 §3.
enum FirstOctets: Hashable {
  case undecided
  case perhapsTLS
  case wrong(WrongWrapper)

  private static let methods = ["GET ", "HEAD", "POST", "PUT ", "DELE", "CONN", "OPTI", "TRAC", "PATC", "PRI "]
    .map { Array($0.utf8) }

  static func judge(_ bytes: some Collection<UInt8>) -> FirstOctets {
    guard let first = bytes.first else { return .undecided }
    guard first.isASCIILetter || first == 13 || first == 10 else { return .perhapsTLS }
    // Four octets tell POST from a verb of SMTP.
    guard bytes.count >= 4 || first < 32 else { return .undecided }
    return .wrong(methods.contains { bytes.starts(with: $0) } ? .http : .smtpOnTLSPort)
  }
}
