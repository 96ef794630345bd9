import Configuration
import ControlPlane
import Foundation
import InternationalDomainNames
import MailQueue
import MailSyntax
import OrderedCollections
import QueueStorage
import Relay
import SystemWorld

/// Where an operator's requests on the queue go: to the running server, else to the store itself under its lock.
struct QueueDesk {
  private enum Way {
    case server(socketPath: String)
    case store(SegmentedQueueStore, QueueControl, knowsRoutes: Bool)
  }
  private let way: Way
  private let speaker: String

  /// Opens the desk, lets `work` ask, and closes it again whatever comes.
  static func serving<Result>(
    _ place: OperatingPlace, _ work: (QueueDesk) async throws -> Result
  ) async throws -> Result {
    let desk = try await open(place)
    do {
      let result = try await work(desk)
      await desk.close()
      return result
    } catch {
      await desk.close()
      throw error
    }
  }

  func ask(_ request: QueueRequest) async throws(ControlFault) -> [ControlAnswer] {
    switch way {
    case .server(let path):
      return try await remarkingOnSilence { () async throws(ControlFault) in
        try await ControlClient.call(.queue(request), socketPath: path)
      }
    case .store(_, let control, let knowsRoutes):
      if case .change(.bounce, _) = request, !knowsRoutes {
        throw ControlFault(
          .badRequest,
          "no server runs here, and the reports to the senders need its routes: say --config FILE instead of --data")
      }
      return try await control.answers(to: request, by: speaker)
    }
  }

  /// Whether a server answers, and not the store itself.
  var isServed: Bool { store == nil }

  /// The store itself where no server runs.
  var store: SegmentedQueueStore? {
    switch way {
    case .server: nil
    case .store(let store, _, _): store
    }
  }

  private func close() async { await store?.close() }

  private static func open(_ place: OperatingPlace) async throws -> QueueDesk {
    // Before root is let go: the audit names who speaks.
    let speaker = ControlPeer.userName(getuid()) ?? "uid \(getuid())"
    if try await ControlClient.isServed(place.socketPath) {
      return QueueDesk(way: .server(socketPath: place.socketPath), speaker: speaker)
    }
    guard place.hasQueue else {
      throw FileTrouble("\(place.dataFolder): no queue is here (no queue.sqlite3), and no server runs on it")
    }
    try OperatingPlace.becomeOwner(of: place.dataFolder)
    let clock = SystemClock()
    let store: SegmentedQueueStore
    do {
      store = try await SegmentedQueueStore.open(
        folder: place.dataFolder, options: place.configuration.map { StoreOptions($0) } ?? StoreOptions(),
        clock: clock, events: NoLog())
    } catch {
      throw OperatingPlace.held(error, place.dataFolder)
    }
    let routing =
      if let configuration = place.configuration { try configuration.routing(converter: LibraryIDNAConverter()) } else {
        try Routing(domains: [], outbound: nil)
      }
    let runner = QueueRunner(
      store: store, routes: RouteTable([:]), routing: routing, clock: clock, random: SystemRandom(), events: NoLog(),
      options: try runnerOptions(place.configuration))
    return QueueDesk(
      way: .store(store, QueueControl(store: store, runner: runner), knowsRoutes: place.configuration != nil),
      speaker: speaker)
  }

  private static func runnerOptions(_ configuration: Configuration?) throws -> QueueRunner.Options {
    var options = QueueRunner.Options(
      hostName: try configuration?.hostName ?? DomainName("localhost"),
      schedule: configuration?.queue.retry ?? .standard)
    if let configuration { options.giveUpAfter = configuration.queue.giveUpAfter }
    return options
  }
}

extension ControlClient {
  /// Whether a server answers at the socket; what else stands in the way is thrown.
  static func isServed(_ socketPath: String) async throws(ControlFault) -> Bool {
    do {
      _ = try await remarkingOnSilence { () async throws(ControlFault) in
        try await call(.status, socketPath: socketPath)
      }
      return true
    } catch {
      guard error.kind == .nobodyListens else { throw error }
      return false
    }
  }
}

/// The outbox keeps what a command changes; its own standard error is for the person who gave it.
struct NoLog: EventSink {
  func record(_ event: MailEvent) {}
}
