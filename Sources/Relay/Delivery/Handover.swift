import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions

/// What came of handing one job over one connection, in as many transactions as the server's limits ask for.
struct Handover {
  var outcomes: [(number: Int, outcome: RecipientResult)] = []
  var transactions = 0
  /// The connection ended before the server answered the first MAIL.
  var diedUnheard = false
}

extension DeliveryJob {
  func handOver(
    _ recipients: [QueuedRecipient], _ vouching: Vouching, over conversation: ClientConversation
  ) async -> Handover {
    var handover = Handover()
    // RFC 5321 §4.5.3.1.8: a hundred at once; RFC 9422 §4.2: fewer where the server says so.
    let limit = conversation.capabilities.limits?.recipientMaximum ?? ClientConversation.maximumRecipients
    var rest = recipients[...]
    var vouching = vouching
    while !rest.isEmpty {
      let batch = rest.prefix(min(limit, ClientConversation.maximumRecipients))
      rest = rest.dropFirst(batch.count)
      guard conversation.isOpen || handover.transactions == 0 else {
        let fault = DeliveryFault(stage: .mail, cause: .transport("the connection ended with an earlier transaction"))
        handover.outcomes += batch.map { ($0.number, .fault(fault)) }
        continue
      }
      var answers = await transact(batch, vouching, over: conversation)
      if vouching == .nobody, conversation.isOpen,
        answers.allSatisfy(\.refusesMailParameters)
      {
        // RFC 4954 §3: who offers AUTH takes AUTH= with MAIL. Some don't, and their users want their mail all the same.
        vouching = .unsaid
        answers = await transact(batch, vouching, over: conversation)
        handover.transactions += 1
      }
      if handover.transactions == 0 { handover.diedUnheard = !conversation.isOpen && answers.allSatisfy(\.isUnheard) }
      handover.transactions += 1
      handover.outcomes += zip(batch, answers).map { ($0.number, RecipientResult($1, over: conversation)) }
    }
    return handover
  }

  private func transact(
    _ recipients: ArraySlice<QueuedRecipient>, _ vouching: Vouching, over conversation: ClientConversation
  ) async -> [RecipientAnswer] {
    do throws(StoreFault) {
      let body = try await openBody()
      return await conversation.transact(
        transaction(for: recipients, vouching), body: StoredBody(prefix: message.message.prefix, body: body))
    } catch {
      let fault = DialogueFault(.content, .local(error.explanation))
      return recipients.map { _ in .fault(fault) }
    }
  }
}

/// What MAIL says of who submitted a message first (RFC 4954 §5).
enum Vouching: Hashable, Sendable {
  /// `AUTH=<>`, to a server that we authenticate to: no client of ours is believed (Decisions/0007).
  case nobody
  /// Nothing, where we don't authenticate, and to a server that doesn't know the parameter.
  case unsaid
}

extension RecipientAnswer {
  /// MAIL was refused for a parameter, or so it may be read: RFC 5321 §4.1.1.11 has 555 for it, older servers 501 or 504.
  fileprivate var refusesMailParameters: Bool {
    guard case .fault(let fault) = self, fault.stage == .mail, case .reply(let reply) = fault.cause else {
      return false
    }
    return [501, 504, 555].contains(reply.code.rawValue)
  }

  /// The connection was lost, or the server said goodbye, when nothing but MAIL had been said.
  fileprivate var isUnheard: Bool {
    guard case .fault(let fault) = self else { return false }
    switch (fault.stage, fault.cause) {
    case (.mail, .transport), (.idle, .transport): return true
    case (.mail, .reply(let reply)): return reply.code.rawValue == 421
    case (_, _): return false
    }
  }
}

extension DialledPeer {
  /// `mail.example.net (192.0.2.1)`: a host as a person knows it, and who of it answered.
  func named(_ name: String) -> String {
    guard let address = endpoint?.address.description, !name.contains(address) else { return name }
    return "\(name) (\(address))"
  }
}
