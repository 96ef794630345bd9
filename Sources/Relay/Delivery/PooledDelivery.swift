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
      let handover = await job.handOver(job.recipients, vouching, over: reused)
      guard handover.diedUnheard else {
        pool.checkIn(reused, transactions: lease.transactions + handover.transactions)
        return result(of: handover, over: reused)
      }
      // A server may leave an idle connection at any time; that says nothing of the message. Once, on a new one.
    }
    let fresh: ClientConversation
    do throws(OpeningFault) {
      fresh = try await connect()
    } catch {
      pool.checkIn(nil, transactions: 0)
      return DeliveryResult(
        host: error.peer?.named(name) ?? name, tls: error.tls, outcomes: job.everyRecipient(DeliveryFault(error.fault)))
    }
    let handover = await job.handOver(job.recipients, vouching, over: fresh)
    pool.checkIn(fresh, transactions: handover.transactions)
    return result(of: handover, over: fresh)
  }

  private func result(of handover: Handover, over conversation: ClientConversation) -> DeliveryResult {
    DeliveryResult(
      host: conversation.peer.named(name), tls: conversation.tls, outcomes: handover.outcomes)
  }
}
