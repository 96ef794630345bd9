import SMTPGrammar
import SMTPSessions

/// The right to use one connection to a next hop. Each is given back once.
struct ConnectionLease: Sendable {
  /// Nil where one has to be opened.
  let conversation: ClientConversation?
  /// That the connection has carried.
  let transactions: Int

  static let new = ConnectionLease(conversation: nil, transactions: 0)

  /// Whether its connection may carry another message.
  func isReusable(within limits: PoolLimits) -> Bool {
    guard let conversation, conversation.isOpen else { return false }
    // RFC 9422 §4.1: the server may count, and say so.
    return transactions < min(limits.maximumTransactions, conversation.capabilities.limits?.mailMaximum ?? .max)
  }
}
