import MailMessage
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions
import TransportSecurity

extension ReceivedField {
  /// Of a message that a session brought.
  ///
  /// - Parameter id: the message's in the queue.
  init(
    _ transaction: Transaction, _ session: SessionFacts, by reception: Reception, as id: QueueID,
    at moment: UTCInstant
  ) {
    self.init(
      client: .init(greeting: session.clientIdentity, address: session.peer.address), host: reception.hostName,
      transmission: .init(
        isExtended: session.isExtended, isEncrypted: session.tls != nil, isAuthenticated: session.user != nil,
        usesSMTPUTF8: transaction.parameters.usesSMTPUTF8),
      queueID: id.description, recipients: transaction.recipients.map(\.path),
      tls: session.tls.map {
        .init(
          version: $0.version.description, cipherSuite: $0.cipherSuite.description, group: $0.group?.description)
      },
      date: moment)
    showsClientAddress = reception.showsClientAddress || !session.role.isSubmission
  }
}
