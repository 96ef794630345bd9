public import MailSyntax
import NIOCore
import NIOPosix
public import SMTPSessions

/// What one listener is and whom it believes.
public struct ListenerOptions: Sendable {
  /// How the connection begins.
  public enum Opening: Hashable, Sendable {
    /// A greeting in clear; STARTTLS where identities are given.
    case clear
    /// TLS from the first byte (RFC 8314 §3.3).
    case implicitTLS
  }

  public var opening: Opening
  /// An IPv6 address listens on IPv6 alone, so that `::` and `0.0.0.0` stand beside each other. Port 0 picks a free one.
  public var addresses: [SocketEndpoint]
  /// Sockets that the process was started with.
  public var inherited: [InheritedSocket]
  /// For the 421 to a connection too many.
  public var hostName: String
  /// Connections from here begin with a PROXY protocol header, version 2; all others are taken as they are, and can
  /// pretend nothing.
  public var trustedProxies: [IPNetwork] = []
  public var timeouts = WireTimeouts()
  public var backlog = 4_096

  public init(
    opening: Opening, addresses: [SocketEndpoint], inherited: [InheritedSocket] = [], hostName: String
  ) {
    self.opening = opening
    self.addresses = addresses
    self.inherited = inherited
    self.hostName = hostName
  }
}

/// Accepts connections and puts each behind a `WireDelegate`.
public final class SMTPListener: Sendable {
  /// Makes the delegate of a new wire, on the wire's own thread of control, before anything else happens on it.
  public typealias MakeDelegate =
    @Sendable (any Wire, _ peer: SocketEndpoint, _ local: SocketEndpoint) -> any WireDelegate
  /// Told of clients and proxies that don't speak the listener's protocol, on the wire's own thread of control.
  public typealias Report = @Sendable (ListenerReport) -> Void

  static let readsAtATime: UInt = 4
  static let receiveAllocator: any RecvByteBufferAllocator = AdaptiveRecvByteBufferAllocator(
    minimum: 1_024, initial: 2_048, maximum: 32_768)

  /// Where it listens, in the order of the options; of inherited sockets, those that have an IP address.
  public let localEndpoints: [SocketEndpoint]
  private let channels: [any Channel]
  private let loops: TransportLoops
  private let identity: Identity

  /// Who made a wire: the listener itself exists only when its sockets do.
  private final class Identity: Sendable {}

  private init(channels: [any Channel], loops: TransportLoops, identity: Identity) {
    self.channels = channels
    self.loops = loops
    self.identity = identity
    localEndpoints = channels.compactMap { $0.localAddress.flatMap { SocketEndpoint($0) } }
  }

  /// Binds all addresses, or none.
  /// - Parameters:
  ///   - identities: required by `.implicitTLS`; without them STARTTLS fails.
  ///   - ledger: shared by the listeners of a process.
  public static func start(
    _ options: ListenerOptions, on loops: TransportLoops, identities: TLSIdentityStore?, ledger: ConnectionLedger,
    report: @escaping Report, delegate: @escaping MakeDelegate
  ) async throws(ListenFault) -> SMTPListener {
    guard options.opening == .clear || identities != nil else { throw .noIdentity }
    let identity = Identity()
    let setup = WireSetup(
      opening: options.opening == .clear ? .clear : .implicitTLS, timeouts: options.timeouts, identities: identities,
      ledger: ledger, owner: ObjectIdentifier(identity), report: report)
    let acceptor = ConnectionAcceptor(
      options: options, setup: setup, ledger: ledger, loops: loops, makeDelegate: delegate)
    var channels: [any Channel] = []
    do throws(ListenFault) {
      for endpoint in options.addresses { channels.append(try await bind(endpoint, options, loops, acceptor)) }
      for socket in options.inherited { channels.append(try await adopt(socket, options, loops, acceptor)) }
    } catch {
      for channel in channels { try? await channel.close() }
      throw error
    }
    return SMTPListener(channels: channels, loops: loops, identity: identity)
  }

  /// Takes no more connections. Those that are open go on.
  public func stopAccepting() async {
    for channel in channels { try? await channel.close() }
  }

  /// Calls `body` with the delegate of every connection of this listener, each on its own thread of control: how a
  /// shutdown is told.
  public func visit(_ body: @escaping @Sendable (any WireDelegate) -> Void) {
    loops.visitWires(of: ObjectIdentifier(identity)) { wire in wire.delegate.map(body) }
  }

  private static func bootstrap(
    _ options: ListenerOptions, _ loops: TransportLoops, _ acceptor: ConnectionAcceptor
  ) -> ServerBootstrap {
    ServerBootstrap(group: loops.group)
      .serverChannelOption(.backlog, value: Int32(clamping: options.backlog))
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.maxMessagesPerRead, value: readsAtATime)
      .childChannelOption(.recvAllocator, value: receiveAllocator)
      // Without it a reply of a few bytes waits for the peer's delayed acknowledgement.
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { acceptor.accept($0) }
  }

  private static func bind(
    _ endpoint: SocketEndpoint, _ options: ListenerOptions, _ loops: TransportLoops, _ acceptor: ConnectionAcceptor
  ) async throws(ListenFault) -> any Channel {
    var bootstrap = bootstrap(options, loops, acceptor)
    if case .v6 = endpoint.address {
      bootstrap = bootstrap.serverChannelOption(.ipv6OnlyOption, value: 1)
    }
    do {
      return try await bootstrap.bind(to: endpoint.socketAddress()).get()
    } catch {
      throw ListenFault(error, at: endpoint.description)
    }
  }

  private static func adopt(
    _ socket: InheritedSocket, _ options: ListenerOptions, _ loops: TransportLoops, _ acceptor: ConnectionAcceptor
  ) async throws(ListenFault) -> any Channel {
    let place = "inherited socket \(socket.descriptor) (\(socket.name))"
    guard InheritedSockets.isListening(socket.descriptor) else { throw .notListening(place) }
    do {
      return try await bootstrap(options, loops, acceptor).withBoundSocket(socket.descriptor).get()
    } catch {
      throw ListenFault(error, at: place)
    }
  }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
  fileprivate static var ipv6OnlyOption: Self { .init(level: .ipv6, name: .ipv6_v6only) }
}
