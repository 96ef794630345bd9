public import MailSyntax

/// Events that are made in more than one room, so that each has one form.
extension MailEvent {
  /// Recipients an event names; more are counted only.
  public static let maximumNamedRecipients = 20

  /// `message.accepted`, as it stands in the outbox with the message itself.
  ///
  /// - Parameters:
  ///   - size: octets with the header fields of ours in front.
  ///   - circumstances: the session that brought it and what was found in it; nothing for a report of ours.
  public static func accepted(_ message: NewMessage, size: ByteCount, circumstances: [Field] = []) -> MailEvent {
    let named = message.recipients.prefix(maximumNamedRecipients).map(\.address.description)
    var fields: [Field] = [
      Field("id", .text(message.id.description)),
      Field("from", .text(message.reversePath.description)),
      Field("to", .text(named.joined(separator: ","))),
      Field("recipients", .number(message.recipients.count)),
      Field("size", .number(size.bytes)),
    ]
    switch message.tlsWish {
    case .unstated: break
    case .required, .notRequired: fields.append(Field("tls-wish", .text(message.tlsWish.rawValue)))
    }
    // SUBOP-003: from the id to the account, for as long as the history is kept.
    if let account = message.account { fields.append(Field("user", .text(account))) }
    return MailEvent(.accepted, fields + circumstances)
  }

  /// What every store records, in the same transaction, for a report that enters the queue with an outcome.
  public static func accepted(_ queued: QueuedMessage) -> MailEvent {
    accepted(queued.message, size: queued.size)
  }

  /// What a store records when a row of its own doesn't read: the message is held, and the column named.
  public static func unreadable(_ id: QueueID, reason: String) -> MailEvent {
    MailEvent(.held, [Field("id", .text(id.description)), Field("reason", .text(reason))])
  }

  /// What a store records when it finds a body that doesn't match its checksum: the message is held and named.
  public static func corrupt(_ id: QueueID) -> MailEvent {
    MailEvent(
      .held, [Field("id", .text(id.description)), Field("reason", .text("the stored body fails its checksum"))])
  }
}
