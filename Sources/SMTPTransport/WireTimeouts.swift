/// How long a wire waits for its peer. Looked at by the sweep, so each may come late by one sweep.
public struct WireTimeouts: Hashable, Sendable {
  /// From the start of a TLS handshake to its end.
  public var handshake: Duration = .seconds(30)
  /// A TLS port that has seen no byte says so, in the log and on the wire, after this long.
  public var silenceSaid: Duration = .seconds(5)
  /// And closes after this long.
  public var silenceClosed: Duration = .seconds(15)
  /// A trusted proxy's header must be here by then.
  public var proxyHeader: Duration = .seconds(5)
  /// From our wish to close to the end, however slowly the peer reads and answers.
  public var close: Duration = .seconds(5)

  public init() {}
}
