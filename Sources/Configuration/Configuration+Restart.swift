import MailSyntax
import SMTPSessions

extension Configuration {
  /// This configuration as a server takes it that runs on another: what is read at the start alone stays as it is.
  /// - Returns: with it the keys that differ and need a restart, in the order of the documentation.
  public func taken(over running: Configuration) -> (configuration: Configuration, needingRestart: [String]) {
    var taken = self
    var names: [String] = []
    for fixed in FixedKey.all where fixed.differs(self, running) {
      names.append(fixed.name)
      fixed.keep(&taken, running)
    }
    // Left out of the file, the users lie in the data folder, and that has not moved.
    if dataFolder != running.dataFolder, usersFile == "\(dataFolder)/users.json" { taken.usersFile = running.usersFile }
    return (taken, names)
  }
}

extension ConfigurationKey {
  /// Whether SIGHUP brings a change of it into force.
  var isReadAgain: Bool { !FixedKey.all.contains { path == $0.name || path.hasPrefix("\($0.section).") } }
}

/// A key that is read when the server starts, and then not again.
private struct FixedKey: Sendable {
  /// As an operator is told.
  let name: String
  /// Where all keys of one section are fixed, the section.
  let section: String
  let differs: @Sendable (Configuration, Configuration) -> Bool
  let keep: @Sendable (inout Configuration, Configuration) -> Void

  static let all: [FixedKey] =
    [FixedKey(Keys.hostName.name, \.hostName), FixedKey(Keys.data.name, \.dataFolder)]
    + ListenerRole.allCases.map { listeners(of: $0) } + [
      certificates, FixedKey(Keys.history.row.path, \.queue.history),
      FixedKey(Keys.spaceFloor.row.path, \.queue.spaceFloor),
      FixedKey("limits.memory_in_flight", \.limits.memoryInFlight),
    ]

  private init<Value: Equatable & SendableMetatype>(
    _ name: String, _ field: any WritableKeyPath<Configuration, Value> & Sendable
  ) {
    self.name = name
    section = name
    differs = { $0[keyPath: field] != $1[keyPath: field] }
    keep = { $0[keyPath: field] = $1[keyPath: field] }
  }

  private init(
    _ name: String, section: String, keep: @escaping @Sendable (inout Configuration, Configuration) -> Void,
    differs: @escaping @Sendable (Configuration, Configuration) -> Bool
  ) {
    self.name = name
    self.section = section
    self.differs = differs
    self.keep = keep
  }

  /// Sockets stay as they were bound, all of them.
  private static func listeners(of role: ListenerRole) -> FixedKey {
    FixedKey(Keys.listener(role).row.path, section: "listen") {
      $0.listeners = $1.listeners
    } differs: { new, running in
      new.listeners.filter { $0.role == role } != running.listeners.filter { $0.role == role }
    }
  }

  /// Other certificates are taken; the first, or none any more, would change what the listeners are.
  private static var certificates: FixedKey {
    FixedKey("tls.certificates", section: "tls.certificates") {
      $0.certificates = $1.certificates
    } differs: {
      $0.certificates.isEmpty != $1.certificates.isEmpty
    }
  }
}
