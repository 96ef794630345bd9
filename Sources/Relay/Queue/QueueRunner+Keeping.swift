import MailQueue
import MailSyntax

/// How the outcome of an attempt becomes durable.
extension QueueRunner {
  /// Keeps what became of an attempt, whatever it takes: on a disk that is full beyond the store's reserve the outcome
  /// stays with the worker, which offers it again and again, and meanwhile no delivery begins. So at most
  /// `Options.maximumConcurrency` outcomes wait in memory, and nothing is delivered that couldn't be written down.
  ///
  /// Throws when the store has stopped or the message is nobody's to serve any more. A stop of ours ends the waiting:
  /// then an alarm says that the recipients may be served again.
  func keep(_ attempt: Attempt, of errand: Errand, generation: Int) async throws(StoreFault) -> Ending {
    var isWaiting = false
    defer { if isWaiting { endWaiting() } }
    var isLastTry = false
    while true {
      do throws(StoreFault) {
        return try await keepOnce(attempt, of: errand, generation: generation)
      } catch {
        switch error {
        case .stopped, .notFound, .corrupt: throw error
        case .spaceLow, .unavailable, .tooLarge, .duplicate: break
        }
        if !isWaiting {
          isWaiting = true
          beginWaiting(for: errand, error)
        }
        guard !isLastTry else {
          events.record(
            QueueRunner.alarm(
              errand, "outcome-not-recorded", "stopped first, so that its recipients may be served again", error))
          return Ending()
        }
      }
      await clock.sleep(until: clock.uptime + options.recordAgainAfter)
      isLastTry = Task.isCancelled
    }
  }

  private func beginWaiting(for errand: Errand, _ fault: StoreFault) {
    let isFirst = withState { state in
      state.outcomesWaiting += 1
      return state.outcomesWaiting == 1
    }
    // The outbox can't take it now, so it goes to the log alone, and once for all outcomes that wait together.
    guard isFirst else { return }
    events.record(
      QueueRunner.alarm(errand, "outcomes-not-recorded", "no delivery begins until they are", fault))
  }

  private func endWaiting() {
    withState { $0.outcomesWaiting -= 1 }
    raise()
  }

  private static func alarm(
    _ errand: Errand, _ what: String, _ consequence: String, _ fault: StoreFault
  ) -> MailEvent {
    MailEvent(
      .alarm,
      [
        .init("id", .text(errand.id.description)), .init("route", .text(errand.lane.route.description)),
        .init("what", .text(what)), .init("reason", .text("\(consequence): the store answers \(fault)")),
      ])
  }

  /// One try. When the store takes no report, what would need one waits instead.
  private func keepOnce(
    _ attempt: Attempt, of errand: Errand, generation: Int
  ) async throws(StoreFault) -> Ending {
    await turns.take(errand.id)
    defer { turns.giveBack(errand.id) }
    var attempt = attempt
    attempt.overtaken = try await overtaken(attempt, errand)
    do throws(StoreFault) {
      return try await record(attempt, generation: generation)
    } catch {
      switch error {
      case .spaceLow, .unavailable, .tooLarge, .duplicate:
        attempt.canReport = false
        return try await record(attempt, generation: generation)
      case .stopped, .notFound, .corrupt: throw error
      }
    }
  }

  /// The recipients that an operator took out while they were being delivered. Asked for only where one has spoken.
  private func overtaken(_ attempt: Attempt, _ errand: Errand) async throws(StoreFault) -> Set<Int> {
    guard withState({ $0.window.wasSpokenOf(errand) }) else { return [] }
    guard let message = try await store.message(errand.id) else { return Set(attempt.recipients.map(\.number)) }
    return Set(message.recipients.filter(\.state.isFinal).map(\.number))
  }

  private func record(_ attempt: Attempt, generation: Int) async throws(StoreFault) -> Ending {
    var generator = RandomSourceGenerator(random)
    let judgement = attempt.judge(by: options, using: &generator)
    let ending = Ending(verdict: judgement.verdict, nextDue: judgement.nextDue)
    guard !judgement.changes.isEmpty || !judgement.events.isEmpty else { return ending }
    var events = judgement.events
    if let alarm = alarm(for: judgement, attempt, generation: generation) { events.append(alarm) }
    try await record(
      judgement.changes, of: attempt.message, tellings: judgement.tellings, events: events, at: attempt.endedAt)
    return ending
  }

  /// An alarm for what an operator must mend: once when a route closes, and for every fault that closes none.
  private func alarm(for judgement: AttemptJudgement, _ attempt: Attempt, generation: Int) -> MailEvent? {
    let route = attempt.recipients[0].recipient.route
    var fields: [MailEvent.Field] = [
      .init("id", .text(attempt.message.id.description)), .init("route", .text(route.description)),
    ]
    if attempt.bodyIsCorrupt {
      fields += [.init("what", .text("stored-body-damaged")), .init("reason", .text("the message is held"))]
      return MailEvent(.alarm, fields)
    }
    guard let (outcome, text, mending) = judgement.alarm else { return nil }
    if outcome.scope.holdsBackRoute {
      guard withState({ $0.window.isOpen(route, generation: generation) }) else { return nil }
    }
    fields += [.init("what", .text(outcome.reason.rawValue)), .init("reason", .text(text))]
    if case .insecure = outcome.reason {
      // It stands until mail of the route goes, or none waits for it any more: until then nothing mends it by itself.
      let remedy =
        switch attempt.origin {
        case .exchanger: mending
        case .configured: "have the server's certificate mended, or name its authority in tls.trust_roots"
        }
      fields += [.init("remedy", .text(remedy)), .init("until-cleared", .flag(true))]
    }
    return MailEvent(.alarm, fields)
  }

  /// One transaction: the changes, their reports, their events, which the store also hands to the log. Afterwards the
  /// reports are served like any mail.
  func record(
    _ changes: [RecipientChange], of message: QueuedMessage, tellings: [Telling], events: [MailEvent],
    at now: UTCInstant
  ) async throws(StoreFault) {
    var composer = ReportComposer(
      store: store, routing: withState { $0.routing }, random: random, hostName: options.hostName,
      giveUpAfter: options.giveUpAfter, now: now)
    composer.signing = signing
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
