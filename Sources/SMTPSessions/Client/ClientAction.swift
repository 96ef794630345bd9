public import NIOCore
public import SMTPGrammar

/// What a client session asks of the connection it lives on. One is pulled at a time, by `next`, until `.needBytes`.
public enum ClientAction: Hashable, Sendable {
  /// Nothing to do before more bytes come.
  case needBytes
  /// Something was taken in and asks for nothing: pull again.
  case goOn
  /// Write this and flush it.
  case write(ClientOutput)
  /// The server said 220 to STARTTLS and nothing behind it: begin the handshake now, and write nothing before.
  case startTLS
  /// The server has been greeted: the session takes commands.
  case ready
  /// The server, or our own policy, said no before a transaction. The session takes nothing more but `quit`.
  case refused(DialogueFault)
  /// Compute the session's `derivation` off the event loop and give the result to `receive(salted:)`.
  case deriveKey
  case authenticated
  /// The session takes content: give it pieces while `wantsContent` is true.
  case sendContent
  case finished(TransactionOutcome)
  /// RSET was answered with success.
  case wasReset
  /// All is said: close the wire.
  case close
  /// Close the wire at once, without another octet.
  case fail(DialogueFault)
}

/// Bytes for the wire, and how a person may see them.
public struct ClientOutput: Hashable, Sendable {
  public let bytes: ByteBuffer
  /// Stands for the bytes wherever they are shown: they hold a secret, or are content. Nil shows them as they are.
  public let shownAs: String?

  public init(_ bytes: ByteBuffer, shownAs: String? = nil) {
    self.bytes = bytes
    self.shownAs = shownAs
  }
}

/// What became of one transaction.
public struct TransactionOutcome: Hashable, Sendable {
  /// By the order of the transaction's recipients.
  public let answers: [RecipientAnswer]
  /// Another transaction may follow on the connection.
  public let leavesConnectionUsable: Bool

  public init(answers: [RecipientAnswer], leavesConnectionUsable: Bool) {
    self.answers = answers
    self.leavesConnectionUsable = leavesConnectionUsable
  }
}

/// What the server did with one recipient.
public enum RecipientAnswer: Hashable, Sendable {
  /// It took responsibility for the message (RFC 5321 §4.2.5).
  case taken(ServerReply)
  case fault(DialogueFault)
}
