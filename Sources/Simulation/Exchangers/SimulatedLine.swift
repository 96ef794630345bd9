import MailSyntax
import NIOCore
import SMTPSessions

/// A connection of ours to a mail host: `Wire` for the client's connection that ships, plain functions for the host. What
/// either end sends arrives later, in order; what was on its way when an end went still arrives at the other.
/// Everything happens on the world's thread.
final class SimulatedLine: WorldWire, @unchecked Sendable {
  /// Seldom enough to be cheap; deadlines are minutes.
  private static let tickInterval = Duration.seconds(7)

  private let internet: SimulatedInternet
  let world: World
  private var delegate: (any WireDelegate)?
  private var session: ReceivingSession?
  private var outgoing = ByteBuffer()
  /// The moments at which the last thing sent arrives, by direction.
  private var arrivalAtHost = Uptime(nanoseconds: 0)
  private var arrivalAtClient = Uptime(nanoseconds: 0)
  private var ticking: Int?
  /// Our end is gone: nothing that the host still says is heard.
  private(set) var isClosed = false
  private var isHostGone = false

  init(_ internet: SimulatedInternet) {
    self.internet = internet
    world = internet.world
  }

  func open(_ delegate: any WireDelegate, _ session: ReceivingSession) {
    self.delegate = delegate
    self.session = session
    delegate.opened()
    session.opened()
    tickLater()
  }

  // MARK: Our end

  func write(_ bytes: ByteBuffer) { outgoing.writeImmutableBuffer(bytes) }
  func flush() {
    guard !isClosed, outgoing.readableBytes > 0 else { return }
    let bytes = outgoing
    outgoing = ByteBuffer()
    toHost { $0.received(bytes) }
  }
  func pauseReading() {}
  func resumeReading() {}
  func startTLS(_ side: TLSSide) {
    guard case .client(let peer) = side else { return }
    toHost { $0.handshake(with: peer) }
  }
  func close() {
    flush()
    end(nil)
  }

  /// Our machine lost its power, or the line broke.
  func cut() { end(.reset("the line is cut")) }

  private func end(_ fault: WireFault?) {
    guard !isClosed else { return }
    isClosed = true
    if let ticking { world.removeTimer(ticking) }
    ticking = nil
    let delegate = delegate
    self.delegate = nil
    session?.lostClient()
    toHost { $0.closed() }
    delegate?.closed(fault)
  }

  private func tickLater() {
    guard !isClosed else { return }
    ticking = world.addTimer(at: world.uptime + SimulatedLine.tickInterval) { [self] in
      ticking = nil
      delegate?.tick()
      tickLater()
    }
  }

  // MARK: The host's end

  /// - Parameter heard: called when it has arrived; never where our end was gone by then.
  func say(_ text: String, within slowest: Duration, heard: @escaping () -> Void = {}) {
    toClient(within: slowest) { line in
      heard()
      var bytes = ByteBuffer(string: text)
      line.delegate?.received(&bytes)
    }
  }

  func finishHandshake(_ result: Result<TLSProof, WireFault>, within slowest: Duration) {
    toClient(within: slowest) { line in
      switch result {
      case .success(let proof): line.delegate?.tlsEstablished(proof)
      case .failure(let fault): line.end(fault)
      }
    }
  }

  /// The host closes or is lost; what it said before still arrives.
  func hangUp() {
    guard !isHostGone else { return }
    toClient(within: .zero) { $0.end(.peerClosed) }
    isHostGone = true
  }

  // MARK: On the way

  private func toHost(_ act: @escaping (ReceivingSession) -> Void) {
    arrivalAtHost = max(arrivalAtHost, world.uptime + delay(.milliseconds(20)))
    _ = world.addTimer(at: arrivalAtHost) { [self] in
      guard let session, !isHostGone else { return }
      act(session)
    }
  }

  private func toClient(within slowest: Duration, _ act: @escaping (SimulatedLine) -> Void) {
    guard !isHostGone else { return }
    arrivalAtClient = max(arrivalAtClient, world.uptime + delay(slowest))
    _ = world.addTimer(at: arrivalAtClient) { [self] in
      if !isClosed { act(self) }
    }
  }

  private func delay(_ slowest: Duration) -> Duration {
    .milliseconds(1 + internet.random.below(Int(slowest.nanoseconds / 1_000_000) + 1))
  }
}
