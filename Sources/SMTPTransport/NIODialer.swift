public import MailSyntax
import NIOCore
import NIOPosix
public import SMTPSessions

/// Opens client wires on sockets: the addresses of a host one after the other, each with a short start before the next
/// (RFC 5321 §5.1, RFC 8305 §5).
public final class NIODialer: Dialer {
  /// Of a host's addresses, so many are tried.
  public static let maximumAddresses = 8
  /// How long an address has to answer before the next is tried beside it (RFC 8305 §8).
  public static let staggerDelay = Duration.milliseconds(250)

  private let loops: TransportLoops
  private let resolver: any HostResolver
  private let setup: WireSetup
  private let sources: (any SourceWatch)?

  /// - Parameters:
  ///   - roots: whom the client's side of TLS believes; without them every handshake fails, and wires stay in clear.
  ///   - sources: hears which addresses of ours could be had for connections.
  ///   - now: the wall clock that certificates are judged by.
  /// - Throws: `TrustRootsFault.noContext` where TLS can't be had at all.
  public init(
    loops: TransportLoops, resolver: any HostResolver = SystemHostResolver(), roots: TrustRoots?,
    timeouts: WireTimeouts = WireTimeouts(), sources: (any SourceWatch)? = nil,
    now: @escaping @Sendable () -> UTCInstant
  ) throws(TrustRootsFault) {
    self.loops = loops
    self.resolver = resolver
    self.sources = sources
    var client: ClientTLS?
    if let roots { client = try ClientTLS(roots: roots, now: now) }
    setup = WireSetup(client: client, timeouts: timeouts)
  }

  public func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    let deadline = Uptime.current + timeout
    switch target {
    case .unixSocket(let path):
      guard let address = try? SocketAddress(unixDomainSocketPath: path) else {
        throw .unreachable("\(path): the path is too long for a socket")
      }
      let destination = Dialling.Destination(address: address, endpoint: nil, source: nil)
      return try await dial([destination], until: deadline, delegate)
    case .address(let endpoint):
      return try await dial([endpoint], from: egress, until: deadline, delegate)
    case .addresses(let endpoints):
      return try await dial(endpoints, from: egress, until: deadline, delegate)
    case .host(let name, let port):
      let endpoints = try await resolve(name, within: timeout).map { SocketEndpoint(address: $0, port: port) }
      return try await dial(endpoints, from: egress, until: deadline, delegate)
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
    _ endpoints: [SocketEndpoint], from egress: Egress, until deadline: Uptime, _ delegate: @escaping Dialling.Delegate
  ) async throws(DialFault) -> DialledPeer {
    let destinations = DialRace.inTurn(endpoints).prefix(NIODialer.maximumAddresses).compactMap { endpoint in
      // An address of its own octets is always one of a socket.
      (try? endpoint.socketAddress()).map { address in
        let source = egress.source(toward: endpoint.address).map { SocketEndpoint(address: $0.address, port: 0) }
        return Dialling.Destination(address: address, endpoint: endpoint, source: source)
      }
    }
    return try await dial(destinations, until: deadline, delegate)
  }

  private func dial(
    _ destinations: [Dialling.Destination], until deadline: Uptime, _ delegate: @escaping Dialling.Delegate
  ) async throws(DialFault) -> DialledPeer {
    let station = loops.station(of: loops.group.next())
    let outcome = station.loop.makePromise(of: Result<DialledPeer, DialFault>.self)
    let dialling = NIOLoopBoundBox.makeBoxSendingValue(
      Dialling(
        destinations, until: deadline, setup: setup, on: station, sources: sources, outcome: outcome, delegate: delegate
      ),
      as: Dialling.self, eventLoop: station.loop)
    station.loop.execute { dialling.value.start() }
    let result = await withTaskCancellationHandler {
      try? await outcome.futureResult.get()
    } onCancel: {
      station.loop.execute { dialling.value.cancel() }
    }
    guard let result else { throw .unreachable("the dial was cancelled") }
    return try result.get()
  }
}
