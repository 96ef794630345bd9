import Configuration
import ControlPlane
import Foundation
import MailSyntax
import QueueStorage
import Relay
import SystemWorld
import TransportSecurity

/// Where an operator's requests about the transport policy go: to the running server, else to the store itself under
/// the folder's lock.
struct PolicyPlace {
  private enum Way {
    case server(socketPath: String)
    case store(PolicyControl)
  }
  private let way: Way
  private let speaker: String

  var isServed: Bool {
    switch way {
    case .server: true
    case .store: false
    }
  }

  static func serving<Result>(
    _ place: OperatingPlace, _ work: (PolicyPlace) async throws -> Result
  ) async throws -> Result {
    // Before root is let go: the audit names who speaks.
    let speaker = ControlPeer.userName(getuid()) ?? "uid \(getuid())"
    if try await ControlClient.isServed(place.socketPath) {
      return try await work(PolicyPlace(way: .server(socketPath: place.socketPath), speaker: speaker))
    }
    guard place.hasQueue else {
      throw FileTrouble(
        "\(place.dataFolder): no server has run on this folder yet, so nothing is kept here. "
          + "Start martlet serve once, which makes it; if one has run, another folder is meant")
    }
    try OperatingPlace.becomeOwner(of: place.dataFolder)
    let lock = try OperatingPlace.lock(place.dataFolder)
    defer { withExtendedLifetime(lock) {} }
    let rules = place.configuration.flatMap { $0.outbound.route == .exchangers ? $0.outbound.rules.spelled() : nil }
    let kept = try await KeptPolicy.open(
      folder: place.dataFolder, onDowngrade: rules?.onDowngrade ?? .alert, clock: SystemClock(), events: NoLog())
    do {
      let result = try await work(
        PolicyPlace(
          way: .store(kept.control(isServing: false) { rules }), speaker: speaker))
      await kept.close()
      return result
    } catch {
      await kept.close()
      throw error
    }
  }

  func ask(_ request: PolicyRequest) async throws(ControlFault) -> [ControlAnswer] {
    switch way {
    case .server(let path):
      return try await remarkingOnSilence { () async throws(ControlFault) in
        try await ControlClient.call(.policy(request), socketPath: path)
      }
    case .store(let control): return try await control.answers(to: request, by: speaker)
    }
  }
}

extension OperatingPlace {
  /// The right to a folder that nobody serves; a fault where somebody has it and doesn't answer.
  static func lock(_ folder: String) throws -> FolderLock {
    do {
      return try FolderLock(folder: folder)
    } catch {
      throw held(error, folder)
    }
  }

  /// The same fault for everybody who needs the folder.
  static func held(_ error: StoreOpenError, _ folder: String) -> any Error {
    guard case .locked(_, let pid) = error else { return error }
    return ControlFault(
      .busy,
      "\(folder): \(pid.map { "process \($0)" } ?? "another process") has this folder, but nobody answers at "
        + "control.sock: a server that is starting or ending, or another command; try again")
  }
}
