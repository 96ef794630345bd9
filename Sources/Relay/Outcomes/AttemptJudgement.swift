import MailMessage
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// What one delivery attempt comes to: the changes of its recipients, the events, who is to be told, and what it says of
/// the route. Made by `judge`, without effects but the drawing of jitter.
struct AttemptJudgement {
  var changes: [RecipientChange] = []
  var events: [MailEvent] = []
  var tellings: [Telling] = []
  var verdict = DueWindow.Verdict.nothing
  /// When a recipient of this attempt is due again, the earliest.
  var nextDue: UTCInstant?
  /// The first outcome that an operator must look at, and what can be done where a mail host wasn't safe enough.
  var alarm: (outcome: Outcome, text: String, remedy: String)?
}

/// An attempt as it was made.
struct Attempt {
  let message: QueuedMessage
  /// Those that were tried, in the order of the envelope.
  let recipients: [QueuedRecipient]
  let result: DeliveryResult
  let startedAt: UTCInstant
  let endedAt: UTCInstant
  let ending: Route.Ending
  /// Who named the hosts that were met.
  var origin = HostOrigin.configured
  /// We ended it ourselves: what failed says nothing.
  let wasCancelled: Bool
  /// The stored body's checksum failed.
  let bodyIsCorrupt: Bool
  /// False when the store has no room for a report: what would need one is tried again instead.
  var canReport = true
  /// The numbers of those that an operator took out of the queue meanwhile.
  var overtaken: Set<Int> = []
}

extension Attempt {
  /// Of what is written of one recipient, so many octets are kept: others chose many of the words.
  static let maximumRecordOctets = 1_000

  func judge(
    by options: QueueRunner.Options, using random: inout some RandomNumberGenerator
  ) -> AttemptJudgement {
    var judgement = AttemptJudgement()
    let results = resultsByNumber()
    let someWereTaken = results.values.contains { if case .delivered = $0 { true } else { false } }
    for recipient in recipients {
      guard !overtaken.contains(recipient.number) else {
        // Nothing is left to change, and a failure is nobody's concern any more. But what arrived is told.
        guard case .delivered(let text, _)? = results[recipient.number] else { continue }
        judgement.events.append(event(.delivered, recipient, result: text, though: .removed))
        continue
      }
      switch results[recipient.number] {
      case .delivered(let text, let reportsPassedOn)?:
        judgement.verdict = judgement.verdict == .failed ? .failed : .answered
        delivered(recipient, text, reportsPassedOn: reportsPassedOn, in: &judgement)
      case .fault(let fault)?:
        judge(recipient, fault, someWereTaken: someWereTaken, by: options, in: &judgement, using: &random)
      case nil:
        let fault = DeliveryFault(stage: .write, cause: .local("the route said nothing of this recipient"))
        judge(recipient, fault, someWereTaken: someWereTaken, by: options, in: &judgement, using: &random)
      }
    }
    judgement.nextDue = judgement.changes.filter { $0.state == .queued }.map(\.due).min()
    return judgement
  }

  /// The first word about each recipient counts.
  private func resultsByNumber() -> [Int: RecipientResult] {
    var results: [Int: RecipientResult] = [:]
    for (number, outcome) in result.outcomes where results[number] == nil { results[number] = outcome }
    return results
  }

  private func delivered(
    _ recipient: QueuedRecipient, _ text: String, reportsPassedOn: Bool, in judgement: inout AttemptJudgement
  ) {
    judgement.changes.append(change(of: recipient, to: .delivered, due: endedAt, result: text))
    judgement.events.append(event(.delivered, recipient, result: text))
    // RFC 3461 §5.2.1: two reports of one success would be one too many.
    guard !reportsPassedOn else { return }
    let action: DeliveryReport.Action = ending == .finalDelivery ? .delivered : .relayed
    tell(action, recipient, status: EnhancedStatusCode(.success, 0, 0), fault: nil, explanation: nil, in: &judgement)
  }

  private func judge(
    _ recipient: QueuedRecipient, _ fault: DeliveryFault, someWereTaken: Bool, by options: QueueRunner.Options,
    in judgement: inout AttemptJudgement, using random: inout some RandomNumberGenerator
  ) {
    if bodyIsCorrupt {
      let text = "the stored body is damaged"
      judgement.changes.append(change(of: recipient, to: .held, due: recipient.due, result: text))
      judgement.events.append(event(.held, recipient, result: text))
      return
    }
    let outcome = OutcomeTable.decide(fault, of: origin).asked(by: message.message.tlsWish, of: origin)
    // A stop of ours is not the peer's refusal: the recipient stands where it stood.
    if wasCancelled, outcome.action == .retry { return }
    judgement.note(outcome, fault, remedy: remedy(for: fault, recipient))
    let text = words(for: fault, recipient)
    let isExpired = startedAt >= message.message.expiresAt
    if OutcomeTable.limitsRecipients(fault, of: origin), someWereTaken {
      // RFC 5321 §4.5.3.1.10: the rest go in a transaction of their own, now. Each takes some, so it ends.
      judgement.changes.append(change(of: recipient, to: .queued, due: endedAt, result: text))
      judgement.events.append(event(.deferred, recipient, result: text, outcome: outcome, due: endedAt))
    } else if outcome.action == .bounce || isExpired, canReport {
      fail(recipient, fault, outcome, in: &judgement)
    } else {
      wait(recipient, fault, outcome, by: options, in: &judgement, using: &random)
    }
  }

  private func fail(
    _ recipient: QueuedRecipient, _ fault: DeliveryFault, _ outcome: Outcome, in judgement: inout AttemptJudgement
  ) {
    let text = words(for: fault, recipient)
    judgement.changes.append(change(of: recipient, to: .failed, due: endedAt, result: text))
    judgement.events.append(event(.failed, recipient, result: text, outcome: outcome))
    // RFC 3463 §3.5 asks for the cause rather than for "expired" (X.4.7).
    let explanation =
      explanation(of: outcome, fault, recipient)
      + (outcome.action == .retry ? " It was tried until it expired." : "")
    tell(
      .failed, recipient, status: outcome.lastStatus(for: message.message.tlsWish), fault: fault,
      explanation: explanation,
      isOurs: outcome.isOurs(origin), in: &judgement)
  }

  private func wait(
    _ recipient: QueuedRecipient, _ fault: DeliveryFault, _ outcome: Outcome, by options: QueueRunner.Options,
    in judgement: inout AttemptJudgement, using random: inout some RandomNumberGenerator
  ) {
    let envelope = message.message
    let attempts = recipient.attempts + 1
    let schedule = outcome.reason == .insecure ? options.policySchedule : options.schedule
    var due = endedAt + schedule.delay(afterAttempts: attempts, using: &random)
    // The last attempt begins at the expiry, not an interval behind it.
    if endedAt < envelope.expiresAt { due = min(due, envelope.expiresAt) }
    let isOld = endedAt - envelope.receivedAt >= options.delayReportAfter
    let isDelay =
      isOld && canReport && !recipient.delayReported
      && Telling.audience(of: .delayed, for: recipient.recipient, of: envelope) == .sender
    let text = words(for: fault, recipient)
    judgement.changes.append(
      change(of: recipient, to: .queued, due: due, result: text, isDelayReported: isDelay))
    judgement.events.append(event(.deferred, recipient, result: text, outcome: outcome, due: due))
    guard isDelay else { return }
    judgement.events.append(event(.delayReported, recipient, result: text))
    tell(
      .delayed, recipient, status: outcome.status, fault: fault,
      explanation: explanation(of: outcome, fault, recipient),
      in: &judgement)
  }

  private func tell(
    _ action: DeliveryReport.Action, _ recipient: QueuedRecipient, status: EnhancedStatusCode, fault: DeliveryFault?,
    explanation: String?, isOurs: Bool = false, in judgement: inout AttemptJudgement
  ) {
    var audience = Telling.audience(of: action, for: recipient.recipient, of: message.message)
    if audience == .postmaster, message.message.body == .eightBitMIME, fault?.isForEightBits == true {
      audience = .senderInSevenBits
    }
    guard canReport, audience != .nobody else { return }
    var told = DeliveryReport.Recipient(recipient.recipient.address, status: status)
    told.originalType = recipient.recipient.originalRecipient?.addressType
    told.originalAddress = recipient.recipient.originalRecipient?.address
    told.lastAttempt = endedAt
    told.retryUntil = action == .delayed ? message.message.expiresAt : nil
    told.explanation = explanation
    told.isOurs = isOurs
    let place = result.place(of: recipient.number)
    // RFC 3464 §2.3.5: Remote-MTA only where a server was met.
    if let fault, fault.metAServer { told.remoteHost = place.nameForReports }
    if case .reply(let reply)? = fault?.cause { told.remoteReply = reply.description }
    if action == .relayed {
      told.remoteHost = place.nameForReports
      told.channel = place.evidence.map { _ in place.summaryForReports }
    }
    judgement.tellings.append(Telling(audience: audience, action: action, recipient: told))
  }

  private func change(
    of recipient: QueuedRecipient, to state: RecipientState, due: UTCInstant, result text: String,
    isDelayReported: Bool = false
  ) -> RecipientChange {
    let place = result.place(of: recipient.number)
    return RecipientChange(
      number: recipient.number, state: state, due: due, attemptsAdded: 1,
      result: text.cut(toOctets: Attempt.maximumRecordOctets),
      delayReported: recipient.delayReported || isDelayReported,
      attempt: AttemptRecord(
        startedAt: startedAt, endedAt: endedAt, host: place.host, result: recorded(text), tls: place.channel))
  }

  /// What failed, and where a channel wasn't safe enough, who asked for more and how likely somebody is in the way.
  private func words(for fault: DeliveryFault, _ recipient: QueuedRecipient) -> String {
    let place = result.place(of: recipient.number)
    guard let reading = place.reading(of: fault), let demand = place.policy?.demand else { return fault.description }
    return "\(fault); \(demand); \(reading.likelihood.words)"
  }

  /// What the sender is told, and where the recipient's domain can mend it, its postmaster.
  private func explanation(of outcome: Outcome, _ fault: DeliveryFault, _ recipient: QueuedRecipient) -> String {
    let place = result.place(of: recipient.number)
    guard let reading = place.reading(of: fault), let demands = place.policy?.demandsForReports, !demands.isEmpty else {
      return outcome.reason.explanation
    }
    return
      "\(outcome.reason.explanation) What was asked: \(demands.joined(separator: "; ")). What was met at \(place.host): \(fault). "
      + "\(reading.grounds) The postmaster of \(recipient.recipient.address.domain) can mend it: \(reading.remedy)"
  }

  /// What an operator can do. The floor is named where lowering it would help: what the recipient's domain publishes
  /// holds beside it.
  private func remedy(for fault: DeliveryFault, _ recipient: QueuedRecipient) -> String {
    let place = result.place(of: recipient.number)
    let lowering = place.policy?.dependsOnFloor == true
    return (lowering ? "lower the domain's floor if mail may go there less safely, or " : "")
      + "have the other side mend it" + (place.reading(of: fault).map { ": \($0.remedy)" } ?? "")
  }

  /// What a record says: the last word, and which hosts had failed before.
  private func recorded(_ text: String) -> String {
    let whole = result.earlier.isEmpty ? text : "\(text); before: \(result.earlier.joined(separator: "; "))"
    return whole.cut(toOctets: Attempt.maximumRecordOctets)
  }

  private func event(
    _ kind: MailEvent.Kind, _ recipient: QueuedRecipient, result text: String, outcome: Outcome? = nil,
    due: UTCInstant? = nil, though state: RecipientState? = nil
  ) -> MailEvent {
    let place = result.place(of: recipient.number)
    var fields: [MailEvent.Field] = [
      .init("id", .text(message.id.description)),
      .init("recipient", .text(recipient.recipient.address.description)),
      .init("route", .text(recipient.recipient.route.description)),
      .init("host", .text(place.host)),
      .init("tls", .text(place.channel)),
      .init("attempt", .number(recipient.attempts + 1)),
      .init("age-seconds", .number(Int((endedAt - message.message.receivedAt).nanoseconds / 1_000_000_000))),
      .init("result", .text(recorded(text))),
    ]
    fields += place.evidenceFields
    if let outcome {
      fields.append(.init("status", .text(outcome.status.description)))
      fields.append(.init("reason", .text(outcome.reason.rawValue)))
    }
    if let due { fields.append(.init("due-seconds", .number(Int(due.seconds)))) }
    if let state { fields.append(.init("though", .text(state.rawValue))) }
    return MailEvent(kind, fields)
  }
}

extension AttemptJudgement {
  fileprivate mutating func note(_ outcome: Outcome, _ fault: DeliveryFault, remedy: String) {
    if outcome.scope.holdsBackRoute {
      verdict = .failed
    } else if verdict == .nothing, fault.metAServer {
      verdict = .answered
    }
    if outcome.needsOperator, alarm == nil { alarm = (outcome, fault.description, remedy) }
  }
}
