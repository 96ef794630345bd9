public import MailSyntax

/// What a server session needs to know of the house it stands in.
public struct ServerSettings: Hashable, Sendable {
  /// The name in the greeting and in the EHLO answer.
  public var hostName: DomainName
  public var limits: ServerLimits
  /// False where no certificate is at hand: then STARTTLS isn't offered on 25 (RFC 8314 §4, ITLS-008).
  public var offersSTARTTLS: Bool

  public init(hostName: DomainName, limits: ServerLimits = ServerLimits(), offersSTARTTLS: Bool = true) {
    self.hostName = hostName
    self.limits = limits
    self.offersSTARTTLS = offersSTARTTLS
  }
}

/// The named bounds of one session. Every default is a documented configuration key under `limits`.
public struct ServerLimits: Hashable, Sendable {
  /// SIZE: octets of content, dot-stuffing not counted (RFC 1870 §5).
  public var messageSize: ByteCount = 52_428_800
  /// At least 100 (RFC 5321 §4.5.3.1.8).
  public var recipients = 1_000
  /// Octets of a command line with its CRLF; 512 is the least, extensions add to it (RFC 5321 §4.5.3.1.4).
  public var commandLineOctets = 4_096
  /// Octets of one AUTH response in base64 (RFC 4954 §4.3).
  public var authenticationLineOctets = 12_288
  /// Octets of one text line with its CRLF (RFC 5321 §4.5.3.1.6).
  public var textLineOctets = 1_000
  /// Commands that were refused as nonsense before the session is ended.
  public var junkCommands = 20
  /// Senders, recipients and messages refused since the last message accepted, beyond as many as the transaction has
  /// recipients, before the session is ended.
  public var refusals = 100
  /// Commands that bring no message nearer (NOOP, RSET, EHLO, HELO, VRFY, HELP, an empty chunk) since the last message
  /// accepted, before the session is ended.
  public var idleCommands = 100
  /// Failed authentications before the session is ended; RFC 4954 §9 asks for three at least.
  public var authenticationFailures = 3
  /// Wait for the next complete command; RFC 5321 §4.5.3.2.7 asks for five minutes at least.
  public var commandTime: Duration = .seconds(300)
  /// Wait for the next byte of content.
  public var contentIdleTime: Duration = .seconds(300)
  /// All of one message's content.
  public var contentTime: Duration = .seconds(3_600)
  /// From the connection's begin, or the last message accepted, to the next one: each single wait may be within its
  /// bound for days. A message that is coming in is bounded by `contentTime` alone.
  public var sessionTime: Duration = .seconds(7_200)
  /// Input kept while an answer is awaited; reading pauses beyond.
  public var heldInputOctets = 65_536

  public init() {}
}
