internal import MailMessage
public import MailQueue
internal import MailSyntax
internal import SMTPGrammar

/// An operator's words. Each goes through the whole queue by pages, changes what the filter selects, leaves an audit
/// event with `by` for every recipient, and returns how many recipients were changed. They may be spoken while the
/// runner runs: a hold or a removal outlives a delivery under way, whose success stands, and is told.
extension QueueRunner {
  /// Messages read at once.
  public static let operatorPage = 200

  /// Queued recipients wait from now on for an operator.
  public func hold(_ filter: QueueFilter, by name: String) async throws(StoreFault) -> Int {
    try await speak(filter, from: [.queued], to: .held, .held, by: name)
  }

  /// Held recipients are queued again and due now.
  public func release(_ filter: QueueFilter, by name: String) async throws(StoreFault) -> Int {
    try await speak(filter, from: [.held], to: .queued, .released, by: name)
  }

  /// Queued recipients are due now, and routes at rest are tried again.
  public func retryNow(_ filter: QueueFilter, by name: String) async throws(StoreFault) -> Int {
    try await speak(filter, from: [.queued], to: .queued, .rescheduled, by: name)
  }

  /// Takes recipients out of the queue; nobody is told but the audit. What is being delivered at the moment may arrive
  /// all the same: then `recipient.delivered` says so, with `though=removed`.
  public func delete(_ filter: QueueFilter, by name: String) async throws(StoreFault) -> Int {
    try await speak(filter, from: [.queued, .held], to: .removed, .removed, by: name)
  }

  /// Gives recipients up and tells the sender as after a failed delivery. What is being delivered at the moment is left
  /// alone, for it may succeed.
  public func bounce(_ filter: QueueFilter, by name: String) async throws(StoreFault) -> Int {
    try await speak(filter, from: [.queued, .held], to: .failed, .failed, by: name)
  }

  private func speak(
    _ filter: QueueFilter, from states: [RecipientState], to state: RecipientState, _ kind: MailEvent.Kind,
    by name: String
  ) async throws(StoreFault) -> Int {
    var count = 0
    var last: QueueID?
    // What was changed before the store refused the rest is served as well.
    defer { raise() }
    while true {
      let page = try await store.list(filter, after: last, limit: QueueRunner.operatorPage)
      for message in page {
        count += try await speak(filter, message, from: states, to: state, kind, by: name)
      }
      guard page.count == QueueRunner.operatorPage, let end = page.last else { break }
      last = end.id
    }
    return count
  }

  private func speak(
    _ filter: QueueFilter, _ listed: QueuedMessage, from states: [RecipientState], to state: RecipientState,
    _ kind: MailEvent.Kind, by name: String
  ) async throws(StoreFault) -> Int {
    let lanes = Set(listed.recipients.map { lane(of: $0, in: listed) }).sorted()
    let claimed = withState { runner in
      lanes.filter { runner.window.claim(Errand(id: listed.id, lane: $0)) }
    }
    defer {
      withState { runner in
        for lane in claimed { runner.window.unclaim(Errand(id: listed.id, lane: lane)) }
        // Also those that weren't claimed: whoever had them in hand may have given them back before the word was kept.
        if kind == .rescheduled || kind == .released { for lane in lanes { runner.window.hurry(lane) } }
      }
    }
    await turns.take(listed.id)
    defer { turns.giveBack(listed.id) }
    // The page may be old: what was delivered since it was read must not be reported as failed, nor as removed.
    guard let message = try await store.message(listed.id) else { return 0 }
    let chosen = message.recipients.filter { recipient in
      states.contains(recipient.state) && filter.matches(recipient)
        && (kind != .failed || claimed.contains(lane(of: recipient, in: message)))
    }
    guard !chosen.isEmpty else { return 0 }
    let now = clock.now
    do {
      try await record(
        chosen.map { change(of: $0, to: state, at: now, by: name) }, of: message,
        tellings: kind == .failed ? chosen.compactMap { telling(of: $0, message) } : [],
        events: chosen.map { event(kind, $0, message, by: name) }, at: now)
    } catch .notFound {
      // It left the queue in the meantime.
      return 0
    }
    withState { $0.window.spoken() }
    return chosen.count
  }

  private func lane(of recipient: QueuedRecipient, in message: QueuedMessage) -> Lane {
    Lane(route: recipient.recipient.route, account: message.message.account ?? "")
  }

  private func change(
    of recipient: QueuedRecipient, to state: RecipientState, at now: UTCInstant, by name: String
  ) -> RecipientChange {
    RecipientChange(
      number: recipient.number, state: state, due: now, attemptsAdded: 0,
      result: state.isFinal ? "\(state.rawValue) by \(name)" : nil, delayReported: recipient.delayReported,
      attempt: nil)
  }

  private func event(
    _ kind: MailEvent.Kind, _ recipient: QueuedRecipient, _ message: QueuedMessage, by name: String
  ) -> MailEvent {
    MailEvent(
      kind,
      [
        .init("id", .text(message.id.description)),
        .init("recipient", .text(recipient.recipient.address.description)),
        .init("route", .text(recipient.recipient.route.description)),
        .init("by", .text(name)),
      ])
  }

  private func telling(of recipient: QueuedRecipient, _ message: QueuedMessage) -> Telling? {
    let audience = Telling.audience(of: .failed, for: recipient.recipient, of: message.message)
    guard audience != .nobody else { return nil }
    // RFC 3463 §3.4: it was the mail system, and nothing that the classes name.
    var told = DeliveryReport.Recipient(recipient.recipient.address, status: EnhancedStatusCode(.permanent, 3, 0))
    told.originalType = recipient.recipient.originalRecipient?.addressType
    told.originalAddress = recipient.recipient.originalRecipient?.address
    // A server's words and no others: what failed here, and by which path, is not the sender's to know.
    let last = recipient.lastResult.flatMap { $0.isReply ? " The last attempt ended with: \($0)" : nil } ?? ""
    told.explanation = "The operator of this mail system has given the message up.\(last)"
    return Telling(audience: audience, action: .failed, recipient: told)
  }
}

extension String {
  /// `450 4.2.0 not now (rcpt)`, as `DeliveryFault.description` writes a reply and nothing else.
  fileprivate var isReply: Bool {
    utf8.count > 3 && utf8.prefix(3).allSatisfy(\.isASCIIDigit) && utf8.dropFirst(3).first == UInt8(ascii: " ")
  }
}
