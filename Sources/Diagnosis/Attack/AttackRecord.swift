/// What an attacker did and saw, over all connections. It is the judge of a defence: an attacker that has seen mail or a
/// password has won, whatever the two ends believe.
public struct AttackRecord: Hashable, Sendable {
  public var connections = 0
  /// How often the attack was carried out: lines cut, replies forged, octets injected, handshakes begun in the server's
  /// place. With none, a victim that was not harmed has proven nothing.
  public var strikes = 0
  /// Handshakes that a client finished with the attacker, taking it for the server.
  public var handshakesWon = 0
  /// Handshakes that a client broke off.
  public var handshakesLost = 0
  /// MAIL and RCPT commands that it could read, in clear or inside TLS of its own.
  public var envelopeCommands = 0
  /// Passwords, tokens and answers to challenges that it could read.
  public var credentials = 0
  /// Octets of messages that it could read, by DATA or BDAT.
  public var bodyOctets = 0

  public init() {}

  public var hasSeenEnvelope: Bool { envelopeCommands > 0 }
  public var hasSeenCredential: Bool { credentials > 0 }
  public var hasSeenBody: Bool { bodyOctets > 0 }
  /// Anything that was meant for the server alone.
  public var hasSeenMail: Bool { hasSeenEnvelope || hasSeenCredential || hasSeenBody }

  static func += (sum: inout AttackRecord, more: AttackRecord) {
    sum.connections += more.connections
    sum.strikes += more.strikes
    sum.handshakesWon += more.handshakesWon
    sum.handshakesLost += more.handshakesLost
    sum.envelopeCommands += more.envelopeCommands
    sum.credentials += more.credentials
    sum.bodyOctets += more.bodyOctets
  }
}

/// How much an attacker takes on, so that a laboratory left alone harms nobody.
public struct AttackBounds: Hashable, Sendable {
  /// At the same time; more are closed at once.
  public var connections = 64
  /// Of one connection, both ways together.
  public var octets = 64 << 20
  /// Of one connection, from its first moment.
  public var time = Duration.seconds(300)
  /// Of a command or a line of a reply. RFC 5321 §4.5.3.1 allows 512, extensions some thousands.
  static let lineOctets = 16_384
  /// Of a whole reply.
  static let replyOctets = 65_536
  /// Replies that a client may be ahead of.
  static let pipelinedCommands = 1_000

  public init() {}
}
