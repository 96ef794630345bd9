public import MailSyntax
import SMTPGrammar
import SMTPSessions

/// Asks one server about recipients over a pool of connections, without sending it a message.
struct PooledInquiry: Sendable {
  let pool: ConnectionPool
  let connect: @Sendable () async throws(OpeningFault) -> ClientConversation

  func ask(about mailbox: Mailbox) async -> RecipientVerdict {
    guard let lease = await pool.checkOut() else { return .unavailable("the server is stopping") }
    if let reused = lease.conversation {
      let answer = await reused.probe([.mailbox(mailbox)]).first
      // A server may leave an idle connection at any time: once more, on a new one.
      if reused.isOpen || answer?.isAnswered == true {
        pool.checkIn(reused, transactions: lease.transactions + 1)
        return RecipientVerdict(answer)
      }
    }
    do throws(OpeningFault) {
      let fresh = try await connect()
      let answer = await fresh.probe([.mailbox(mailbox)]).first
      pool.checkIn(fresh, transactions: 1)
      return RecipientVerdict(answer)
    } catch {
      pool.checkIn(nil, transactions: 0)
      return .unavailable(error.description)
    }
  }
}

extension LMTPDeliverer: RecipientAuthority {
  public func ask(about mailbox: Mailbox) async -> RecipientVerdict { await inquiry.ask(about: mailbox) }
}

extension RecipientAnswer {
  fileprivate var isAnswered: Bool {
    switch self {
    case .taken: true
    case .fault(let fault):
      switch fault.cause {
      case .reply(let reply): reply.code.rawValue != 421
      case .unsupported: true
      case .transport, .security, .protocolViolation, .local: false
      }
    }
  }
}

extension RecipientVerdict {
  fileprivate init(_ answer: RecipientAnswer?) {
    switch answer {
    case nil: self = .unavailable("the server said nothing")
    case .taken?: self = .exists
    case .fault(let fault)?:
      switch fault.cause {
      // RFC 5321 §4.5.3.1.10: 552 at RCPT means too many; where it means a full mailbox that passes too.
      case .reply(let reply)
      where fault.stage == .recipient && reply.code.severity == .permanentNegative && reply.code.rawValue != 552:
        // RFC 3463 §3.2: the address itself, or nothing more is said. Anything else is passed on as it is.
        let status = reply.enhanced.flatMap { $0.class == .permanent && $0.subject != 1 ? $0 : nil }
        self = .refused(status ?? .unknownMailbox)
      case .unsupported(let status, _): self = .refused(status)
      case .reply, .transport, .security, .protocolViolation, .local: self = .unavailable(fault.description)
      }
    }
  }
}
