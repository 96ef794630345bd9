import Configuration
import ControlPlane
import MailQueue
import MailSyntax
import QueueStorage
import Relay
import SMTPSessions
import SMTPTransport
import Synchronization
import SystemWorld

extension House {
  private enum Part {
    case stopAsked, sessionsEnded, other
    case runner(QueueRunner.End)
  }

  /// Serves until `stop` returns, then lets open transactions and deliveries under way end, all within `drain_time` and
  /// at the same time. When `hurry` returns, nothing is waited for any more.
  func run(
    until stop: @Sendable @escaping () async -> Void,
    hurry: @Sendable @escaping () async -> Void = { await House.untilCancelled() }
  ) async -> QueueRunner.End {
    log.record(MailEvent(.started, [.init("hostname", .text(configuration.hostName.description))]))
    let control = await openControl()
    let end = await withTaskGroup(of: Part.self) { group in
      if let control {
        group.addTask {
          await control.run()
          return .other
        }
      }
      group.addTask { .runner(await self.runner.run()) }
      group.addTask {
        await self.watchCertificates()
        return .other
      }
      group.addTask {
        await self.watchValidation()
        return .other
      }
      group.addTask {
        await self.lists.run()
        return .other
      }
      group.addTask {
        await self.signing.run()
        return .other
      }
      group.addTask {
        await self.tally.run()
        return .other
      }
      group.addTask {
        await self.store.run()
        return .other
      }
      group.addTask {
        await self.kept.run()
        return .other
      }
      group.addTask {
        await stop()
        return .stopAsked
      }
      var end: QueueRunner.End?
      // Until a stop is asked for nobody waits for sessions: then the runner ended by itself.
      var sessionsAreOver = true
      for await part in group {
        switch part {
        case .other: break
        case .stopAsked:
          guard end == nil else { break }
          sessionsAreOver = false
          await self.beginStopping()
          group.addTask {
            await self.sessionsEnd()
            return .sessionsEnded
          }
          group.addTask {
            await hurry()
            self.cutShort()
            return .other
          }
        case .sessionsEnded: sessionsAreOver = true
        case .runner(let ended):
          end = ended
          // Without a store no session can be served.
          if case .storeFault = ended { sessionsAreOver = true }
        }
        if end != nil, sessionsAreOver { group.cancelAll() }
      }
      return end ?? .stopped
    }
    await close()
    return end
  }

  /// Since when the house is ending.
  var stoppingSince: UTCInstant? { standing.ending.withLock { $0.since } }

  /// Takes no more connections, asks open sessions to end behind their transactions, and begins no more deliveries. What
  /// a session still brings is durable, and delivered after the next start.
  private func beginStopping() async {
    standing.ending.withLock { $0.since = clock.now }
    log.record(
      MailEvent(
        .stopping,
        [
          .init("sessions", .number(ledger.connections)), .init("deliveries", .number(runner.inFlight)),
          .init("within-seconds", .number(Int(clamping: configuration.drainTime.components.seconds))),
        ]))
    runner.stop()
    for listener in listeners {
      await listener.stopAccepting()
      listener.visit { ($0 as? ServerConnection)?.shutDown() }
    }
  }

  private func sessionsEnd() async {
    let deadline = clock.uptime + configuration.drainTime
    while ledger.connections > 0, clock.uptime < deadline, !Task.isCancelled,
      !standing.ending.withLock({ $0.isCutShort })
    {
      await clock.sleep(until: clock.uptime + .milliseconds(50))
    }
  }

  private func cutShort() {
    standing.ending.withLock { $0.isCutShort = true }
    runner.cutShort()
  }

  private func close() async {
    for listener in listeners { await listener.stopAccepting() }
    await standing.current.routes.close()
    await tally.write()
    await kept.close()
    await store.close()
    await foundation.shutDown()
    log.record(MailEvent(.stopped, []))
  }

  private static func untilCancelled() async {
    let (never, _) = AsyncStream.makeStream(of: Void.self)
    for await _ in never {}
  }
}
