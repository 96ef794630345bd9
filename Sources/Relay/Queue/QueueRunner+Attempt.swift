import MailQueue
import MailSyntax
import OrderedCollections
import SMTPSessions

extension QueueRunner {
  /// What an attempt leaves for the window.
  struct Ending {
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
      case .stopped: failed(error)
      // It can't be read at the moment.
      case .unavailable, .spaceLow: ending.nextDue = clock.now + DueWindow.readAgainAfter
      // Somebody finished it before us, or the store holds it for an operator.
      case .notFound, .corrupt, .tooLarge, .duplicate: break
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
    let route = route(errand.lane.route)
    let served = together(due, on: route)
    let mark = served[0].recipient.forwardedFrom
    let watch = BodyWatch()
    let result: DeliveryResult
    let underWay = DeliveryUnderWay(
      id: errand.id, route: errand.lane.route, recipients: served.map(\.number), since: startedAt)
    withState { $0.underWay[errand] = underWay }
    defer { withState { $0.underWay[errand] = nil } }
    if let route {
      result = await route.deliverer.deliver(
        DeliveryJob(message: mark.map { message.forwarded(from: $0) } ?? message, recipients: served) {
          [store] () async throws(StoreFault) in
          try await watch.open(message.id, in: store)
        })
    } else {
      let fault = DeliveryFault(
        stage: .connect, cause: .local("no route named \(errand.lane.route) is configured"))
      result = DeliveryResult(host: "", tls: nil, outcomes: served.map { ($0.number, .fault(fault)) })
    }
    // Nothing was tried, so there is nothing to write down.
    if let pause = result.busyFor { return Ending(verdict: .busy(pause, message.message.priority)) }
    var corrupt = false
    switch watch.seen {
    case .corrupt?: corrupt = true
    case .stopped(let reason)?: throw .stopped(reason: reason)
    case .unavailable?, .spaceLow?, .notFound?, .tooLarge?, .duplicate?, nil: break
    }
    let ending = try await keep(
      Attempt(
        message: message, recipients: served, result: result, startedAt: startedAt, endedAt: clock.now,
        ending: route?.ending ?? .finalDelivery, origin: route?.origin ?? .configured, wasCancelled: Task.isCancelled,
        bodyIsCorrupt: corrupt),
      of: errand, generation: generation)
    let rest = queued.filter { recipient in !served.contains { $0.number == recipient.number } }
    return Ending(
      verdict: ending.verdict, nextDue: [ending.nextDue, rest.map(\.due).min()].compactMap { $0 }.min())
  }

  /// Those that one delivery serves; the rest follow at once.
  private func together(_ due: [QueuedRecipient], on route: Route?) -> [QueuedRecipient] {
    let first = due[0].recipient
    let companions = due.filter { other in
      // One mark a transaction: nobody learns by which alias another is reached.
      guard other.recipient.forwardedFrom == first.forwardedFrom else { return false }
      return switch route?.origin {
      // Each domain has hosts and a policy of its own.
      case .exchanger?: other.recipient.address.domain == first.address.domain
      case .configured?, nil: true
      }
    }
    return Array(companions.prefix(options.maximumRecipients))
  }

  /// The message as it stands: the held one when it came by the fast path, else the store's.
  private func message(_ errand: Errand, _ held: QueuedMessage?) async throws(StoreFault) -> QueuedMessage? {
    if let held { return held }
    return try await store.message(errand.id)
  }
}
