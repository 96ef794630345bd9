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
    case security(String)
    /// The server broke the protocol; what it meant can't be known.
    case protocolViolation(String)
    /// The server lacks what the message needs. Nothing of the message was sent.
    case unsupported(EnhancedStatusCode, String)
    /// Our own side: the content could not be read or may not be sent.
    case local(String)
  }

  public init(_ stage: DialogueStage, _ cause: Cause) {
    self.stage = stage
    self.cause = cause
  }

  public var description: String {
    switch cause {
    case .reply(let reply): "at \(stage.rawValue) the server said: \(reply)"
    case .transport(let text), .security(let text), .protocolViolation(let text), .local(let text):
      "at \(stage.rawValue): \(text)"
    case .unsupported(let code, let text): "at \(stage.rawValue): \(code) \(text)"
    }
  }
}
