import MailSyntax

/// What an operator may select by. Every given condition must hold; none selects all.
public struct QueueFilter: Hashable, Sendable {
  public var id: QueueID?
  public var sender: String?
  /// A whole recipient address, or `@domain`.
  public var recipient: String?
  public var account: String?
  public var route: RouteKey?
  public var state: RecipientState?
  public init() {}
}

extension QueueFilter {
  /// Whether the message itself and at least one of its recipients are selected.
  public func matches(_ queued: QueuedMessage) -> Bool {
    guard id == nil || id == queued.id, account == nil || account == queued.message.account,
      sender.map({ selects(queued.message.reversePath.mailbox, by: $0) }) ?? true
    else { return false }
    return queued.recipients.contains(where: matches)
  }

  /// Whether one recipient of a selected message is meant: what an operator's word then changes.
  public func matches(_ queued: QueuedRecipient) -> Bool {
    (state == nil || state == queued.state) && (route == nil || route == queued.recipient.route)
      && (recipient.map { selects(queued.recipient.address, by: $0) } ?? true)
  }

  /// `local@domain`, `@domain`, or `<>` for the null sender. Local parts compare octet for octet, domains without
  /// case (RFC 5321 §2.4).
  private func selects(_ mailbox: Mailbox?, by wanted: String) -> Bool {
    guard let mailbox else { return wanted == "<>" }
    guard let at = wanted.lastIndex(of: "@") else { return false }
    let domain = mailbox.domain.description.lowercasedASCII()
    guard domain == wanted[wanted.index(after: at)...].lowercasedASCII() else { return false }
    guard at != wanted.startIndex else { return true }
    let address = mailbox.description
    return address.dropLast(mailbox.domain.description.count + 1) == wanted[..<at]
  }
}
