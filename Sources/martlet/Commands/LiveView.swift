import ControlPlane
import MailSyntax
import Synchronization

/// What `martlet trace --live` prints for each answer: a line, and one that names the session before its first.
final class LiveView: Sendable {
  /// Sessions that were named; the newest.
  static let maximumSessions = 1_024

  private let isJSON: Bool
  private let named = Mutex<[String]>([])

  init(isJSON: Bool) { self.isJSON = isJSON }

  func lines(_ answer: ControlAnswer) -> [String] {
    switch answer {
    case .dialogue(let line):
      if isJSON { return (try? QueueText.json(line)).map { [$0] } ?? [] }
      let start = "\(line.time.timeOfDay) \(QueueText.printable(line.session))"
      let title =
        "\(start) == \(QueueText.printable(line.isOutgoing ? "to \(line.peer)" : "\(line.role), from \(line.peer)"))"
      return (isNew(line.session) ? [title] : []) + ["\(start) \(QueueText.printable(line.shown))"]
    case .linesLost(let count):
      if isJSON { return (try? QueueText.json(["lines_lost": count])).map { [$0] } ?? [] }
      return ["(\(QueueText.count(count, "line")) lost)"]
    case .watching, .message, .recipient, .event, .eventsOmitted, .standing, .status, .metrics, .changed, .reloaded,
      .backup,
      .policy, .override, .steady, .asked, .audit, .authentication:
      return []
    }
  }

  private func isNew(_ session: String) -> Bool {
    named.withLock { named in
      guard !named.contains(session) else { return false }
      if named.count >= LiveView.maximumSessions { named.removeFirst() }
      named.append(session)
      return true
    }
  }
}

extension WatchedLine {
  fileprivate var isOutgoing: Bool { role == "outgoing" }
}

extension Timestamp {
  /// `11:42:01.123`
  fileprivate var timeOfDay: Substring { description.dropFirst(11).dropLast() }
}
