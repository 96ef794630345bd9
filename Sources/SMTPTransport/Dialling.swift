import MailSyntax
import NIOCore
import NIOPosix
import SMTPSessions

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// One dial: the attempts of a `DialRace` as channels, all of them on one event loop, which so decides who was first.
/// The others are closed before they have a delegate: nothing is said on them, nor heard.
final class Dialling {
  struct Destination {
    let address: SocketAddress
    /// Nil for a UNIX socket.
    let endpoint: SocketEndpoint?
    let source: SocketEndpoint?

    var description: String { endpoint?.description ?? address.pathname ?? "the socket" }
  }
  typealias Delegate = @Sendable (any Wire, DialledPeer) -> any WireDelegate

  private let destinations: [Destination]
  private let deadline: Uptime
  private let setup: WireSetup
  private let station: TransportLoops.Station
  private let delegate: Delegate
  private let sources: (any SourceWatch)?
  private let outcome: EventLoopPromise<Result<DialledPeer, DialFault>>
  private var race: DialRace
  private var channels: [any Channel] = []
  private var timers: [Scheduled<Void>] = []
  /// The plainest word of an address so far: a no, else silence, else why it could not be tried.
  private var word = DialFault.unreachable("no address was tried")

  init(
    _ destinations: [Destination], until deadline: Uptime, setup: WireSetup, on station: TransportLoops.Station,
    sources: (any SourceWatch)? = nil, outcome: EventLoopPromise<Result<DialledPeer, DialFault>>,
    delegate: @escaping Delegate
  ) {
    self.sources = sources
    self.destinations = destinations
    self.deadline = deadline
    self.setup = setup
    self.station = station
    self.outcome = outcome
    self.delegate = delegate
    race = DialRace(count: destinations.count)
  }

  func start() {
    schedule(after: max(.zero, deadline - .current)) { dialling in
      dialling.note(.unanswered("\(dialling.place): no answer in time"))
      dialling.end(.failure(dialling.word))
    }
    follow(race.start())
  }

  func grewLate(_ index: Int) { follow(race.grewLate(index)) }

  func cancel() { end(.failure(.unreachable("the dial was cancelled"))) }

  /// The last one that was tried.
  private var place: String { race.newest.map { destinations[$0].description } ?? "the host" }

  private func follow(_ move: DialRace.Move) {
    switch move {
    case .wait: break
    case .begin(let index): begin(index)
    case .lost: end(.failure(word))
    }
  }

  private func begin(_ index: Int) {
    let destination = destinations[index]
    let me = NIOLoopBound(self, eventLoop: station.loop)
    var bootstrap = ClientBootstrap(group: station.loop)
      .connectTimeout(TimeAmount(max(.zero, deadline - .current)))
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.maxMessagesPerRead, value: SMTPListener.readsAtATime)
      .channelOption(.recvAllocator, value: SMTPListener.receiveAllocator)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          me.value.channels.append(channel)
          try channel.pipeline.syncOperations.addHandler(Gate(me.value, destination))
        }
      }
    if destination.endpoint != nil { bootstrap = bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1) }
    if let source = destination.source, let address = try? source.socketAddress() {
      bootstrap = bootstrap.bind(to: address)
    }
    bootstrap.connect(to: destination.address).assumeIsolated().whenFailure { error in
      self.note(self.fault(for: error, at: destination))
      self.follow(self.race.failed())
    }
    schedule(after: NIODialer.staggerDelay) { $0.grewLate(index) }
  }

  /// Called by the gate of a channel that has connected: its wire, or nil where it came second.
  private func wire(to destination: Destination, on channel: any Channel) -> WireChannelHandler? {
    if let source = destination.source { sources?.had(source.address) }
    guard race.connected() else { return nil }
    channels.removeAll { $0 === channel }
    let (delegate, peer) = (delegate, DialledPeer(endpoint: destination.endpoint))
    return WireChannelHandler(setup: setup, station: station, peer: destination.endpoint, local: nil) {
      delegate($0, peer)
    }
  }

  private func end(_ result: Result<DialledPeer, DialFault>) {
    race.end()
    for timer in timers { timer.cancel() }
    for channel in channels { channel.close(promise: nil) }
    (timers, channels) = ([], [])
    outcome.succeed(result)
  }

  private func schedule(after delay: Duration, _ body: @escaping (Dialling) -> Void) {
    timers.append(station.loop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { body(self) })
  }

  private func note(_ fault: DialFault) {
    switch (word, fault) {
    case (_, .refused), (.unreachable, _), (.unanswered, .unanswered): word = fault
    case (_, _): break
    }
  }

  private func fault(for error: any Error, at destination: Destination) -> DialFault {
    let place = destination.description
    // An address that we can't come from is our fault, and not that of the server it was meant for.
    if let source = destination.source, let error = error as? IOError, error.errnoCode == EADDRNOTAVAIL {
      let reason = "this machine has no address \(source.address)"
      sources?.lacked(source.address, reason: reason)
      return .unreachable("\(reason), which outbound.sources names; \(place) was not asked")
    }
    switch error {
    case let error as IOError where error.errnoCode == ECONNREFUSED || error.errnoCode == ECONNRESET:
      return .refused("\(place): \(systemWords(for: error.errnoCode))")
    case let error as IOError: return .unreachable("\(place): \(systemWords(for: error.errnoCode))")
    case ChannelError.connectTimeout: return .unanswered("\(place): no answer in time")
    case _: return .unreachable("\(place): \(error)")
    }
  }

  /// Stands in a channel until it has connected, and then gives its place to the wire or closes the channel.
  private final class Gate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    private let dialling: Dialling
    private let destination: Destination
    init(_ dialling: Dialling, _ destination: Destination) {
      self.dialling = dialling
      self.destination = destination
    }

    func channelActive(context: ChannelHandlerContext) {
      guard let wire = dialling.wire(to: destination, on: context.channel) else {
        return context.close(promise: nil)
      }
      do {
        // An active channel's wire opens as it is added.
        try context.pipeline.syncOperations.addHandler(wire, position: .after(self))
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        dialling.end(.success(DialledPeer(endpoint: destination.endpoint)))
      } catch {
        context.close(promise: nil)
        dialling.end(.failure(.unreachable("\(destination.description): \(error)")))
      }
    }
  }
}
