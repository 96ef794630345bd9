internal import DequeModule
public import MailSyntax
internal import OrderedCollections
public import SMTPSessions
internal import Synchronization

/// Where the dialogues of all sessions meet those who watch them. While nobody does, a session pays one atomic load a
/// step. A watcher has a bounded ring: what finds it full is counted and dropped, so that a stalled watcher stalls no
/// session.
public final class DialogueHub: DialogueWatch {
  public static let maximumWatchers = 4
  /// Lines that wait for one watcher.
  public static let maximumWaitingLines = 2_048
  /// Lines of one session that are kept until it is known whether it is meant: the newest.
  public static let maximumEarlyLines = 64
  /// Sessions that are remembered while somebody watches: the newest.
  public static let maximumSessions = 4_096
  /// Octets of one line's text.
  public static let maximumLineOctets = 1_000
  /// Octets of all early lines together: strangers fill them. Where they are more, the oldest sessions forget theirs.
  public static let maximumEarlyOctets = 16 << 20

  private let clock: any MailClock
  private let watching = Atomic<Int>(0)
  private let outgoing = Atomic<UInt64>(0)
  private let state = Mutex(State())

  fileprivate struct State {
    var lastWatcher = 0
    var watchers: OrderedDictionary<Int, Watcher> = [:]
    var sessions: OrderedDictionary<String, Session> = [:]
    /// Of all sessions' early lines.
    var earlyOctets = 0
  }

  fileprivate struct Watcher {
    let filter: DialogueFilter
    var waiting: Deque<WatchedLine> = []
    var lost = 0
  }

  fileprivate struct Session {
    var early: Deque<WatchedLine> = []
    var earlyOctets = 0
    var earlyOmitted = 0
    /// By watcher, the conditions that aren't met yet.
    var missing: [Int: DialogueFilter.Conditions] = [:]
  }

  public init(clock: any MailClock) { self.clock = clock }

  // MARK: For sessions

  public var isWatched: Bool { watching.load(ordering: .relaxed) > 0 }

  public func nextOutgoingName() -> String {
    "out-\(outgoing.add(1, ordering: .relaxed).newValue)"
  }

  public func saw(_ line: DialogueLine, in session: DialogueSession) {
    let seen = WatchedLine(line, in: session, at: clock.now)
    state.withLock { state in
      guard !state.watchers.isEmpty else { return }
      var record = state.sessions[session.name] ?? Session()
      for (number, watcher) in state.watchers {
        let missing = record.missing[number] ?? watcher.filter.conditions
        if missing.isEmpty && record.missing[number] != nil {
          state.watchers[number]?.take(seen)
          continue
        }
        let left = missing.subtracting(watcher.filter.met(missing, by: line, in: session))
        record.missing[number] = left
        guard left.isEmpty else { continue }
        if record.earlyOmitted > 0 { state.watchers[number]?.lost += record.earlyOmitted }
        for early in record.early { state.watchers[number]?.take(early) }
        state.watchers[number]?.take(seen)
      }
      state.earlyOctets -= record.earlyOctets
      record.keep(seen)
      if state.sessions[session.name] == nil, state.sessions.count >= DialogueHub.maximumSessions {
        state.earlyOctets -= state.sessions.removeFirst().value.earlyOctets
      }
      state.sessions[session.name] = record
      state.earlyOctets += record.earlyOctets
      if state.earlyOctets > DialogueHub.maximumEarlyOctets { state.forgetEarlyLines() }
    }
  }

  public func ended(_ session: DialogueSession) {
    state.withLock { state in
      state.earlyOctets -= state.sessions.removeValue(forKey: session.name)?.earlyOctets ?? 0
    }
  }

  // MARK: For watchers

  /// Nil where as many watch as may.
  func begin(_ filter: DialogueFilter) -> Int? {
    state.withLock { state in
      guard state.watchers.count < DialogueHub.maximumWatchers else { return nil }
      state.lastWatcher += 1
      state.watchers[state.lastWatcher] = Watcher(filter: filter)
      watching.store(state.watchers.count, ordering: .relaxed)
      return state.lastWatcher
    }
  }

  /// What waits for a watcher, and how many lines were lost in front of it.
  func take(_ watcher: Int) -> (lines: [WatchedLine], lost: Int) {
    state.withLock { state in
      guard var record = state.watchers[watcher] else { return ([], 0) }
      let taken = (Array(record.waiting), record.lost)
      record.waiting = []
      record.lost = 0
      state.watchers[watcher] = record
      return taken
    }
  }

  func end(_ watcher: Int) {
    state.withLock { state in
      _ = state.watchers.removeValue(forKey: watcher)
      watching.store(state.watchers.count, ordering: .relaxed)
      if state.watchers.isEmpty {
        state.sessions = [:]
        state.earlyOctets = 0
      } else {
        for name in state.sessions.keys { state.sessions[name]?.missing[watcher] = nil }
      }
    }
  }

  /// For tests of the bounds.
  var rememberedSessions: Int { state.withLock { $0.sessions.count } }
  var earlyOctets: Int { state.withLock { $0.earlyOctets } }
}

extension DialogueHub.State {
  /// The oldest sessions' first, and half of all, so that it isn't done again for the next line.
  fileprivate mutating func forgetEarlyLines() {
    for index in sessions.values.indices where earlyOctets > DialogueHub.maximumEarlyOctets / 2 {
      earlyOctets -= sessions.values[index].earlyOctets
      sessions.values[index].forget()
    }
  }
}

extension DialogueHub.Watcher {
  fileprivate mutating func take(_ line: WatchedLine) {
    // The oldest goes: who watches wants to know what happens now.
    if waiting.count >= DialogueHub.maximumWaitingLines {
      waiting.removeFirst()
      lost += 1
    }
    waiting.append(line)
  }
}

extension DialogueHub.Session {
  fileprivate mutating func keep(_ line: WatchedLine) {
    if early.count >= DialogueHub.maximumEarlyLines {
      earlyOctets -= early.removeFirst().octets
      earlyOmitted += 1
    }
    early.append(line)
    earlyOctets += line.octets
  }

  fileprivate mutating func forget() {
    earlyOmitted += early.count
    early = []
    earlyOctets = 0
  }
}

/// One line of a dialogue, as it goes to a watcher.
public struct WatchedLine: Hashable, Sendable, Codable {
  public let time: Timestamp
  public let session: String
  /// `submissions`, `submission`, `relay`, or `outgoing`.
  public let role: String
  public let peer: String
  /// `sent`, `received` or `note`, as the server sees it.
  public let kind: String
  public let tls: Bool
  public let text: String

  public init(_ line: DialogueLine, in session: DialogueSession, at instant: UTCInstant) {
    time = Timestamp(instant)
    self.session = session.name
    role =
      switch session.side {
      case .incoming(let role): role.rawValue
      case .outgoing: "outgoing"
      }
    peer = session.peer.cut(toOctets: 255)
    kind =
      switch line.kind {
      case .sent: "sent"
      case .received: "received"
      case .note: "note"
      }
    tls = line.isEncrypted
    text = line.text.cut(toOctets: DialogueHub.maximumLineOctets)
  }

  /// What it holds in memory, about.
  fileprivate var octets: Int { session.utf8.count + peer.utf8.count + text.utf8.count + MemoryLayout<Self>.size }

  /// `~> 250 2.1.0 OK`
  public var shown: String {
    let kind: DialogueLine.Kind = kind == "sent" ? .sent : kind == "received" ? .received : .note
    return DialogueLine(kind, isEncrypted: tls, text).description
  }
}
