public import MailSyntax
public import NIOCore
public import NIOPosix
import NIOSSL
import Synchronization

/// An attacker in the middle, on real sockets: it listens where a client believes the server to be, and goes on to the
/// true server with what its attack makes of the dialogue.
///
/// What it sees stands in `record`. It takes `AttackBounds` and no more, and only ever connects to the server it was
/// given.
public final class AttackProxy: Sendable {
  /// Where it listens; with port 0 asked for, the port it was given.
  public let endpoint: SocketEndpoint
  private let listener: any Channel
  private let scene: AttackScene
  private let group: any EventLoopGroup

  private init(endpoint: SocketEndpoint, listener: any Channel, scene: AttackScene, group: any EventLoopGroup) {
    self.endpoint = endpoint
    self.listener = listener
    self.scene = scene
    self.group = group
  }

  /// What it has done and seen until now.
  public var record: AttackRecord { scene.record.withLock { $0 } }

  /// Begins to listen.
  ///
  /// - Parameters:
  ///   - endpoint: port 0 picks a free one.
  ///   - server: the true one, reached when a client connects.
  /// - Throws: `AttackFault`.
  public static func open(
    listening endpoint: SocketEndpoint, before server: SocketEndpoint, attack: Attack,
    bounds: AttackBounds = AttackBounds(), on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) async throws(AttackFault) -> AttackProxy {
    let onward = try AttackIdentity.onwardContext()
    let scene = AttackScene(server: server, attack: attack, bounds: bounds, onward: onward)
    do {
      let listener = try await ServerBootstrap(group: group)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        // Nothing is read of the client before there is a server to tell.
        .childChannelOption(.autoRead, value: false)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try scene.enter(channel) }
        }
        .bind(host: endpoint.address.description, port: Int(endpoint.port)).get()
      let port = listener.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? endpoint.port
      return AttackProxy(
        endpoint: SocketEndpoint(address: endpoint.address, port: port), listener: listener, scene: scene,
        group: group)
    } catch {
      throw .cannotListen(endpoint, reason: "\(error)")
    }
  }

  /// Listens no more and ends every connection. Then `record` is whole.
  public func close() async {
    try? await listener.close()
    for channel in scene.open.withLock({ Array($0.values) }) { try? await channel.close() }
    // A channel is closed before its handlers are told of it, on the same loop.
    for loop in group.makeIterator() { try? await loop.submit {}.get() }
  }
}

/// What all connections of a proxy have in common.
final class AttackScene: Sendable {
  let server: SocketEndpoint
  let attack: Attack
  let bounds: AttackBounds
  let onward: NIOSSLContext
  let record = Mutex(AttackRecord())
  let open = Mutex<[ObjectIdentifier: any Channel]>([:])

  init(server: SocketEndpoint, attack: Attack, bounds: AttackBounds, onward: NIOSSLContext) {
    self.server = server
    self.attack = attack
    self.bounds = bounds
    self.onward = onward
  }

  /// On the channel's loop.
  fileprivate func enter(_ channel: any Channel) throws {
    let isRoom = open.withLock { open in
      guard open.count < bounds.connections else { return false }
      open[ObjectIdentifier(channel)] = channel
      return true
    }
    guard isRoom else { throw AttackFault.cannotListen(server, reason: "too many connections") }
    record.withLock { $0.connections += 1 }
    channel.closeFuture.whenComplete { [self] _ in
      open.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) }
    }
    try AttackedConnection(client: channel, scene: self).begin()
  }
}
