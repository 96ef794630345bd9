import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import TransportSecurity

/// Tells a watch what a server session hears and says: commands by their lines, secrets and content by their place
/// alone (Law 8).
struct ServerDialogue {
  /// Octets of one shown line.
  static let maximumShownOctets = 1_000

  private let watch: any DialogueWatch
  private let session: DialogueSession
  private var contentOctets = 0

  init(_ watch: any DialogueWatch, _ facts: SessionFacts) {
    self.watch = watch
    session = DialogueSession(
      name: facts.session.description, side: .incoming(facts.role), peer: facts.peer.address.description)
  }

  @inline(__always) var isWatched: Bool { watch.isWatched }

  /// What the session took out of `before`, which it had in front of it.
  mutating func heard(_ before: ByteBuffer, octets count: Int, as hearing: ServerSession.Hearing, isEncrypted: Bool) {
    guard count > 0, let taken = before.getSlice(at: before.readerIndex, length: count) else { return }
    switch hearing {
    case .command: show(.received, isEncrypted, ServerDialogue.shown(command: taken))
    case .secret: show(.received, isEncrypted, "(redacted)")
    case .content, .nothing: break
    }
  }

  mutating func heard(content count: Int) { contentOctets += count }

  mutating func said(_ reply: Reply, isEncrypted: Bool) {
    let enhanced = reply.enhanced.map { "\($0) " } ?? ""
    for (index, line) in reply.lines.enumerated() {
      let separator = index == reply.lines.count - 1 ? " " : "-"
      let isChallenge = reply.code == ReplyCode(334) && !line.isEmpty
      show(.sent, isEncrypted, "\(reply.code)\(separator)\(enhanced)\(isChallenge ? "(challenge)" : line)")
    }
  }

  mutating func note(_ text: String, isEncrypted: Bool) { show(.note, isEncrypted, text) }

  mutating func ended(_ end: SessionEnd, isEncrypted: Bool) {
    note("closed: \(end.rawValue)", isEncrypted: isEncrypted)
    watch.ended(session)
  }

  /// Content is told of by its length, in front of whatever comes behind it.
  mutating func tellContent(isEncrypted: Bool) {
    guard contentOctets > 0 else { return }
    let text = "(\(contentOctets) octets of content)"
    contentOctets = 0
    watch.saw(DialogueLine(.received, isEncrypted: isEncrypted, text), in: session)
  }

  private mutating func show(_ kind: DialogueLine.Kind, _ isEncrypted: Bool, _ text: String) {
    tellContent(isEncrypted: isEncrypted)
    watch.saw(DialogueLine(kind, isEncrypted: isEncrypted, text), in: session)
  }

  /// A command line without its CRLF. What is no known verb is not shown: behind a refused AUTH come lines that were
  /// meant to be secret.
  static func shown(command taken: ByteBuffer) -> String {
    let octets = taken.readableBytesView
    guard octets.count <= maximumShownOctets, octets.suffix(2).elementsEqual([0x0d, 0x0a]),
      let line = taken.getSlice(at: taken.readerIndex, length: octets.count - 2)
    else { return "(\(octets.count) octets)" }
    switch CommandParser.verb(of: line) {
    case .auth:
      let words = String(buffer: line).split(separator: " ", maxSplits: 2)
      guard words.count > 1, let mechanism = ServerMechanism(rawValue: words[1].uppercased()) else {
        return words.count > 1 ? "AUTH (redacted)" : "AUTH"
      }
      return "AUTH \(mechanism.rawValue)" + (words.count > 2 ? " (redacted)" : "")
    case .unrecognised, .httpRequest: return "(no command of ours, \(line.readableBytes) octets)"
    case .ehlo, .helo, .startTLS, .mail, .rcpt, .data, .bdat, .rset, .noop, .help, .vrfy, .expn, .quit:
      return String(buffer: line)
    }
  }
}

extension ServerSession {
  /// What the next octets are to this session.
  enum Hearing { case command, secret, content, nothing }

  var hearing: Hearing {
    switch phase {
    case .command, .turnedAway: .command
    case .authenticating: .secret
    case .data, .chunk: .content
    case .connecting, .awaiting, .ended: .nothing
    }
  }
}
