public import MailSyntax
public import NIOCore
public import SASLMechanisms
public import SMTPGrammar

/// What a `ServerSession` wants done next. Pull until `.needBytes`, `.ask` or `.close`.
public enum ServerAction: Sendable {
  /// Nothing more can be done with the bytes at hand: flush, and come back with more.
  case needBytes
  case reply(Reply)
  /// Hold all input and bring the answer.
  case ask(ServerQuestion)
  /// A message's content follows: get a sink for it, then say the reply if there is one.
  case beginContent(Transaction, Reply?)
  /// Message content, in order, framing removed; to be dropped where `wantsContent` is false.
  case content(ByteBuffer)
  /// Nothing to do but to pull again.
  case continueReading
  /// Write the reply, flush, begin TLS; this session is at its end and a new one begins on the proof.
  case startTLS(Reply)
  case close(Reply?, SessionEnd)
}

/// An awaiting-decision state: until the answer comes, pipelined input is held.
public enum ServerQuestion: Sendable {
  case connect
  case verify(PasswordClaim)
  case scramKeys(user: String)
  case finishedSCRAM(user: String, provenSalt: [UInt8]?)
  case mail(ReversePath, MailParameters)
  case recipient(ForwardPath, RecipientParameters)
  /// All content is there. Answered by the final reply.
  case finishContent
}

/// What comes back.
public enum ServerAnswer: Sendable {
  case connect(ConnectAnswer)
  case authentication(AuthenticationAnswer)
  case scramKeys(SCRAMKeys)
  case command(CommandAnswer)
  case finished(Reply)
}
