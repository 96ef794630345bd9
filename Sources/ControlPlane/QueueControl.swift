public import MailQueue
public import MailSyntax
public import Relay

/// An operator's requests on a store: behind the control socket of a running server, and directly where none runs.
public struct QueueControl: Sendable {
  /// Messages of one page.
  public static let maximumListed = 1000
  /// Recipients of one message in a list; `show` gives all.
  public static let maximumRecipientsListed = 100
  /// Events of one message; the newest are given.
  public static let maximumEvents = 20_000

  /// Destinations below a domain whose mail one word makes due; what goes to further ones keeps its time.
  public static let maximumRoutesRetried = 1_000

  private let store: any QueueStore
  private let runner: QueueRunner

  /// The runner need not run.
  public init(store: any QueueStore, runner: QueueRunner) {
    self.store = store
    self.runner = runner
  }

  /// Does what is asked; `name` is written into the audit events of every change.
  public func answers(to request: QueueRequest, by name: String) async throws(ControlFault) -> [ControlAnswer] {
    do throws(StoreFault) {
      switch request {
      case .list(let filter, let after, let limit): return try await list(filter, after: after, limit: limit)
      case .show(let id): return try await show(id)
      case .change(let change, let filter): return [.changed(try await make(change, filter, by: name))]
      }
    } catch .notFound {
      guard case .show(let id) = request else { throw ControlFault(StoreFault.notFound) }
      throw ControlFault(.notFound, "neither the queue nor its history has a message \(id)")
    } catch {
      throw ControlFault(error)
    }
  }

  public func standing() async throws(ControlFault) -> QueueStanding {
    do throws(StoreFault) {
      return try await currentStanding()
    } catch {
      throw ControlFault(error)
    }
  }

  private func currentStanding() async throws(StoreFault) -> QueueStanding {
    QueueStanding(try await store.counts(), store: store.condition, deliveriesInFlight: runner.inFlight)
  }

  /// Each message is followed by those of its recipients that the filter means, the unfinished ones first; the standing
  /// of the whole queue ends it.
  private func list(_ filter: QueueFilter, after: QueueID?, limit: Int) async throws(StoreFault) -> [ControlAnswer] {
    let limit = min(max(1, limit), QueueControl.maximumListed)
    var answers: [ControlAnswer] = []
    for queued in try await store.list(filter, after: after, limit: limit) {
      answers.append(.message(MessageFacts(queued)))
      let meant = queued.recipients.filter(filter.matches)
      let ordered = meant.filter { !$0.state.isFinal } + meant.filter(\.state.isFinal)
      let underWay = runner.underWay(of: queued.id)
      for recipient in ordered.prefix(QueueControl.maximumRecipientsListed) {
        answers.append(.recipient(RecipientFacts(recipient, underWay: underWay)))
      }
    }
    answers.append(.standing(try await currentStanding()))
    return answers
  }

  /// A message that has left the queue has a history still, for a while.
  private func show(_ id: QueueID) async throws(StoreFault) -> [ControlAnswer] {
    var answers: [ControlAnswer] = []
    if let queued = try await store.message(id) {
      answers.append(.message(MessageFacts(queued)))
      let underWay = runner.underWay(of: id)
      for recipient in queued.recipients { answers.append(.recipient(RecipientFacts(recipient, underWay: underWay))) }
    }
    let events = try await store.events(of: id)
    guard !answers.isEmpty || !events.isEmpty else { throw .notFound }
    let omitted = events.count - QueueControl.maximumEvents
    if omitted > 0 { answers.append(.eventsOmitted(omitted)) }
    for event in events.suffix(QueueControl.maximumEvents) { answers.append(.event(EventFacts(event))) }
    return answers
  }

  /// Mail on its way to the exchangers of a domain is due now; how many recipients were.
  ///
  /// - Parameters:
  ///   - domain: in its one form, as the routes have it.
  ///   - isBelow: also of every domain below.
  public func retry(mailFor domain: DomainName, below isBelow: Bool, by name: String) async throws(ControlFault) -> Int
  {
    do throws(StoreFault) {
      var count = 0
      for route in try await routes(to: domain, below: isBelow) {
        var filter = QueueFilter()
        filter.route = route
        count += try await runner.retryNow(filter, by: name)
      }
      return count
    } catch {
      throw ControlFault(error)
    }
  }

  /// Those of queued mail, and no more than `maximumRoutesRetried`.
  private func routes(to domain: DomainName, below isBelow: Bool) async throws(StoreFault) -> [RouteKey] {
    let own = RouteKey.exchangers(of: .name(domain))
    guard isBelow else { return [own] }
    let end = "." + domain.folded
    var found: Set<RouteKey> = [own]
    var filter = QueueFilter()
    filter.state = .queued
    var last: QueueID?
    while found.count < QueueControl.maximumRoutesRetried {
      let page = try await store.list(filter, after: last, limit: QueueControl.maximumListed)
      for recipient in page.lazy.flatMap(\.recipients) where recipient.state == .queued {
        let route = recipient.recipient.route
        if found.count < QueueControl.maximumRoutesRetried, route.leadsToExchangers, route.rawValue.hasSuffix(end) {
          found.insert(route)
        }
      }
      guard page.count == QueueControl.maximumListed, let end = page.last else { break }
      last = end.id
    }
    return found.sorted()
  }

  private func make(_ change: QueueChange, _ filter: QueueFilter, by name: String) async throws(StoreFault) -> Int {
    switch change {
    case .retry: try await runner.retryNow(filter, by: name)
    case .hold: try await runner.hold(filter, by: name)
    case .release: try await runner.release(filter, by: name)
    case .delete: try await runner.delete(filter, by: name)
    case .bounce: try await runner.bounce(filter, by: name)
    }
  }
}
