public import MailSyntax

/// What acceptance makes of a message, and a change of a recipient: the same in every store.
extension QueuedMessage {
  /// A message at its acceptance: every recipient queued and due at once.
  public init(accepting message: NewMessage, bodySize: ByteCount) {
    self.init(
      message: message, bodySize: bodySize,
      recipients: message.recipients.enumerated().map { number, recipient in
        QueuedRecipient(number: number, recipient: recipient, due: message.receivedAt)
      })
  }

  public var hasUnfinishedRecipient: Bool { recipients.contains { !$0.state.isFinal } }
}

/// The part of a recipient that changes.
public struct RecipientStanding: Hashable, Sendable {
  public var state: RecipientState
  public var attempts: Int
  public var due: UTCInstant
  public var lastResult: String?
  public var delayReported: Bool
  public init(state: RecipientState, attempts: Int, due: UTCInstant, lastResult: String?, delayReported: Bool) {
    self.state = state
    self.attempts = attempts
    self.due = due
    self.lastResult = lastResult
    self.delayReported = delayReported
  }

  /// The standing after a change.
  ///
  /// A final state stays: a late outcome changes nothing (its events are kept as they are given). An operator's hold
  /// outlives an attempt that was under way when it was spoken: an attempt's `.queued` leaves a held recipient held.
  public func applying(_ change: RecipientChange) -> RecipientStanding {
    guard !state.isFinal else { return self }
    let isOutcome = change.attemptsAdded > 0
    return RecipientStanding(
      state: state == .held && change.state == .queued && isOutcome ? .held : change.state,
      attempts: attempts + change.attemptsAdded, due: change.due, lastResult: change.result ?? lastResult,
      delayReported: delayReported || change.delayReported)
  }
}

extension QueuedRecipient {
  public var standing: RecipientStanding {
    get {
      RecipientStanding(
        state: state, attempts: attempts, due: due, lastResult: lastResult, delayReported: delayReported)
    }
    set {
      state = newValue.state
      attempts = newValue.attempts
      due = newValue.due
      lastResult = newValue.lastResult
      delayReported = newValue.delayReported
    }
  }
}
