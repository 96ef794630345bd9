import Configuration
import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import Metrics
import Relay
import SMTPSessions
import SystemWorld

extension House: ControlHandler {
  var queue: QueueControl { QueueControl(store: store, runner: runner) }

  var policy: PolicyControl? {
    kept.control(isServing: true, authentication: tally) {
      let configuration = self.configuration
      return configuration.outbound.route == .exchangers ? configuration.outbound.rules.spelled() : nil
    }
  }

  var dialogues: DialogueHub? { foundation.dialogues }

  func status() async throws(ControlFault) -> ServerStatus {
    let resting = runner.restingRoutes
    return ServerStatus(
      version: Version.current, hostName: configuration.hostName.description,
      processID: ProcessInfo.processInfo.processIdentifier, startedAt: Timestamp(startedAt),
      stoppingSince: stoppingSince.map { Timestamp($0) },
      listeners: (stoppingSince == nil ? ports : []).map {
        ServerStatus.Listener(role: $0.name, address: $0.endpoint.description)
      },
      queue: try await queue.standing(),
      restingRoutes: resting.named.map { route in
        RestingRouteFacts(
          route: route.route.rawValue, until: Timestamp(route.until), failures: route.failures,
          error: alarms.lastError(of: route.route))
      },
      moreRestingRoutes: resting.more, alarms: alarms.alarms, lastError: alarms.lastError)
  }

  func metrics() async throws(ControlFault) -> String {
    let standing = try await queue.standing()
    return metrics.text(
      ServerFigures(
        version: Version.current, startedAt: startedAt, messages: standing.messages,
        recipientsQueued: standing.recipientsQueued, recipientsHeld: standing.recipientsHeld,
        deliveriesInFlight: standing.deliveriesInFlight, isAccepting: standing.isAccepting,
        standingAlarms: alarms.alarms.map(\.what)))
  }

  func backup(to folder: String) async throws(ControlFault) -> BackupFacts {
    do {
      let record = try await BackupFolder.make(
        store, policy: kept.store, usersFile: configuration.usersFile, dataFolder: configuration.dataFolder, to: folder,
        at: clock.now)
      return BackupFacts(record, in: folder)
    } catch let fault as ControlFault {
      throw fault
    } catch {
      throw ControlFault(.failed, "\(error)")
    }
  }
}
