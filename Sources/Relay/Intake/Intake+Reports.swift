import MailQueue
import MailSyntax
import NIOCore

/// What senders are told of a message that has just come in. It is written before the message is committed, for
/// behind that nothing may fail any more: a client that hears no 250 sends again, and everybody gets it twice.
extension Intake {
  /// The reports of `tellings`, ready to enter the queue.
  func compose(
    _ tellings: [Telling], of message: QueuedMessage, header: ByteBuffer, reception: Reception
  ) async throws(StoreFault) -> ReportComposer.Composed {
    guard !tellings.isEmpty else { return ReportComposer.Composed() }
    var composer = ReportComposer(
      store: store, routing: reception.routing, random: random, hostName: reception.hostName,
      giveUpAfter: reception.giveUpAfter, now: clock.now)
    // The store doesn't have it yet.
    composer.header = header
    composer.signing = signing
    return try await composer.compose(tellings, of: message)
  }

  /// Puts the reports of a message that was committed into the queue, and the events into its history. What the store
  /// has no room for any more is lost but for an alarm.
  func tell(_ composed: ReportComposer.Composed, of id: QueueID, events: [MailEvent]) async {
    var history = events + composed.events
    for report in composed.reports {
      let size = ByteCount(report.message.prefix.readableBytes + report.body.size.bytes)
      do throws(StoreFault) {
        _ = try await commit(report.message, report.body, .accepted(report.message, size: size))
      } catch {
        report.body.discard()
        history.removeAll { $0["report"] == .text(report.message.id.description) }
        let readers = report.message.recipients.map(\.address.description).joined(separator: ", ")
        self.events.record(Intake.alarm(id, "report-not-written", "the report to \(readers) is lost", error))
      }
    }
    guard !history.isEmpty else { return }
    do throws(StoreFault) {
      try await store.record([], of: id, reports: [], events: history)
    } catch {
      self.events.record(Intake.alarm(id, "events-not-recorded", "the message's history lacks them", error))
      for event in history { self.events.record(event) }
    }
  }

  private static func alarm(_ id: QueueID, _ what: String, _ consequence: String, _ fault: StoreFault) -> MailEvent {
    MailEvent(
      .alarm,
      [
        .init("id", .text(id.description)), .init("what", .text(what)),
        .init("reason", .text("\(consequence): the store answers \(fault)")),
      ])
  }
}
