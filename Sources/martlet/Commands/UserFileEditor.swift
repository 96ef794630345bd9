import Accounts
import ControlPlane
import Foundation
import MailSyntax

/// Changes the users file, one command at a time, whole or not at all.
struct UserFileEditor {
  private let place: OperatingPlace
  init(_ place: OperatingPlace) { self.place = place }

  /// A folder that isn't there has no users to speak of; only `add` makes it.
  func requireFolder() throws {
    let folder = (place.usersFile as NSString).deletingLastPathComponent
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
      throw FileTrouble("\(folder): there is no such folder; see --data and --config")
    }
  }

  /// Looks before the slow work of hashing is done.
  func check(_ look: (UserDirectory) throws -> Void) throws {
    try explaining { try look(try UserFiles.load(place.usersFile)) }
  }

  func edit(_ change: (UserDirectory) throws -> UserDirectory) throws -> UserDirectory {
    let folder = (place.usersFile as NSString).deletingLastPathComponent
    try OperatingPlace.becomeOwner(of: folder)
    return try explaining {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let path = place.usersFile + ".lock"
      let lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard lock >= 0 else { throw FileTrouble("\(path): \(String(cString: strerror(errno)))") }
      defer { close(lock) }
      // Held for the time of reading and writing one file, so waiting is short.
      guard flock(lock, LOCK_EX) == 0 else { throw FileTrouble("\(path): \(String(cString: strerror(errno)))") }
      let changed = try change(try UserFiles.load(place.usersFile))
      try UserFiles.save(changed, to: place.usersFile)
      return changed
    }
  }

  /// Lets a running server read the file again.
  func tellServer() async -> UserNotice.Server {
    do throws(ControlFault) {
      for case .reloaded(let parts) in try await ControlClient.call(.reload(.users), socketPath: place.socketPath)
      where parts.contains("users") { return .knows }
      return .failed("it could not read the users; its log says why")
    } catch {
      return error.kind == .nobodyListens ? .notRunning : .failed(error.text)
    }
  }

  private func explaining<Result>(_ work: () throws -> Result) throws -> Result {
    do {
      return try work()
    } catch let fault as UserFault {
      throw ControlFault(.badRequest, "\(place.usersFile): \(fault)")
    } catch let error as CocoaError {
      throw FileTrouble("\(place.usersFile): \(error.localizedDescription)")
    }
  }
}

extension UserDirectory {
  func knownUser(_ name: String, in place: OperatingPlace) throws -> User {
    guard let user = user(named: name) else {
      throw ControlFault(.notFound, "\(place.usersFile): there is no user \"\(name)\"; see martlet user list")
    }
    return user
  }
}
