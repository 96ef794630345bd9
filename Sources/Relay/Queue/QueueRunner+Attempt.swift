import MailQueue
import MailSyntax

extension QueueRunner {
  /// What an attempt leaves for the window.
  private struct Ending {
    var verdict = DueWindow.Verdict.nothing
    var nextDue: UTCInstant?
  }

  /// Delivers one message on one route and keeps what became of it.
  func attempt(_ errand: Errand, _ held: QueuedMessage?, generation: Int) async {
    var ending = Ending()
    do throws(StoreFault) {
      ending = try await deliver(errand, held, generation: generation)
    } catch {
      switch error {
      // Somebody finished it before us, or the store holds it for an operator.
      case .notFound, .corrupt: break
      // It stays as it is, due: the next survey shows it.
      case .unavailable: break
      case .stopped, .spaceLow, .tooLarge, .duplicate: failed(error)
      }
    }
    let (now, uptime) = (clock.now, clock.uptime)
    withState { state in
      state.window.finished(
        errand, verdict: ending.verdict, generation: generation, nextDue: ending.nextDue, now: now, uptime: uptime)
    }
  }

  private func deliver(
    _ errand: Errand, _ held: QueuedMessage?, generation: Int
  ) async throws(StoreFault) -> Ending {
    guard let message = try await message(errand, held) else { return Ending() }
    let startedAt = clock.now
    let queued = message.recipients.filter { $0.state == .queued && $0.recipient.route == errand.lane.route }
    let due = queued.filter { $0.due <= startedAt }
    guard !due.isEmpty else { return Ending(nextDue: queued.map(\.due).min()) }
    let served = Array(due.prefix(options.maximumRecipients))

    let route = route(errand.lane.route)
    let watch = BodyWatch()
    let result: DeliveryResult
    if let route {
      result = await route.deliverer.deliver(
        DeliveryJob(message: message, recipients: served) { [store] () async throws(StoreFault) in
          try await watch.open(message.id, in: store)
        })
    } else {
      let fault = DeliveryFault(
        stage: .connect, cause: .local("no route named \(errand.lane.route) is configured"))
      result = DeliveryResult(host: "", tls: nil, outcomes: served.map { ($0.number, .fault(fault)) })
    }
    var corrupt = false
    switch watch.seen {
    case .corrupt?: corrupt = true
    case .stopped(let reason)?: throw .stopped(reason: reason)
    case .unavailable?, .spaceLow?, .notFound?, .tooLarge?, .duplicate?, nil: break
    }
    let ending = try await keep(generation: generation) { canReport in
      Attempt(
        message: message, recipients: served, result: result, startedAt: startedAt, endedAt: clock.now,
        ending: route?.ending ?? .finalDelivery, wasCancelled: Task.isCancelled, bodyIsCorrupt: corrupt,
        canReport: canReport)
    }
    let rest = queued.filter { recipient in !served.contains { $0.number == recipient.number } }
    return Ending(
      verdict: ending.verdict, nextDue: [ending.nextDue, rest.map(\.due).min()].compactMap { $0 }.min())
  }

  /// The message as it stands: the held one when it came by the fast path, else the store's.
  private func message(_ errand: Errand, _ held: QueuedMessage?) async throws(StoreFault) -> QueuedMessage? {
    if let held { return held }
    return try await store.message(errand.id)
  }

  /// Judges the attempt and records it. When the store takes no report, what would need one waits instead.
  private func keep(
    generation: Int, _ attempt: (_ canReport: Bool) -> Attempt
  ) async throws(StoreFault) -> Ending {
    do throws(StoreFault) {
      return try await keep(attempt(true), generation: generation)
    } catch {
      switch error {
      case .spaceLow, .unavailable, .tooLarge, .duplicate: return try await keep(attempt(false), generation: generation)
      case .stopped, .notFound, .corrupt: throw error
      }
    }
  }

  private func keep(_ attempt: Attempt, generation: Int) async throws(StoreFault) -> Ending {
    var generator = RandomSourceGenerator(random)
    let judgement = attempt.judge(by: options, using: &generator)
    guard !judgement.changes.isEmpty else { return Ending(verdict: judgement.verdict) }
    var events = judgement.events
    if let alarm = alarm(for: judgement, attempt, generation: generation) { events.append(alarm) }
    let nextDue = judgement.nextDue
    try await record(
      judgement.changes, of: attempt.message, tellings: judgement.tellings, events: events, at: attempt.endedAt)
    return Ending(verdict: judgement.verdict, nextDue: nextDue)
  }

  /// An alarm for what an operator must mend: once when a route closes, and for every fault that closes none.
  private func alarm(for judgement: AttemptJudgement, _ attempt: Attempt, generation: Int) -> MailEvent? {
    let route = attempt.recipients[0].recipient.route
    var fields: [MailEvent.Field] = [
      .init("id", .text(attempt.message.id.description)), .init("route", .text(route.description)),
    ]
    if attempt.bodyIsCorrupt {
      return MailEvent(.alarm, fields + [.init("what", .text("the stored body is damaged; the message is held"))])
    }
    guard let (outcome, text) = judgement.alarm else { return nil }
    if outcome.scope.holdsBackRoute {
      guard withState({ $0.window.isOpen(route, generation: generation) }) else { return nil }
    }
    fields.append(.init("what", .text(text)))
    fields.append(.init("reason", .text(outcome.reason.rawValue)))
    return MailEvent(.alarm, fields)
  }

  /// One transaction: the changes, their reports, their events, which the store also hands to the log. Afterwards the
  /// reports are served like any mail.
  func record(
    _ changes: [RecipientChange], of message: QueuedMessage, tellings: [Telling], events: [MailEvent],
    at now: UTCInstant
  ) async throws(StoreFault) {
    let composer = ReportComposer(
      store: store, routing: withState { $0.routing }, random: random, hostName: options.hostName,
      giveUpAfter: options.giveUpAfter, now: now)
    let composed = try await composer.compose(tellings, of: message)
    do {
      try await store.record(changes, of: message.id, reports: composed.reports, events: events + composed.events)
    } catch {
      composed.discard()
      throw error
    }
    withState { state in
      for report in composed.reports {
        for recipient in report.message.recipients {
          state.window.enqueue(
            Errand(id: report.message.id, lane: Lane(route: recipient.route, account: "")),
            priority: report.message.priority, message: nil)
        }
      }
    }
  }
}
