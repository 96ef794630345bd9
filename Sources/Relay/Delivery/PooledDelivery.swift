import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions

/// Delivers jobs to one next hop over a pool of connections: what a smarthost and an LMTP server have in common.
struct PooledDelivery: Sendable {
  /// The next hop as a person knows it.
  let name: String
  let pool: ConnectionPool
  /// What MAIL says where nothing is known of the server.
  let vouching: Vouching
  let connect: @Sendable () async throws(OpeningFault) -> ClientConversation

  func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    guard let lease = await pool.checkOut() else {
      let fault = DeliveryFault(stage: .connect, cause: .transport("the delivery was cancelled"))
      return DeliveryResult(host: name, tls: nil, outcomes: job.everyRecipient(fault))
    }
    if let reused = lease.conversation {
      let attempt = await send(job, over: reused)
      guard attempt.diedUnheard else {
        pool.checkIn(reused, transactions: lease.transactions + attempt.transactions)
        return result(of: attempt, over: reused)
      }
      // A server may leave an idle connection at any time; that says nothing of the message. Once, on a new one.
    }
    let fresh: ClientConversation
    do throws(OpeningFault) {
      fresh = try await connect()
    } catch {
      pool.checkIn(nil, transactions: 0)
      return DeliveryResult(
        host: host(at: error.peer), tls: error.tls, outcomes: job.everyRecipient(DeliveryFault(error.fault)))
    }
    let attempt = await send(job, over: fresh)
    pool.checkIn(fresh, transactions: attempt.transactions)
    return result(of: attempt, over: fresh)
  }

  private func result(of attempt: Attempt, over conversation: ClientConversation) -> DeliveryResult {
    DeliveryResult(host: host(at: conversation.peer), tls: conversation.tls, outcomes: attempt.outcomes)
  }

  private func host(at peer: DialledPeer?) -> String {
    guard let address = peer?.endpoint?.address.description, !name.contains(address) else { return name }
    return "\(name) (\(address))"
  }

  /// One job over one connection, in as many transactions as the server's limits ask for.
  private struct Attempt {
    var outcomes: [(number: Int, outcome: RecipientResult)] = []
    var transactions = 0
    /// The connection ended before the server answered the first MAIL.
    var diedUnheard = false
  }

  private func send(_ job: DeliveryJob, over conversation: ClientConversation) async -> Attempt {
    var attempt = Attempt()
    // RFC 5321 §4.5.3.1.8: a hundred at once; RFC 9422 §4.2: fewer where the server says so.
    let limit = conversation.capabilities.limits?.recipientMaximum ?? ClientConversation.maximumRecipients
    var rest = job.recipients[...]
    var vouching = vouching
    while !rest.isEmpty {
      let batch = rest.prefix(min(limit, ClientConversation.maximumRecipients))
      rest = rest.dropFirst(batch.count)
      guard conversation.isOpen || attempt.transactions == 0 else {
        let fault = DeliveryFault(stage: .mail, cause: .transport("the connection ended with an earlier transaction"))
        attempt.outcomes += batch.map { ($0.number, .fault(fault)) }
        continue
      }
      var answers = await transact(job, batch, vouching, over: conversation)
      if vouching == .nobody, conversation.isOpen,
        answers.allSatisfy(\.refusesMailParameters)
      {
        // RFC 4954 §3: who offers AUTH takes AUTH= with MAIL. Some don't, and their users want their mail all the same.
        vouching = .unsaid
        answers = await transact(job, batch, vouching, over: conversation)
        attempt.transactions += 1
      }
      if attempt.transactions == 0 { attempt.diedUnheard = !conversation.isOpen && answers.allSatisfy(\.isUnheard) }
      attempt.transactions += 1
      attempt.outcomes += zip(batch, answers).map { ($0.number, RecipientResult($1, over: conversation)) }
    }
    return attempt
  }

  private func transact(
    _ job: DeliveryJob, _ recipients: ArraySlice<QueuedRecipient>, _ vouching: Vouching,
    over conversation: ClientConversation
  ) async -> [RecipientAnswer] {
    do throws(StoreFault) {
      let body = try await job.openBody()
      return await conversation.transact(
        job.transaction(for: recipients, vouching), body: StoredBody(prefix: job.message.message.prefix, body: body))
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
