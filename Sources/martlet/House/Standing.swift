import Configuration
import MailSyntax
import Relay
import SMTPSessions
import Synchronization

/// What a running server goes by and a reload replaces: one value in one box, swapped whole. A session reads it at its
/// beginning, so that none sees half of a change.
final class Standing: Sendable {
  struct Snapshot: Sendable {
    let configuration: Configuration
    let settings: ServerSettings
    let routes: RouteTable
  }

  private let snapshot: Mutex<Snapshot>
  /// How the house ends, once it does.
  let ending = Mutex(Ending())
  struct Ending {
    var since: UTCInstant?
    /// Nothing is waited for any more.
    var isCutShort = false
  }

  init(_ configuration: Configuration, routes: RouteTable) {
    snapshot = Mutex(Snapshot(configuration, routes: routes))
  }

  var current: Snapshot { snapshot.withLock { $0 } }
  func replace(_ configuration: Configuration, routes: RouteTable) {
    snapshot.withLock { $0 = Snapshot(configuration, routes: routes) }
  }
}

extension Standing.Snapshot {
  init(_ configuration: Configuration, routes: RouteTable) {
    self.init(configuration: configuration, settings: ServerSettings(configuration), routes: routes)
  }
}
