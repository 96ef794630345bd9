public import MailSyntax
public import SASLMechanisms
public import TransportSecurity

/// What a listener is for. Source: RFC 8314 §3.3, RFC 6409 §3.1, RFC 5321.
public enum ListenerRole: String, Hashable, Sendable, CaseIterable {
  /// 465: submission inside TLS from the first byte.
  case submissions
  /// 587 and 2525: submission after a required STARTTLS.
  case submission
  /// 25: from other mail servers; STARTTLS offered and never demanded.
  case relay

  public var isSubmission: Bool { self != .relay }
}

/// Names a session in logs and replies: ten characters of base 32.
public struct SessionID: Hashable, Sendable, CustomStringConvertible {
  public let description: String
  public init(_ random: UInt64) { description = crockford(random, characters: 10) }
}

/// What is known of a server session when a question is asked.
public struct SessionFacts: Hashable, Sendable {
  public let session: SessionID
  public let role: ListenerRole
  public let peer: SocketEndpoint
  public let local: SocketEndpoint
  public var tls: TLSFacts?
  public var clientIdentity: HostIdentity?
  /// EHLO, not HELO, was the greeting.
  public var isExtended = false
  public var user: AuthenticatedUser?
  /// Of a refusal: what the refused command or its transaction names.
  public var refused: NamedEnvelope?

  public init(session: SessionID, role: ListenerRole, peer: SocketEndpoint, local: SocketEndpoint) {
    self.session = session
    self.role = role
    self.peer = peer
    self.local = local
  }
}

/// Sender and recipient that a command names, or its transaction does: of several recipients the first.
public struct NamedEnvelope: Hashable, Sendable {
  public var sender: ReversePath?
  public var recipient: ForwardPath?
  public init(sender: ReversePath? = nil, recipient: ForwardPath? = nil) {
    self.sender = sender
    self.recipient = recipient
  }
}

/// Who authenticated, by which mechanism. Only an `AuthenticationAnswer` brings the name into a session.
public struct AuthenticatedUser: Hashable, Sendable {
  public let name: String
  public let mechanism: ServerMechanism
  public init(name: String, mechanism: ServerMechanism) {
    self.name = name
    self.mechanism = mechanism
  }
}
