import MailQueue
import MailSyntax
import Synchronization
import SystemWorld

/// What `dev` tells a person of its work: what came in, where it lies, and what went wrong, in short lines. What goes as
/// it should and leaves nothing to see, a login for one, is passed over.
enum DevelopmentLog {
  /// Columns of the time and the mark.
  private static let indent = 21

  static var format: LogWriter.Format {
    // A client that spoke the wrong protocol is told of once: how its session ended then says no more.
    let mistaken = Mutex("")
    return LogWriter.Format { event, instant in
      let session = event.text("session")
      switch event.kind {
      case .wrongWrapper: mistaken.withLock { $0 = session }
      case .sessionClosed where mistaken.withLock({ $0 == session }): return nil
      case _: break
      }
      let lines = lines(for: event, at: instant)
      return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }
  }

  /// At most `QueueText.width` columns each.
  static func lines(for event: MailEvent, at instant: UTCInstant) -> [String] {
    guard let (mark, texts) = words(for: event) else { return [] }
    let lines = texts.filter { !$0.isEmpty }.flatMap { QueueText.wrapped($0, indent: indent) }
    // The time of day alone, in UTC: `11:45:00Z`.
    let time = LogLine.timestamp(instant).dropFirst(11).prefix(8) + "Z"
    let head = "\(time)  \(QueueText.left(mark, indent - 11))"
    guard let first = lines.first else { return [head] }
    return [head + first.dropFirst(indent)] + lines.dropFirst()
  }

  private static func words(for event: MailEvent) -> (mark: String, texts: [String])? {
    switch event.kind {
    case .accepted:
      let sender = event.plain("user").map { "\(event.text("from")), sent by \($0)" } ?? event.text("from")
      return (
        "accepted",
        [
          "\(event.text("id")), \(event.text("size")) bytes", "from \(sender)",
          "to \(event.text("to").split(separator: ",").joined(separator: ", "))", event.channel,
        ]
      )
    case .delivered: return ("delivered", ["\(event.text("id")) to \(event.text("recipient"))"])
    case .deferred: return ("deferred", [event.outcome])
    case .failed: return ("failed", [event.outcome])
    case .held: return ("held", [event.outcome])
    case .commandRefused: return ("refused", [event.text("reply"), event.channel])
    case .authenticationFailed:
      let user = event.plain("user").map { "for \($0)" } ?? "without a name"
      return ("no login", [user, event.channel])
    case .wrongWrapper: return ("mistake", [mistake(event.text("what")), event.channel])
    case .addressLimited: return ("limited", [event.text("what"), event.channel])
    case .listed: return ("listed", ["by \(event.text("list"))", "for \(event.text("recipient"))", event.channel])
    case .listUnanswered: return ("no word", [event.plain("list") ?? "the lists", event.text("reason"), event.channel])
    case .sessionClosed: return closing(event)
    case .alarm:
      return ("alarm", [[event.plain("what"), event.plain("reason")].compactMap { $0 }.joined(separator: ": ")])
    case .reloaded: return ("reloaded", [event.text("what")])
    case .stopping: return ("stopping", ["after what is under way"])
    case .deliveryCut:
      return ("cut", ["the delivery of \(event.text("id")), which is tried again after the next start"])
    case .downgraded:
      return ("weaker", ["\(event.text("host")) of \(event.text("domain")) showed \(event.text("seen")) TLS"])
    case .reported: return ("reported", ["\(event.text("action")) to \(event.text("to"))"])
    case .sessionOpened, .sessionSecured, .authenticated, .released, .rescheduled, .removed, .delayReported,
      .doubleBounce, .overrideAdded, .overrideEnded, .policyForgotten, .selectorChanged, .unauthenticated, .started,
      .stopped, .dnssecProven:
      return nil
    }
  }

  /// Of the ends of a session those that a program's author will want to know of.
  private static func closing(_ event: MailEvent) -> (mark: String, texts: [String])? {
    let text: String
    switch event.text("end") {
    case "handshake-failed":
      let cause = event.plain("reason").map { ": \($0)" } ?? ""
      text = "the TLS handshake failed\(cause); does the client trust the authority, and ask for localhost?"
    case "too-many-errors": text = "the session was ended: too many commands were refused"
    case "protocol-violation": text = "the session was ended: the client didn't keep to SMTP"
    case "bytes-behind-starttls": text = "the session was ended: the client sent more behind STARTTLS before TLS"
    case "timed-out": text = "the session was ended: the client said nothing for too long"
    case _: return nil
    }
    return ("ended", [text, event.channel])
  }

  private static func mistake(_ what: String) -> String {
    switch what {
    case "tls-on-starttls-port": "the client spoke TLS at once; this port begins in clear, with STARTTLS"
    case "smtp-on-tls-port": "the client spoke SMTP in clear; this port speaks TLS from the first byte"
    case "silence-on-tls-port": "the client waited for a greeting; this port speaks TLS from the first byte"
    case "http": "the client spoke HTTP"
    case "obsolete-tls": "the client knows no TLS above 1.1"
    case _: what
    }
  }
}

extension MailEvent {
  fileprivate func text(_ key: String) -> String {
    switch self[key] {
    case .text(let text)?: text
    case .number(let number)?: "\(number)"
    case .flag(let flag)?: "\(flag)"
    case nil: ""
    }
  }

  /// Nil also where the field is empty.
  fileprivate func plain(_ key: String) -> String? {
    let text = text(key)
    return text.isEmpty ? nil : text
  }

  fileprivate var outcome: String {
    [text("recipient"), plain("result") ?? plain("reason") ?? ""].filter { !$0.isEmpty }.joined(separator: ": ")
  }

  /// `submissions, TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768`.
  fileprivate var channel: String {
    let tls = text("tls")
    return "\(text("listener")), \(tls == "none" ? "in clear" : tls)"
  }
}
