public import MailSyntax
public import NIOCore
public import TransportSecurity

/// The seam between a connection and the world. `SMTPTransport` puts a NIO channel behind it, `Simulation` a modelled
/// one; the laws are proven on the code that ships. All calls come from, and all callbacks go to, one thread of control.
public protocol Wire: AnyObject {
  var uptime: Uptime { get }
  /// Hands bytes over; they leave with the next `flush`.
  func write(_ bytes: ByteBuffer)
  func flush()
  /// False while the peer takes too little: writers wait for `WireDelegate.becameWritable`.
  var isWritable: Bool { get }
  /// Stops and restarts reading: the back-pressure.
  func pauseReading()
  func resumeReading()
  /// Whether a server may begin a handshake now, which counts as one begun. False where this peer has begun too many:
  /// asked before the answer to STARTTLS, so that the peer hears of it.
  func admitsTLS() -> Bool
  /// Begins the TLS handshake, the server's after all that was written has been handed over. The delegate hears of the
  /// end by `tlsEstablished` or `closed`.
  func startTLS(_ side: TLSSide)
  /// Flushes, says close_notify where TLS is active, and closes. The delegate hears `closed`.
  func close()
  /// Runs an awaiting decision and comes back on this wire's own thread of control; after the wire is gone `then` is
  /// not called.
  func await<Answer: Sendable>(
    _ question: @escaping @Sendable () async -> Answer, then: @escaping (Answer) -> Void)
}

extension Wire {
  /// A wire that counts no handshakes.
  public func admitsTLS() -> Bool { true }
}

/// Which side of the handshake, and for a client whom it must meet.
public enum TLSSide: Hashable, Sendable {
  case server
  /// A peer that isn't what is demanded ends the handshake; what is known of it is written into the facts.
  case client(ExpectedPeer)

  /// A peer by its name alone.
  public static func client(hostName: String, demand: CertificateDemand) -> TLSSide {
    .client(ExpectedPeer(hostName: hostName, demand: demand))
  }
}

/// What a wire tells the connection on it. `ServerConnection` and `ClientConnection` are the two of them.
public protocol WireDelegate: AnyObject {
  func opened()
  /// What isn't taken out of `bytes` is the delegate's to copy and keep.
  func received(_ bytes: inout ByteBuffer)
  func tlsEstablished(_ proof: TLSProof)
  func becameWritable()
  /// The peer will send no more; replies may still be written.
  func inputClosed()
  /// Called about once a second: time to look at deadlines.
  func tick()
  /// The last call.
  func closed(_ fault: WireFault?)
}

/// How a wire ended other than by our own `close`.
public enum WireFault: Error, Hashable, Sendable {
  case peerClosed
  case reset(String)
  case handshakeFailed(String)
  case certificateRefused(CertificateFault)
  /// The peer's best is TLS 1.1 or lower, by the client's hello, the server's hello or the alert in its place.
  case obsoleteTLS
}

/// Evidence that a TLS handshake ended well on this very wire, with what it settled. It opens an encrypted session.
/// Minted only where a handshake is seen to end: a test names the callers.
public struct TLSProof: Hashable, Sendable {
  public let facts: TLSFacts
  @_spi(TLSProofMinting) public init(facts: TLSFacts) { self.facts = facts }

  /// The peer's name, when its certificate was verified for it. A credential goes to nobody else (Law 3).
  public var verifiedPeer: VerifiedPeer? {
    guard case .verified(let hostName) = facts.peerCertificate?.verification else { return nil }
    return VerifiedPeer(hostName: hostName)
  }
}

/// A peer whose certificate proved `hostName`. Only `TLSProof.verifiedPeer` makes one.
public struct VerifiedPeer: Hashable, Sendable {
  public let hostName: String
  fileprivate init(hostName: String) { self.hostName = hostName }
}

/// Leave to send mail over a channel without TLS, with the reason that goes into the record (Law 2).
/// Minted only by the decision function and by an explicit wish for an insecure channel: a test names the callers.
public struct CleartextPermit: Hashable, Sendable {
  public let reason: String
  @_spi(CleartextPermitMinting) public init(reason: String) { self.reason = reason }
}

/// Opens wires for client connections.
public protocol Dialer: Sendable {
  /// Resolves where needed and connects to the addresses, the next one begun when one fails or is late, until one
  /// answers or `timeout` has passed in all. Only that one becomes a wire.
  ///
  /// - Parameters:
  ///   - egress: its source of an address's family, where it has one.
  ///   - delegate: called on the wire's own thread of control before `opened`, with what the dial returns.
  func dial(
    _ target: DialTarget, from egress: Egress, timeout: Duration,
    delegate: @escaping @Sendable (any Wire, DialledPeer) -> any WireDelegate
  ) async throws(DialFault) -> DialledPeer
}

public enum DialTarget: Hashable, Sendable, CustomStringConvertible {
  case host(DomainName, port: UInt16)
  case address(SocketEndpoint)
  /// Those of one host, the best first. Of many, a dialer tries a bounded number.
  case addresses([SocketEndpoint])
  case unixSocket(path: String)

  public var description: String {
    switch self {
    case .host(let name, let port): "\(name):\(port)"
    case .address(let endpoint): endpoint.description
    case .addresses(let endpoints): endpoints.map(\.description).joined(separator: ", ")
    case .unixSocket(let path): path
    }
  }
}

/// Who answered: the address, absent for a UNIX socket.
public struct DialledPeer: Hashable, Sendable {
  public let endpoint: SocketEndpoint?
  public init(endpoint: SocketEndpoint?) { self.endpoint = endpoint }
}

public enum DialFault: Error, Hashable, Sendable {
  /// The name has no address, and the resolver was sure.
  case noSuchHost(String)
  /// The look-up failed for now.
  case resolutionFailed(String)
  /// No address could be tried, or the dial was cancelled: nothing is known of the host.
  case unreachable(String)
  /// Some address answered with a no.
  case refused(String)
  /// Nothing came back from any address before the time was over, neither a yes nor a no.
  case unanswered(String)
}
