public import MailSyntax
public import NIOCore
public import SASLMechanisms
public import SMTPGrammar

/// The questions a server session asks of whoever runs the house: at connect, AUTH, MAIL, RCPT and end of data.
/// While a `.later` answer is out, input is held. `Relay` answers; a test answers with a script.
public protocol ServerConduct: Sendable {
  func connected(_ session: SessionFacts) -> Prompt<ConnectAnswer>

  /// What AUTH offers; asked only inside TLS on a submission listener.
  func authenticationOffer(_ session: SessionFacts) -> AuthenticationOffer
  /// PLAIN and LOGIN: is this the user's password?
  func verify(_ claim: PasswordClaim, _ session: SessionFacts) -> Prompt<AuthenticationAnswer>
  /// SCRAM: the stored keys; made up from a server secret for a user that isn't there (RFC 5802 §5, project).
  func scramKeys(for user: String, _ session: SessionFacts) -> Prompt<SCRAMKeys>
  /// SCRAM: the exchange ended; `provenSalt` is the salt of the keys that the client proved, nil where it proved none.
  func finishedSCRAM(user: String, provenSalt: [UInt8]?, _ session: SessionFacts) -> Prompt<AuthenticationAnswer>

  func mail(_ path: ReversePath, _ parameters: MailParameters, _ session: SessionFacts) -> Prompt<CommandAnswer>
  func recipient(
    _ path: ForwardPath, _ parameters: RecipientParameters, of transaction: Transaction, _ session: SessionFacts
  ) -> Prompt<CommandAnswer>
  /// DATA or the first BDAT was accepted: where the bytes go.
  func beginBody(_ transaction: Transaction, _ session: SessionFacts) -> any BodySink

  /// Told, not asked: for logs, metrics and limits. Called on the session's own thread of control.
  func observe(_ event: SessionEvent, _ session: SessionFacts)
}

/// The mechanisms of a session, in order of preference, and the source of what they need to be unguessable.
public struct AuthenticationOffer: Sendable {
  public let mechanisms: [ServerMechanism]
  /// A fresh nonce each time (RFC 5802 §5.1).
  public let makeNonce: @Sendable () -> SCRAMNonce
  public init(mechanisms: [ServerMechanism], makeNonce: @escaping @Sendable () -> SCRAMNonce) {
    self.mechanisms = mechanisms
    self.makeNonce = makeNonce
  }
}

/// The envelope so far.
public struct Transaction: Hashable, Sendable {
  public let reversePath: ReversePath
  public let parameters: MailParameters
  public var recipients: [Recipient] = []
  /// From a client: what `parameters.requiresTLS` comes to where the server doesn't offer REQUIRETLS.
  public var withoutRequireTLS = WithoutRequireTLS.nothing
  /// A client asks whether the recipients would be taken, and sends no message.
  public var isProbe = false

  /// What is sent to a server inside TLS that doesn't promise to pass REQUIRETLS on. In clear it is always nothing.
  public enum WithoutRequireTLS: Hashable, Sendable {
    /// RFC 8689 §4.2.1.
    case nothing
    /// The message, without the parameter: for one that has no sender (RFC 8689 §5).
    case message
  }

  public struct Recipient: Hashable, Sendable {
    public let path: ForwardPath
    public let parameters: RecipientParameters
    public init(path: ForwardPath, parameters: RecipientParameters) {
      self.path = path
      self.parameters = parameters
    }
  }
  public init(reversePath: ReversePath, parameters: MailParameters) {
    self.reversePath = reversePath
    self.parameters = parameters
  }
}

public enum ConnectAnswer: Hashable, Sendable {
  case welcome
  /// Greets with this 554 or 421; after 554 only QUIT is served (RFC 5321 §3.1), after 421 the connection closes.
  case turnAway(Reply)
}

public enum AuthenticationAnswer: Hashable, Sendable {
  /// The user's name as the house writes it.
  case accepted(user: String)
  /// 535, 454, 421 …; a 421 closes.
  case refused(Reply)
}

public enum CommandAnswer: Hashable, Sendable {
  case accepted
  case refused(Reply)
}

/// Takes one message's bytes, dot-stuffing and chunk framing already removed. Confined to its session's thread of
/// control. Exactly one of `finish` and `abandon` ends it.
public protocol BodySink: AnyObject {
  /// `.later` is back-pressure: no more bytes come before it answers.
  func write(_ bytes: ByteBuffer) -> Prompt<Void>
  /// All is here: the final reply. A 250 promises that the message is durable (Law 1).
  func finish() -> Prompt<Reply>
  /// The session refused or lost the message itself; nothing may be kept.
  func abandon()
}

/// What a session tells while it goes.
public enum SessionEvent: Hashable, Sendable {
  case connected
  case tlsEstablished
  case authenticated
  case authenticationFailed(user: String?)
  case refused(reply: Reply)
  case wrongWrapper(WrongWrapper)
  /// A trusted proxy did not begin with a good PROXY header: what was wrong with it. There is no session then.
  case badProxyHeader(String)
  /// A connection was closed as it came: one more would have been too many. There is no session then.
  case notAdmitted(ConnectionBound)
  /// `reason`: what the wire says, such as TLS's own words for a handshake that failed.
  case closed(SessionEnd, reason: String? = nil)
}

/// What there may be only so much of at the same time.
public enum ConnectionBound: String, Hashable, Sendable {
  case inAll = "connections-in-all"
  case ofAddress = "connections-at-once"
}

/// A client that speaks another protocol than the port's, by name.
public enum WrongWrapper: String, Hashable, Sendable {
  /// A TLS ClientHello where the port expects SMTP with STARTTLS.
  case tlsOnCleartextPort = "tls-on-starttls-port"
  /// An SMTP command in clear where the port expects TLS from the first byte.
  case smtpOnTLSPort = "smtp-on-tls-port"
  /// Nothing at all where the port expects a ClientHello: the mark of a STARTTLS client that waits for a greeting.
  case silenceOnTLSPort = "silence-on-tls-port"
  case http = "http"
  /// A ClientHello whose highest version is TLS 1.1 or lower.
  case obsoleteTLS = "obsolete-tls"
}

public enum SessionEnd: String, Hashable, Sendable {
  case quit, peerClosed = "peer-closed", lost, timedOut = "timed-out", shutDown = "shut-down"
  case noMessage = "no-message"
  case turnedAway = "turned-away", tooManyErrors = "too-many-errors"
  case tooManyRefusals = "too-many-refusals", tooManyIdleCommands = "too-many-idle-commands"
  case protocolViolation = "protocol-violation"
  case handshakeFailed = "handshake-failed", injection = "bytes-behind-starttls"
}
