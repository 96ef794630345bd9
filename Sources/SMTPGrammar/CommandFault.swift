import MailSyntax

/// A command line that is no command: the verb it began with, and what to answer.
///
/// A session that would answer the verb itself with 503 or 530 in its state says that instead of `reply`.
public struct CommandFault: Error, Hashable, Sendable {
  public let verb: Verb
  /// Holds no octet of the peer's (an attacker in the middle of another protocol would have it reflected).
  public let reply: Reply

  init(_ verb: Verb, _ code: UInt16, _ enhanced: EnhancedStatusCode, _ text: String) {
    self.verb = verb
    reply = Reply(code, enhanced, text)
  }
}

extension EnhancedStatusCode {
  // RFC 3463 §3.2 and §3.6.
  static let badRecipientSyntax = EnhancedStatusCode(.permanent, 1, 3)
  static let badSenderSyntax = EnhancedStatusCode(.permanent, 1, 7)
  static let invalidCommand = EnhancedStatusCode(.permanent, 5, 1)
  static let syntaxError = EnhancedStatusCode(.permanent, 5, 2)
  static let invalidArguments = EnhancedStatusCode(.permanent, 5, 4)
}
