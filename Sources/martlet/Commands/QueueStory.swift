import ControlPlane
import MailQueue
import MailSyntax

/// What `queue show` tells of one message.
struct QueueStory {
  let id: QueueID
  /// Nil when the message has left the queue.
  private(set) var message: MessageFacts?
  private(set) var recipients: [RecipientFacts] = []
  private(set) var events: [EventFacts] = []
  private(set) var eventsOmitted = 0

  init(id: QueueID, _ answers: [ControlAnswer]) {
    self.id = id
    for answer in answers {
      switch answer {
      case .message(let facts): message = facts
      case .recipient(let facts): recipients.append(facts)
      case .event(let facts): events.append(facts)
      case .eventsOmitted(let count): eventsOmitted = count
      case .standing, .status, .changed, .reloaded, .backup, .dialogue, .linesLost: break
      }
    }
  }
}

extension QueueStory: Encodable {
  private enum CodingKeys: String, CodingKey {
    case id, recipients, events
    case eventsOmitted = "events_omitted"
    case isInQueue = "in_queue"
  }

  /// The message's members where it is in the queue, with recipients and events among them.
  func encode(to encoder: any Encoder) throws {
    try message?.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(id.description, forKey: .id)
    try container.encode(message != nil, forKey: .isInQueue)
    try container.encode(recipients, forKey: .recipients)
    try container.encode(events, forKey: .events)
    try container.encode(eventsOmitted, forKey: .eventsOmitted)
  }
}

// MARK: As text

extension QueueStory {
  private static let keyColumns = 11

  func lines(at now: UTCInstant) -> [String] {
    var lines = ["Message \(id)"]
    if let message {
      lines += envelope(message, at: now)
      lines += ["", "Recipients"]
      for recipient in recipients { lines += recipient.lines(at: now) }
    } else {
      lines.append("It has left the queue; this is its history.")
    }
    lines += ["", "History"]
    if eventsOmitted > 0 { lines.append("  \(QueueText.count(eventsOmitted, "older event")) not shown") }
    for event in events { lines += event.lines }
    return lines
  }

  private func envelope(_ message: MessageFacts, at now: UTCInstant) -> [String] {
    var facts: [(String, String)] = [
      ("sender", message.sender),
      ("received", "\(message.receivedAt), \(QueueText.short(now - message.receivedAt.instant)) ago"),
      ("expires", expiry(message.expiresAt, at: now)),
      ("size", "\(message.size) bytes"),
      ("content", message.body + (message.usesSMTPUTF8 ? ", SMTPUTF8" : "")),
      ("priority", message.priority),
    ]
    if let account = message.account { facts.append(("user", account)) }
    if let tenant = message.tenant { facts.append(("tenant", tenant)) }
    if let envelopeID = message.envelopeID { facts.append(("envelope id", envelopeID)) }
    return facts.flatMap { QueueStory.fact($0.0, $0.1, indent: 2) }
  }

  private func expiry(_ moment: Timestamp, at now: UTCInstant) -> String {
    moment.instant > now
      ? "\(moment), in \(QueueText.short(moment.instant - now))"
      : "\(moment); the next failed attempt is the last"
  }

  /// `key   value`, the value wrapped beside its key.
  fileprivate static func fact(_ key: String, _ value: String, indent: Int) -> [String] {
    let column = indent + keyColumns + 2
    var lines = QueueText.wrapped(value, indent: column)
    if lines.isEmpty { lines = [""] }
    lines[0] =
      String(repeating: " ", count: indent) + QueueText.left(key, keyColumns) + "  " + lines[0].dropFirst(column)
    return lines
  }
}

extension RecipientFacts {
  fileprivate func lines(at now: UTCInstant) -> [String] {
    var standing = state
    if let dueAt {
      standing +=
        dueAt.instant <= now ? ", due now" : ", next attempt \(dueAt), in \(QueueText.short(dueAt.instant - now))"
    }
    var lines = QueueText.wrapped(address, indent: 2)
    lines += QueueStory.fact("state", standing, indent: 4)
    lines += QueueStory.fact("route", route, indent: 4)
    lines += QueueStory.fact(
      "attempts", "\(attempts)" + (delayReported ? ", delay reported to the sender" : ""), indent: 4)
    if let lastResult { lines += QueueStory.fact("last result", lastResult, indent: 4) }
    return lines
  }
}

extension EventFacts {
  /// The keys that a line of their own tells, in this order; the id is the title's.
  private static let toldKeys = ["attempt", "host", "tls", "result", "status", "by"]
  private static let titleKeys = ["id", "recipient"]
  /// What the time of the event, the recipients above or the log tell better.
  private static let silentKeys = ["due-seconds", "age-seconds", "session"]

  fileprivate var lines: [String] {
    var title = "  \(time)  \(event.kind.rawValue)"
    var lines: [String] = []
    if let recipient = text("recipient") {
      let joined = "\(title)  \(QueueText.printable(recipient))"
      if QueueText.displayWidth(joined) <= QueueText.width {
        title = joined
      } else {
        lines += QueueStory.fact("recipient", recipient, indent: 4)
      }
    }
    let known = EventFacts.toldKeys + EventFacts.titleKeys + EventFacts.silentKeys
    let others = event.fields.map(\.key).filter { !known.contains($0) }.sorted()
    for key in EventFacts.toldKeys + others {
      guard let text = text(key), !text.isEmpty else { continue }
      lines += QueueStory.fact(key, text, indent: 4)
    }
    return [title] + lines
  }

  private func text(_ key: String) -> String? {
    switch event[key] {
    case .text(let text)?: text
    case .number(let number)?: "\(number)"
    case .flag(let flag)?: flag ? "yes" : "no"
    case nil: nil
    }
  }
}
