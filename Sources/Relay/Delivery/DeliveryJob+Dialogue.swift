import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions

extension DeliveryJob {
  /// The envelope for some of the job's recipients. What the server can't take of it is left out, or a fault, where
  /// the session sees what it offers.
  func transaction(
    for recipients: some Sequence<QueuedRecipient>, _ vouching: Vouching
  ) -> Transaction {
    let envelope = message.message
    var parameters = MailParameters()
    parameters.size = message.size
    parameters.body = envelope.body
    parameters.usesSMTPUTF8 = envelope.usesSMTPUTF8
    parameters.envelopeID = envelope.envelopeID
    parameters.deliveryReportContent = envelope.reportContent
    parameters.requiresTLS = envelope.tlsWish == .required && requireTLS != .fulfilled
    // The session leaves it out where the server doesn't know AUTH or us.
    if case .nobody = vouching { parameters.authenticatedSender = .null }
    var transaction = Transaction(reversePath: envelope.reversePath, parameters: parameters)
    transaction.withoutRequireTLS = requireTLS == .settle ? .message : .nothing
    transaction.recipients = recipients.map { queued in
      var parameters = RecipientParameters()
      parameters.notify = queued.recipient.notify
      parameters.originalRecipient = queued.recipient.originalRecipient
      return Transaction.Recipient(path: .mailbox(queued.recipient.address), parameters: parameters)
    }
    return transaction
  }

  func everyRecipient(_ fault: DeliveryFault) -> [(number: Int, outcome: RecipientResult)] {
    recipients.map { ($0.number, .fault(fault)) }
  }
}

extension RecipientResult {
  init(_ answer: RecipientAnswer, over conversation: ClientConversation) {
    switch answer {
    case .taken(let reply):
      self = .delivered(reply.description, reportsPassedOn: conversation.passesReportsOn)
    case .fault(let fault): self = .fault(DeliveryFault(fault))
    }
  }
}

extension DeliveryFault {
  init(_ fault: DialogueFault) {
    self.init(stage: DeliveryStage(fault.stage), cause: Cause(fault.cause))
  }
}

extension DeliveryStage {
  init(_ stage: DialogueStage) {
    switch stage {
    case .connect: self = .connect
    case .greeting: self = .greeting
    case .hello: self = .ehlo
    case .startTLS: self = .startTLS
    case .handshake: self = .handshake
    case .authentication: self = .auth
    // What ends a connection between transactions meets the next MAIL.
    case .idle, .mail, .farewell: self = .mail
    case .recipient: self = .rcpt
    case .data: self = .data
    case .content: self = .content
    case .finalReply: self = .finalReply
    }
  }
}
