public import TransportSecurity

/// Why a conversation could not be opened, and what was known of the server by then: a failure behind the handshake is
/// recorded with the TLS it happened under.
public struct OpeningFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let fault: DialogueFault
  /// What the handshake settled, where one ended well: also one whose certificate proved too little.
  public let tls: TLSFacts?
  /// Who was connected to; nil where nobody was.
  public var peer: DialledPeer?
  /// As `ClientConversation.greetingName`: an own host that says no in its greeting is told by it.
  public let greetingName: String?
  public let reach: Reach

  /// Whether packets pass to the host and back.
  public enum Reach: Hashable, Sendable {
    /// A connection was made, or refused by somebody.
    case answered
    /// Nothing came back from any address at all: the mark of a port that is blocked on the way.
    case silent
    /// Nobody could be asked: there is no way to the addresses' family, or we gave up ourselves.
    case unknown
  }

  public init(
    _ fault: DialogueFault, tls: TLSFacts? = nil, peer: DialledPeer? = nil, greetingName: String? = nil,
    reach: Reach = .answered
  ) {
    self.fault = fault
    self.tls = tls
    self.peer = peer
    self.greetingName = greetingName
    self.reach = reach
  }

  public var description: String { fault.description }
}
