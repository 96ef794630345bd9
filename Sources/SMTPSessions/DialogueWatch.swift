internal import MailSyntax

/// Somebody who may want to see dialogues as they happen. Lines are made only while `isWatched`, and come without
/// secrets and content (Law 8). All calls come from the sessions' own threads of control and return at once.
public protocol DialogueWatch: Sendable {
  /// Asked at every step of every session: one atomic load, no more.
  var isWatched: Bool { get }
  func saw(_ line: DialogueLine, in session: DialogueSession)
  /// No more lines of it come.
  func ended(_ session: DialogueSession)
  /// A name for an outgoing session, which has none of its own.
  func nextOutgoingName() -> String
}

/// Whose dialogue a line belongs to.
public struct DialogueSession: Hashable, Sendable {
  public enum Side: Hashable, Sendable {
    case incoming(ListenerRole)
    case outgoing
  }

  public let name: String
  public let side: Side
  /// The peer: the address of a client, the name of a server.
  public let peer: String

  public init(name: String, side: Side, peer: String) {
    self.name = name
    self.side = side
    self.peer = peer
  }
}

extension DialogueWatch {
  /// What a `ClientPlan` takes as `observe` for a connection that is about to be made to `host`: nil while nobody
  /// watches, so that a connection which began unseen stays so.
  public func observer(of host: String) -> (@Sendable (DialogueLine) -> Void)? {
    guard isWatched else { return nil }
    let viewing = OutgoingViewing(
      watch: self, session: DialogueSession(name: nextOutgoingName(), side: .outgoing, peer: host))
    return { line in viewing.saw(line) }
  }
}

/// Held by the connection's closure alone, so that its end is the connection's.
private final class OutgoingViewing: Sendable {
  private let watch: any DialogueWatch
  private let session: DialogueSession

  init(watch: any DialogueWatch, session: DialogueSession) {
    self.watch = watch
    self.session = session
  }
  deinit { watch.ended(session) }

  func saw(_ line: DialogueLine) {
    if watch.isWatched { watch.saw(line, in: session) }
  }
}
