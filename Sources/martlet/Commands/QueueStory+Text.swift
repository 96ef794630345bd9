import ControlPlane
import MailQueue
import MailSyntax
import OrderedCollections

extension QueueStory {
  private static let keyColumns = 11

  /// The envelope; each recipient with all that happened to it, in order; and what happened to the message as a whole.
  func lines(at now: UTCInstant) -> [String] {
    var lines = ["Message \(id)"]
    if let message {
      lines += envelope(message, at: now)
    } else {
      lines.append("It has left the queue; this is its history.")
    }
    if eventsOmitted > 0 { lines.append("  \(QueueText.count(eventsOmitted, "older event")) not shown") }
    var stories = OrderedDictionary<String, [EventFacts]>()
    var whole: [EventFacts] = []
    for event in events {
      if let address = event.recipient { stories[address, default: []].append(event) } else { whole.append(event) }
    }
    if !recipients.isEmpty || !stories.isEmpty { lines += ["", "Recipients"] }
    for recipient in recipients {
      let events = stories.removeValue(forKey: recipient.address) ?? []
      lines += recipient.lines(at: now, telling: !events.contains { $0.tells(recipient.lastResult) })
      for event in events { lines += event.chapter }
    }
    for (address, events) in stories {
      lines += QueueText.wrapped(address, indent: 2)
      for event in events { lines += event.chapter }
    }
    if !whole.isEmpty { lines += ["", "History"] }
    for event in whole { lines += event.lines }
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
    if let wish = message.tlsWish { facts.append(("tls wish", QueueStory.words(for: wish))) }
    if let account = message.account { facts.append(("user", account)) }
    if let tenant = message.tenant { facts.append(("tenant", tenant)) }
    for event in events where event.event.kind == .accepted {
      if case .text(let messageID)? = event.event["message-id"] { facts.append(("message-id", messageID)) }
    }
    if let envelopeID = message.envelopeID { facts.append(("envelope id", envelopeID)) }
    return facts.flatMap { QueueStory.fact($0.0, $0.1, indent: 2) }
  }

  private static func words(for wish: String) -> String {
    switch wish {
    case TLSWish.required.rawValue: "required all the way (REQUIRETLS)"
    case TLSWish.notRequired.rawValue: "not required, whatever the recipient's domain publishes (TLS-Required: No)"
    case let other: other
    }
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
  /// - Parameter isTelling: the last result too, which no attempt below tells.
  fileprivate func lines(at now: UTCInstant, telling isTelling: Bool) -> [String] {
    var standing = state
    if let deliveringSince {
      standing += ", being delivered since \(deliveringSince), for \(QueueText.short(now - deliveringSince.instant))"
    } else if let dueAt {
      standing +=
        dueAt.instant <= now ? ", due now" : ", next attempt \(dueAt), in \(QueueText.short(dueAt.instant - now))"
    }
    var lines = QueueText.wrapped(address, indent: 2)
    if let originalRecipient { lines += QueueStory.fact("named as", originalRecipient, indent: 4) }
    lines += QueueStory.fact("state", standing, indent: 4)
    lines += QueueStory.fact("route", route, indent: 4)
    lines += QueueStory.fact(
      "attempts", "\(attempts)" + (delayReported ? ", delay reported to the sender" : ""), indent: 4)
    if isTelling, let lastResult { lines += QueueStory.fact("last result", lastResult, indent: 4) }
    return lines
  }
}

extension EventFacts {
  /// What a chapter tells in this order, by the words it tells it in.
  private static let chapterKeys = [
    ("host", "host"), ("tls", "TLS"), ("policy", "policy"), ("asked-by", "asked by"), ("mta-sts", "MTA-STS"),
    ("dane", "DANE"), ("certificate", "certificate"), ("certificate-names", "its names"), ("result", "result"),
    ("reason", "why"), ("by", "by"), ("though", "though"),
  ]
  /// For keys that are longer than their column.
  private static let shortWords = ["forged-results": "forged"]
  private static let titleKeys = ["id", "recipient"]
  /// What the time of the event, the recipient's own lines, the reply or the log tell better.
  private static let silentKeys = ["due-seconds", "age-seconds", "session", "route", "attempt", "status"]

  /// The words of an attempt that ended so.
  fileprivate func tells(_ result: String?) -> Bool {
    guard let result, event.kind != .delayReported else { return false }
    // Behind it may stand which hosts had failed before.
    return text("result")?.hasPrefix(result) ?? false
  }

  fileprivate var recipient: String? { event.kind.rawValue.hasPrefix("recipient.") ? text("recipient") : nil }

  /// One thing that happened to a recipient: when, which attempt, with whom and how, and what follows.
  fileprivate var chapter: [String] {
    var title = "    \(time)  \(event.kind.rawValue.dropFirst("recipient.".count))"
    if let attempt = text("attempt"), event.kind != .delayReported { title += ", attempt \(attempt)" }
    var lines = [title]
    // It repeats the attempt behind which the sender was told.
    if event.kind == .delayReported { return lines }
    let known = EventFacts.chapterKeys.map(\.0) + EventFacts.titleKeys + EventFacts.silentKeys
    let others = event.fields.map(\.key).filter { !known.contains($0) }.sorted().map { ($0, $0) }
    for (key, word) in EventFacts.chapterKeys + others {
      guard var text = text(key), !text.isEmpty else { continue }
      // No mail went without a channel: without this it reads as if it had gone in clear.
      if key == "tls", text == "none", event.kind == .deferred || event.kind == .failed { text = "none; no mail went" }
      lines += QueueStory.fact(key == "result" && text.isReply ? "reply" : word, text, indent: 6)
    }
    if case .number(let seconds)? = event["due-seconds"] {
      let due = Timestamp(UTCInstant(seconds: Int64(clamping: min(max(seconds, 0), 9_000_000_000))))
      lines += QueueStory.fact(
        "next try", "\(due), \(QueueText.short(due.instant - time.instant)) behind this one", indent: 6)
    }
    return lines
  }

  /// What happened to the message as a whole.
  fileprivate var lines: [String] {
    var lines = ["  \(time)  \(event.kind.rawValue)"]
    let others = event.fields.map(\.key).filter { $0 != "id" && $0 != "session" && $0 != "age-seconds" }
    for key in others.sorted() {
      guard let text = text(key), !text.isEmpty else { continue }
      lines += QueueStory.fact(EventFacts.shortWords[key] ?? key, text, indent: 4)
    }
    return lines
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

extension String {
  /// A server's words: they begin with its code. All else is our own.
  fileprivate var isReply: Bool {
    let octets = utf8.prefix(4)
    return octets.count == 4 && octets.prefix(3).allSatisfy { (0x30...0x39).contains($0) } && octets.last == 0x20
  }
}
