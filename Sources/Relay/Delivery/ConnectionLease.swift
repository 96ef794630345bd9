import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// The right to use one connection to a next hop. Each is given back once.
struct ConnectionLease: Sendable {
  /// Nil where one has to be opened.
  let conversation: ClientConversation?
  /// That the connection has carried.
  let transactions: Int
  /// Where the connection delivered its last mail; nil where nobody wants to know.
  var place: DeliveryPlace?

  static let new = ConnectionLease(conversation: nil, transactions: 0)

  /// The place of mail under this very policy, where the last mail was under it too.
  func place(under policy: AppliedPolicy) -> DeliveryPlace? {
    place.flatMap { $0.policy === policy ? $0 : nil }
  }

  /// Whether the connection is as safe as a policy asks. Neither it nor a policy ever changes: what met it for the last
  /// mail meets it still.
  func meets(_ policy: AppliedPolicy, hostName: String) -> Bool {
    place(under: policy) != nil
      || policy.decision.verdict.isMet(by: conversation?.tls, hostName: hostName, dane: policy.dane)
  }

  /// Whether its connection may carry another message.
  func isReusable(within limits: PoolLimits) -> Bool {
    guard let conversation, conversation.isOpen else { return false }
    // RFC 9422 §4.1: the server may count, and say so.
    return transactions < min(limits.maximumTransactions, conversation.capabilities.limits?.mailMaximum ?? .max)
  }
}
