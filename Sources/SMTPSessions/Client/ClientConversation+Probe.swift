public import MailSyntax
import NIOCore
import SMTPGrammar

extension ClientConversation {
  /// Asks whether the server would take mail for `paths`, by MAIL with the null sender, RCPT and RSET: no message is
  /// sent. `.taken` means that RCPT was accepted. Like `transact` it never throws.
  ///
  /// - Parameter paths: at most `maximumRecipients`.
  public func probe(_ paths: [ForwardPath]) async -> [RecipientAnswer] {
    var transaction = Transaction(reversePath: .null, parameters: MailParameters())
    transaction.recipients = paths.map { Transaction.Recipient(path: $0, parameters: RecipientParameters()) }
    transaction.isProbe = true
    let answers = await transact(transaction, body: NoContent())
    if isOpen { _ = await reset() }
    return answers
  }
}

/// The content of a probe, which nobody reads.
private final class NoContent: OutgoingBody {
  func next() async throws(OutgoingBodyFault) -> ByteBuffer? { nil }
}
