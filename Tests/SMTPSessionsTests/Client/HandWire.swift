import MailSyntax
import NIOCore
import TransportSecurity

@_spi(TLSProofMinting) @testable import SMTPSessions

/// A wire whose other end is the test: it says what the server says, looks at what the client wrote, and moves the
/// clock. What the connection awaits is handed over one by one, by `step`.
final class HandWire: Wire, @unchecked Sendable {
  var uptime = Uptime(nanoseconds: 0)
  var isWritable = true
  var delegate: (any WireDelegate)?
  private(set) var isClosed = false
  private(set) var handshake: TLSSide?
  private var unflushed = ByteBuffer()
  private var written = ByteBuffer()

  private struct Answer: @unchecked Sendable { let take: () -> Void }
  private let answers: AsyncStream<Answer>
  private let give: AsyncStream<Answer>.Continuation
  private let dialled = OneShot<Void>()

  init() { (answers, give) = AsyncStream.makeStream() }

  func write(_ bytes: ByteBuffer) { unflushed.writeImmutableBuffer(bytes) }
  private(set) var largestFlush = 0
  func flush() {
    largestFlush = max(largestFlush, unflushed.readableBytes)
    written.writeBuffer(&unflushed)
    unflushed.clear()
  }
  func pauseReading() {}
  func resumeReading() {}
  func startTLS(_ side: TLSSide) { handshake = side }
  func close() {
    flush()
    isClosed = true
  }
  func await<Value: Sendable>(
    _ question: @escaping @Sendable () async -> Value, then: @escaping (Value) -> Void
  ) {
    nonisolated(unsafe) let then = then
    let give = give
    Task {
      let value = await question()
      give.yield(Answer { then(value) })
    }
  }

  /// Waits for the next answer that the connection awaits, and lets it have it.
  func step() async {
    for await answer in answers {
      answer.take()
      return
    }
  }

  /// Waits for the next answer as `step` does, and keeps it from the connection: the wire goes before it gets there.
  func lose() async {
    for await _ in answers { return }
  }

  /// What the client wrote since.
  func sent() -> String {
    defer { written.clear() }
    return String(buffer: written)
  }

  func say(_ text: String) {
    var bytes = ByteBuffer(string: text)
    delegate?.received(&bytes)
  }

  func finishHandshake(verified: Bool = true) {
    handshake = nil
    delegate?.tlsEstablished(.example(verified: verified))
  }

  func pass(_ duration: Duration) {
    uptime = uptime + duration
    delegate?.tick()
  }

  func end(_ fault: WireFault? = nil) { delegate?.closed(fault) }

  fileprivate func dial(_ peer: DialledPeer, _ make: (any Wire, DialledPeer) -> any WireDelegate) {
    delegate = make(self, peer)
    dialled.fulfil(())
  }
  func connected() async {
    await dialled.value()
    delegate?.opened()
  }
}

struct HandDialer: Dialer {
  let wire: HandWire
  var peer = DialledPeer(endpoint: nil)
  func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer {
    wire.dial(peer, delegate)
    return peer
  }
}

extension TLSProof {
  static func example(verified: Bool = true, hostName: String = "server.example") -> TLSProof {
    TLSProof(
      facts: TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec),
        serverName: hostName,
        peerCertificate: CertificateFacts(
          sha256Fingerprint: [], dnsNames: [hostName],
          verification: verified ? .verified(hostName: hostName) : .failed(.notTrusted(reason: "self-signed")))))
  }
}

/// Gives its pieces, or fails behind them.
actor PieceBody: OutgoingBody {
  private var pieces: [String]
  private let fault: OutgoingBodyFault?
  init(_ pieces: [String], then fault: OutgoingBodyFault? = nil) {
    self.pieces = pieces
    self.fault = fault
  }
  func next() async throws(OutgoingBodyFault) -> ByteBuffer? {
    if pieces.isEmpty, let fault { throw fault }
    return pieces.isEmpty ? nil : ByteBuffer(string: pieces.removeFirst())
  }
}
