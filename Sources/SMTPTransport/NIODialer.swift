public import MailSyntax
import NIOCore
import NIOPosix
public import SMTPSessions

/// Opens client wires on sockets. Source: RFC 5321 §5.1 (each address in turn).
public final class NIODialer: Dialer {
  /// Of a host's addresses, so many are tried.
  public static let maximumAddresses = 8

  private let loops: TransportLoops
  private let resolver: any HostResolver
  private let setup: WireSetup

  /// - Parameters:
  ///   - roots: whom the client's side of TLS believes; without them every handshake fails, and wires stay in clear.
  ///   - now: the wall clock that certificates are judged by.
  /// - Throws: `TrustRootsFault.noContext` where TLS can't be had at all.
  public init(
    loops: TransportLoops, resolver: any HostResolver = SystemHostResolver(), roots: TrustRoots?,
    timeouts: WireTimeouts = WireTimeouts(), now: @escaping @Sendable () -> UTCInstant
  ) throws(TrustRootsFault) {
    self.loops = loops
    self.resolver = resolver
    var client: ClientTLS?
    if let roots { client = try ClientTLS(roots: roots, now: now) }
    setup = WireSetup(client: client, timeouts: timeouts)
  }

  public func dial(
    _ target: DialTarget, from source: IPAddress?, timeout: Duration,
    delegate: @escaping @Sendable (any Wire) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    let deadline = Uptime.current + timeout
    switch target {
    case .unixSocket(let path):
      guard let address = try? SocketAddress(unixDomainSocketPath: path) else {
        throw .unreachable("\(path): the path is too long for a socket")
      }
      try await connect(to: address, endpoint: nil, from: nil, within: timeout, delegate)
      return DialledPeer(endpoint: nil)
    case .address(let endpoint):
      return try await dial([endpoint], from: source, until: deadline, delegate)
    case .host(let name, let port):
      let addresses = try await resolve(name, within: timeout)
      let usable = NIODialer.inTurn(addresses.filter { source == nil || source?.octets.count == $0.octets.count })
      guard !usable.isEmpty else {
        throw .unreachable("\(name) has no address of the family of the source address")
      }
      let endpoints = usable.prefix(NIODialer.maximumAddresses).map { SocketEndpoint(address: $0, port: port) }
      return try await dial(endpoints, from: source, until: deadline, delegate)
    }
  }

  /// The resolver's order, with the two families in turn: a host whose one family is cut off is still reached early.
  static func inTurn(_ addresses: [IPAddress]) -> [IPAddress] {
    guard let first = addresses.first else { return [] }
    let width = first.octets.count
    let same = addresses.filter { $0.octets.count == width }
    let other = addresses.filter { $0.octets.count != width }
    return (0..<max(same.count, other.count)).flatMap { index in
      [same, other].compactMap { $0.indices.contains(index) ? $0[index] : nil }
    }
  }

  private func resolve(_ name: DomainName, within timeout: Duration) async throws(DialFault) -> [IPAddress] {
    // The look-up may not heed cancellation (getaddrinfo doesn't), so the wait is cut instead.
    let promise = loops.group.next().makePromise(of: Result<[IPAddress], DialFault>.self)
    let alarm = promise.futureResult.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
      promise.succeed(.failure(.resolutionFailed("\(name): no answer in time")))
    }
    let look = Task { [resolver] in
      do throws(DialFault) {
        promise.succeed(.success(try await resolver.addresses(of: name)))
      } catch {
        promise.succeed(.failure(error))
      }
    }
    defer {
      alarm.cancel()
      look.cancel()
    }
    guard let outcome = try? await promise.futureResult.get() else { throw .resolutionFailed("\(name)") }
    return try outcome.get()
  }

  private func dial(
    _ endpoints: [SocketEndpoint], from source: IPAddress?, until deadline: Uptime,
    _ delegate: @escaping @Sendable (any Wire) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    var last = DialFault.unreachable("no address was tried")
    for (index, endpoint) in endpoints.enumerated() {
      let left = deadline - .current
      guard left > .zero, !Task.isCancelled else { break }
      guard let address = try? endpoint.socketAddress() else { continue }
      do throws(DialFault) {
        // What is left, shared out over what is left to try.
        let share = left / (endpoints.count - index)
        try await connect(to: address, endpoint: endpoint, from: source, within: share, delegate)
        return DialledPeer(endpoint: endpoint)
      } catch {
        last = error
      }
    }
    throw last
  }

  private func connect(
    to address: SocketAddress, endpoint: SocketEndpoint?, from source: IPAddress?, within timeout: Duration,
    _ delegate: @escaping @Sendable (any Wire) -> any WireDelegate
  ) async throws(DialFault) {
    let (loops, setup) = (loops, setup)
    var bootstrap = ClientBootstrap(group: loops.group)
      .connectTimeout(TimeAmount(timeout))
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.maxMessagesPerRead, value: SMTPListener.readsAtATime)
      .channelOption(.recvAllocator, value: SMTPListener.receiveAllocator)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let wire = WireChannelHandler(
            setup: setup, station: loops.station(of: channel.eventLoop), peer: endpoint, local: nil
          ) { delegate($0) }
          try channel.pipeline.syncOperations.addHandler(wire)
        }
      }
    if endpoint != nil { bootstrap = bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1) }
    if let source, let local = try? SocketEndpoint(address: source, port: 0).socketAddress() {
      bootstrap = bootstrap.bind(to: local)
    }
    do {
      // NIO answers before the channel is told that it is active: a turn of the loop later the delegate is there.
      _ = try await bootstrap.connect(to: address).flatMap { $0.eventLoop.submit {} }.get()
    } catch {
      let place = endpoint?.description ?? address.pathname ?? "the socket"
      throw .unreachable("\(place): \(NIODialer.words(for: error))")
    }
  }

  private static func words(for error: any Error) -> String {
    switch error {
    case let error as IOError: systemWords(for: error.errnoCode)
    case ChannelError.connectTimeout: "no answer in time"
    case _: "\(error)"
    }
  }
}
