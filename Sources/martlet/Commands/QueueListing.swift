import ControlPlane
import MailQueue
import MailSyntax

/// What `queue list` shows.
struct QueueListing {
  static let pageSize = 200

  /// A message and those of its recipients that are meant, the unfinished ones first.
  struct Entry: Encodable {
    var message: MessageFacts
    var recipients: [RecipientFacts] = []

    private enum CodingKeys: String, CodingKey { case recipients }

    /// The message's own members, with `recipients` among them.
    func encode(to encoder: any Encoder) throws {
      try message.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(recipients, forKey: .recipients)
    }
  }

  var entries: [Entry] = []
  var standing: QueueStanding?
  /// More messages are behind the last one.
  var hasMore = false

  /// Asks page by page.
  static func fetch(
    _ filters: [QueueFilter], after: QueueID?, limit: Int,
    ask: (QueueRequest) async throws(ControlFault) -> [ControlAnswer]
  ) async throws(ControlFault) -> QueueListing {
    var listing = QueueListing()
    for filter in filters {
      var last = after
      while listing.entries.count <= limit {
        // One more than is wanted tells whether there is more.
        let wanted = min(pageSize, limit - listing.entries.count + 1)
        let before = listing.entries.count
        listing.add(try await ask(.list(filter, after: last, limit: wanted)))
        last = listing.entries.last.flatMap { QueueID($0.message.id) }
        guard listing.entries.count - before == wanted, wanted > 0 else { break }
      }
    }
    listing.hasMore = listing.entries.count > limit
    listing.entries = Array(listing.entries.prefix(limit))
    return listing
  }

  private mutating func add(_ answers: [ControlAnswer]) {
    for answer in answers {
      switch answer {
      case .message(let facts): entries.append(Entry(message: facts))
      case .recipient(let facts): entries.indices.last.map { entries[$0].recipients.append(facts) }
      case .standing(let facts): standing = facts
      case .event, .eventsOmitted, .status, .metrics, .changed, .reloaded, .backup, .policy, .override, .steady, .asked,
        .audit, .authentication,
        .watching,
        .dialogue, .linesLost:
        break
      }
    }
  }

  // MARK: As text

  /// - Parameters:
  ///   - columns: what a line is cut to; nil leaves it whole.
  ///   - isNarrowed: the list was asked for by conditions, so that an empty one doesn't mean an empty queue.
  func lines(at now: UTCInstant, columns: Int? = QueueText.width, isNarrowed: Bool = false) -> [String] {
    var lines: [String] = []
    if entries.isEmpty, isNarrowed {
      lines.append("No message in the queue is meant by these conditions.")
    } else if !entries.isEmpty {
      lines.append("ID                 AGE      SIZE  STATE     NEXT  SENDER")
      for entry in entries { lines += entry.lines(at: now, columns: columns) }
    }
    if lines.contains(where: { $0.hasSuffix(" …") }) {
      lines.append("What ends in … is told whole by: martlet queue show ID")
    }
    if hasMore, let last = entries.last { lines.append("There are more: --after \(last.message.id)") }
    if let standing {
      if !entries.isEmpty, isNarrowed || hasMore {
        lines.append("\(QueueText.count(entries.count, "message")) shown. Of the whole queue:")
      }
      lines += standing.lines
    }
    return lines
  }
}

extension QueueListing.Entry {
  private static let senderColumns = 30

  /// Two lines, and two more at most for the last result; an ellipsis ends what `queue show` tells whole.
  func lines(at now: UTCInstant, columns: Int?) -> [String] {
    let unfinished = recipients.filter { $0.isQueued || $0.isHeld }
    let states = Set(unfinished.map(\.state))
    let state = states.count > 1 ? "mixed" : states.first ?? recipients.first?.state ?? ""
    let due = unfinished.compactMap(\.dueAt).min()
    let isUnderWay = unfinished.contains { $0.deliveringSince != nil }
    let sender = message.sender == "<>" ? "<>" : String(message.sender.dropFirst().dropLast())
    let first = [
      QueueText.left(message.id, QueueID.characters),
      QueueText.right(QueueText.short(now - message.receivedAt.instant), 5),
      QueueText.right("\(message.size)", 9),
      " " + QueueText.left(state, 6),
      QueueText.right(isUnderWay ? "on way" : due.map { next($0, at: now) } ?? "", 7),
      " " + cut(sender, columns.map { _ in QueueListing.Entry.senderColumns }),
    ].joined(separator: " ")
    var lines = [first]
    guard let shown = unfinished.first ?? recipients.first else { return lines }
    let others = max(0, message.unfinishedCount - (unfinished.isEmpty ? 0 : 1))
    let suffix = others > 0 ? " and \(QueueText.count(others, "more", "more"))" : ""
    lines.append("  to " + cut(shown.address, columns.map { $0 - 5 - suffix.count }) + suffix)
    guard let result = shown.lastResult else { return lines }
    return lines + (columns == nil ? ["  " + cut(result, nil)] : QueueText.shortened(result, indent: 2, lines: 2))
  }

  private func cut(_ text: String, _ columns: Int?) -> String {
    columns.map { QueueText.clip(text, $0) } ?? QueueText.printable(text)
  }

  private func next(_ due: Timestamp, at now: UTCInstant) -> String {
    due.instant <= now ? "now" : "in \(QueueText.short(due.instant - now))"
  }
}

extension RecipientFacts {
  var isQueued: Bool { state == RecipientState.queued.rawValue }
  var isHeld: Bool { state == RecipientState.held.rawValue }
}

extension QueueStanding {
  /// The last line of a list, and one more where something is wrong.
  var lines: [String] {
    var lines = [
      "\(QueueText.count(messages, "message")) in the queue: \(QueueText.count(recipientsQueued, "recipient")) queued, "
        + "\(recipientsHeld) held."
    ]
    if store != "accepting" { lines += QueueText.wrapped("No new mail is accepted: the store is \(store).", indent: 0) }
    return lines
  }
}

extension ServerStatus {
  func lines(at now: UTCInstant) -> [String] {
    var lines = [
      "Martlet \(version) on \(QueueText.printable(hostName)), process \(processID)",
      "  running    since \(startedAt), for \(QueueText.short(now - startedAt.instant))",
    ]
    if let stoppingSince {
      lines.append("  stopping   since \(stoppingSince), for \(QueueText.short(now - stoppingSince.instant))")
    }
    for listener in listeners { lines.append("  listening  \(listener.address), \(listener.role)") }
    lines.append("  delivering \(QueueText.count(queue.deliveriesInFlight, "message")) at this moment")
    lines += queue.lines.map { "  " + $0 }
    for alarm in alarms {
      let route = alarm.route.map { " (\($0))" } ?? ""
      lines += ["", "Alarm: \(QueueText.printable(alarm.what + route)), since \(alarm.since)"]
      lines += QueueText.wrapped(alarm.text, indent: 2)
    }
    for route in restingRoutes {
      lines += ["", "Route \(QueueText.clip(route.route, 40)) rests until \(route.until)"]
      lines += QueueText.wrapped(
        "\(rest(of: route, at: now)), after \(QueueText.count(route.failures, "failure"))"
          + (route.error.map { ": \($0.line)" } ?? ""), indent: 2)
    }
    if moreRestingRoutes > 0 { lines.append("\(QueueText.count(moreRestingRoutes, "more route")) at rest.") }
    if let lastError {
      lines += ["", "Last error: \(lastError.time), \(QueueText.short(now - lastError.time.instant)) ago"]
      lines += QueueText.wrapped("\(lastError.route): \(lastError.line)", indent: 2)
    }
    return lines
  }
}

private func rest(of route: RestingRouteFacts, at now: UTCInstant) -> String {
  let left = route.until.instant - now
  return left < .seconds(1) ? "it is tried again now" : "for another \(QueueText.short(left))"
}

extension ErrorFacts {
  /// A host says replies alone; what kept us from one is our own word, and often names the host already.
  fileprivate var line: String {
    guard let host, !host.isEmpty else { return text }
    if text.prefix(3).allSatisfy(\.isNumber) { return "\(host) says \(text)" }
    return text.contains(host) ? text : "\(host): \(text)"
  }
}
