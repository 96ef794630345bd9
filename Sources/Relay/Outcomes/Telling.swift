import MailMessage
import MailQueue
import MailSyntax
import SMTPGrammar

/// One thing about one recipient that somebody is to be told by a report.
struct Telling: Hashable, Sendable {
  let audience: Audience
  let action: DeliveryReport.Action
  let recipient: DeliveryReport.Recipient

  /// Whether the sender wants to hear of it, or who else must. Source: RFC 3461 §5.2 and §6.1, RFC 5321 §6.1.
  enum Audience: Hashable, Sendable {
    case sender
    /// A report of ours could not be delivered: no sender is left to tell, so our postmaster is.
    case postmaster
    /// The sender all the same: a report of ours with eight bits that can't go on is made anew without them.
    case senderInSevenBits
    /// Others' mail without a sender: an event says it, for who sends much of it would write to our postmaster.
    case eventAlone
    case nobody
  }

  static func audience(
    of action: DeliveryReport.Action, for recipient: NewRecipient, of message: NewMessage
  ) -> Audience {
    let notify = recipient.notify
    switch message.reversePath {
    case .mailbox:
      let isWanted =
        switch action {
        // RFC 3461 §4.1: without NOTIFY the server decides; failures and delays are told, successes aren't.
        case .failed: notify?.contains(.failure) ?? true
        case .delayed: notify?.contains(.delay) ?? true
        case .delivered, .relayed, .expanded: notify?.contains(.success) ?? false
        }
      return isWanted ? .sender : .nobody
    case .null:
      // Never a report about a report (RFC 5321 §4.5.5, §6.1).
      guard action == .failed, notify != .never else { return .nobody }
      return message.isOwnReport ? .postmaster : .eventAlone
    }
  }
}
