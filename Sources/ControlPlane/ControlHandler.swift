/// What a running server does when it is asked. Calls come from several tasks at once.
public protocol ControlHandler: Sendable {
  var queue: QueueControl { get }
  /// Nil where no session can be watched.
  var dialogues: DialogueHub? { get }
  func status() async throws(ControlFault) -> ServerStatus
  /// Reads again what can be, each part whole or not at all, and says which parts were; a part that can't be is a fault.
  func reload(_ scope: ReloadScope) async throws(ControlFault) -> [String]
  /// Into a folder that isn't there yet.
  func backup(to folder: String) async throws(ControlFault) -> BackupFacts
}

extension ControlHandler {
  public var dialogues: DialogueHub? { nil }

  func answers(to request: ControlRequest, from peer: ControlPeer) async throws(ControlFault) -> [ControlAnswer] {
    switch request {
    case .status: [.status(try await status())]
    case .reload(let scope): [.reloaded(try await reload(scope))]
    case .backup(let folder): [.backup(try await backup(to: folder))]
    // Answered line by line as they come, by `ControlServer`.
    case .watch: []
    case .queue(let request): try await queue.answers(to: request, by: await peer.name())
    }
  }
}
