import MailSyntax

/// The moments after which a peer was too slow, whatever it sends meanwhile. RFC 5321 §4.5.3.2.
struct ServerDeadlines {
  /// What the peer was too slow with.
  enum Lateness {
    /// The next command, the next octet of content, or all of it.
    case step
    /// A message that could be accepted.
    case message
  }

  private let limits: ServerLimits
  private var step: Uptime
  /// Set while content comes in.
  private var content: Uptime?
  private var message: Uptime

  init(_ limits: ServerLimits, at now: Uptime) {
    self.limits = limits
    step = now + limits.commandTime
    message = now + limits.sessionTime
  }

  /// It is the peer's turn: for a whole command, so that octets of one don't lengthen the wait.
  mutating func awaitCommand(at now: Uptime) { step = now + limits.commandTime }

  /// It is the peer's turn to send content.
  mutating func awaitContent(at now: Uptime) { step = now + limits.contentIdleTime }

  mutating func contentBegan(at now: Uptime) { content = now + limits.contentTime }

  mutating func contentCame(at now: Uptime) {
    awaitContent(at: now)
    // What nobody wants is read all the same, and not for ever.
    if content == nil { contentBegan(at: now) }
  }

  mutating func contentEnded() { content = nil }

  mutating func messageAccepted(at now: Uptime) { message = now + limits.sessionTime }

  func lateness(at now: Uptime) -> Lateness? {
    if now > step || content.map({ now > $0 }) == true { return .step }
    // A message that is coming in has its own time.
    return content == nil && now > message ? .message : nil
  }
}
