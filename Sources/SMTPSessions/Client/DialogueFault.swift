public import MailSyntax
public import SMTPGrammar

/// How far a client's dialogue has come.
public enum DialogueStage: String, Hashable, Sendable, CaseIterable {
  case connect, greeting
  /// EHLO, LHLO or HELO.
  case hello
  case startTLS = "starttls"
  case handshake
  case authentication = "auth"
  /// Between transactions.
  case idle
  case mail
  case recipient = "rcpt"
  case data
  /// Between the 354, or the first BDAT, and the last octet of the content.
  case content
  case finalReply = "final-reply"
  /// RSET and QUIT.
  case farewell
}

/// What went wrong for a client, and where. What follows from it (retry, return, another host) is the caller's.
public struct DialogueFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let stage: DialogueStage
  public let cause: Cause

  public enum Cause: Error, Hashable, Sendable {
    /// The server said no.
    case reply(ServerReply)
    /// No connection, or it was lost, or a wait was too long. RFC 5321 §3.8: as if the server had said 451.
    case transport(String)
    /// The channel isn't as safe as was asked for.
    case security(SecurityFault)
    /// The server broke the protocol; what it meant can't be known.
    case protocolViolation(String)
    /// The server lacks what the message needs. Nothing of the message was sent.
    case unsupported(EnhancedStatusCode, String)
    /// Our own side: the content could not be read or may not be sent.
    case local(String)

    /// We gave up ourselves; it says nothing of the server.
    public static let cancelled = Cause.transport("the delivery was cancelled")
  }

  public init(_ stage: DialogueStage, _ cause: Cause) {
    self.stage = stage
    self.cause = cause
  }

  /// TLS was offered, or spoken from the first byte, and could not be had: STARTTLS was refused or not answered, the
  /// handshake failed, broke off or took too long, or its certificate didn't do. Whether another connection is made
  /// without it is the caller's to decide (Law 2).
  ///
  /// False where STARTTLS wasn't offered at all (`SecurityFault.notOffered`), and where the server broke the protocol:
  /// that is no sign of a server that can't do better.
  public var isTLSFailure: Bool {
    switch cause {
    case .security(let fault):
      switch fault {
      case .refused, .handshake, .obsoleteTLS, .certificate: true
      case .notOffered, .refusedBeforeTLS, .noProvenPeer, .noMechanism, .unprovenSuccess, .authentication, .noPermit:
        false
      }
    case .transport: (stage == .startTLS || stage == .handshake) && cause != .cancelled
    case .reply, .protocolViolation, .unsupported, .local: false
    }
  }

  /// STARTTLS was offered, and what came of it fits no server: somebody may have put it there (CVE-2011-0411).
  public var brokeProtocolAtTLS: Bool {
    guard case .protocolViolation = cause else { return false }
    return stage == .startTLS || stage == .handshake
  }

  /// There was TLS, and what the server presented in it doesn't prove it.
  public var isRefusedCertificate: Bool {
    if case .security(.certificate) = cause { true } else { false }
  }

  public var description: String {
    switch cause {
    case .reply(let reply): "at \(stage.rawValue) the server said: \(reply)"
    case .security(let fault): "at \(stage.rawValue): \(fault)"
    case .transport(let text), .protocolViolation(let text), .local(let text):
      "at \(stage.rawValue): \(text)"
    case .unsupported(let code, let text): "at \(stage.rawValue): \(code) \(text)"
    }
  }
}
