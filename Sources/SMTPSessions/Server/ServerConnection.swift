import MailSyntax
public import NIOCore
import SASLMechanisms
import SMTPGrammar
import TransportSecurity

/// Drives a `ServerSession` over a `Wire`: pulls its actions, holds input while an answer is awaited, keeps the clocks.
///
/// Confined to its wire's thread of control. One flush carries all replies to a batch of pipelined commands.
public final class ServerConnection: WireDelegate {
  /// Replies to one batch that wait for its end.
  static let maximumUnflushedOctets = 65_536

  let wire: any Wire
  let conduct: any ServerConduct
  private let settings: ServerSettings
  var session: ServerSession
  var sink: (any BodySink)?
  /// Replies of one batch: one write, one TLS record.
  private var output = ByteBuffer()
  /// What came and could not be used yet: copied, so that no read buffer is pinned.
  private var held = ByteBuffer()
  var isAwaiting = false
  private var isReadingPaused = false
  private var hasPeerFinished = false
  private var isShuttingDown = false
  var end: SessionEnd?
  var dialogue: ServerDialogue?
  var deadlines: ServerDeadlines

  /// - Parameter facts: the connection's own part; for implicit TLS the session begins at `tlsEstablished`.
  public init(
    wire: any Wire, facts: SessionFacts, conduct: any ServerConduct, settings: ServerSettings,
    watch: (any DialogueWatch)? = nil
  ) {
    self.wire = wire
    self.conduct = conduct
    self.settings = settings
    session = ServerSession(cleartext: facts, settings: settings)
    deadlines = ServerDeadlines(settings.limits, at: wire.uptime)
    dialogue = watch.map { ServerDialogue($0, facts) }
  }

  public var facts: SessionFacts { session.facts }

  // MARK: From the wire

  public func opened() {
    conduct.observe(.connected, session.facts)
    note("connected from \(facts.peer) to \(facts.local)")
    var nothing = ByteBuffer()
    pump(&nothing)
  }

  public func received(_ bytes: inout ByteBuffer) {
    guard end == nil else { return bytes.moveReaderIndex(to: bytes.writerIndex) }
    guard !session.isBeforeGreeting else { return finish(.earlyTalker, .protocolViolation) }
    if held.readableBytes == 0 {
      pump(&bytes)
      hold(&bytes)
    } else {
      hold(&bytes)
      pumpHeld()
    }
  }

  public func tlsEstablished(_ proof: TLSProof) {
    let facts = session.facts
    var encrypted = facts
    encrypted.tls = proof.facts
    let authentication = facts.role.isSubmission ? conduct.authenticationOffer(encrypted) : nil
    held = ByteBuffer()
    if isWatched { dialogue?.note(proof.facts.channel, isEncrypted: true) }
    deadlines.awaitCommand(at: wire.uptime)
    // Law 4: a new session. On 465 it has yet to greet, and `opened` tells of it; behind STARTTLS it has greeted already.
    guard facts.role != .submissions else {
      session = ServerSession(implicitTLS: proof, facts: facts, settings: settings, authentication: authentication)
      return
    }
    session = ServerSession(afterTLS: proof, facts: facts, settings: settings, authentication: authentication)
    conduct.observe(.tlsEstablished, session.facts)
  }

  public func becameWritable() { pumpHeld() }

  public func inputClosed() {
    hasPeerFinished = true
    pumpHeld()
  }

  public func tick() {
    guard end == nil, !isAwaiting else { return }
    if isShuttingDown && session.isBetweenTransactions {
      // No octet of SMTP goes before the handshake where TLS comes first (RFC 8314 §3.3).
      let awaitsTLS = facts.role == .submissions && facts.tls == nil
      return finish(awaitsTLS ? nil : .shuttingDown, .shutDown)
    }
    switch deadlines.lateness(at: wire.uptime) {
    case .step: finish(.timedOut, .timedOut)
    case .message: finish(.noMessage, .noMessage)
    case nil: break
    }
  }

  public func closed(_ fault: WireFault?) {
    let reason = end == nil ? fault?.reason : nil
    let ended = end ?? SessionEnd(fault, peerHadFinished: hasPeerFinished)
    end = ended
    dropSink()
    held = ByteBuffer()
    conduct.observe(.closed(ended, reason: reason), session.facts)
    if isWatched { dialogue?.ended(ended, isEncrypted: facts.tls != nil) }
  }

  /// The house closes: says 421 as soon as no transaction is under way (RFC 5321 §3.8).
  public func shutDown() {
    isShuttingDown = true
    tick()
  }

  // MARK: The loop

  func pumpHeld() {
    guard end == nil else { return }
    var bytes = held
    held = ByteBuffer()
    pump(&bytes)
    hold(&bytes)
  }

  private func pump(_ bytes: inout ByteBuffer) {
    while end == nil, !isAwaiting {
      // A peer that reads nothing is asked for nothing more: replies don't pile up (Law 7).
      if output.readableBytes >= ServerConnection.maximumUnflushedOctets { flush() }
      guard wire.isWritable else { break }
      // RFC 5321 §3.8: the command behind a finished transaction hears 421, so that one behind the other ends too.
      if isShuttingDown && session.isBetweenTransactions && bytes.readableBytes > 0 {
        finish(.shuttingDown, .shutDown)
        break
      }
      let action = nextAction(&bytes)
      releaseUnwantedSink()
      guard perform(action) else { break }
    }
    flush()
    settleReading(heldOctets: bytes.readableBytes)
  }

  var isWatched: Bool { dialogue?.isWatched == true }

  /// The session's next action; a watch sees what it took.
  private func nextAction(_ bytes: inout ByteBuffer) -> ServerAction {
    guard isWatched else { return session.next(&bytes) }
    let (before, hearing, isEncrypted) = (bytes, session.hearing, facts.tls != nil)
    let action = session.next(&bytes)
    dialogue?.heard(
      before, octets: before.readableBytes - bytes.readableBytes, as: hearing, isEncrypted: isEncrypted)
    if case .content(let content) = action { dialogue?.heard(content: content.readableBytes) }
    return action
  }

  private func note(_ text: @autoclosure () -> String) {
    if isWatched { dialogue?.note(text(), isEncrypted: facts.tls != nil) }
  }

  /// Does what the session asks; false when there is nothing to go on with for now.
  func perform(_ action: ServerAction) -> Bool {
    switch action {
    case .needBytes:
      if hasPeerFinished { finish(nil, .peerClosed) }
      return false
    case .continueReading: return true
    case .reply(let reply):
      say(reply)
      return true
    case .ask(let question):
      ask(question)
      return !isAwaiting
    case .beginContent(let transaction, let reply):
      sink = conduct.beginBody(transaction, session.facts)
      deadlines.contentBegan(at: wire.uptime)
      if let reply { say(reply) }
      return true
    case .content(let bytes):
      deadlines.contentCame(at: wire.uptime)
      if let sink { settle(sink.write(bytes)) { _, _ in } }
      return !isAwaiting
    case .startTLS(let reply):
      guard wire.admitsTLS() else {
        finish(.tooManyHandshakes, .turnedAway)
        return false
      }
      say(reply)
      flush()
      deadlines.awaitCommand(at: wire.uptime)
      wire.startTLS(.server)
      return false
    case .close(let reply, let reason):
      finish(reply, reason)
      return false
    }
  }

  // MARK: Writing and ending

  private func say(_ reply: Reply) {
    reply.write(into: &output)
    if isWatched { dialogue?.said(reply, isEncrypted: facts.tls != nil) }
    if sink == nil { deadlines.awaitCommand(at: wire.uptime) } else { deadlines.awaitContent(at: wire.uptime) }
    guard !reply.code.isPositive else { return }
    var facts = session.facts
    facts.refused = session.named
    conduct.observe(.refused(reply: reply), facts)
  }

  private func flush() {
    guard output.readableBytes > 0 else { return }
    wire.write(output)
    output = ByteBuffer()
    wire.flush()
  }

  private func finish(_ reply: Reply?, _ reason: SessionEnd) {
    guard end == nil else { return }
    if let reply { say(reply) }
    end = reason
    dropSink()
    flush()
    wire.close()
  }

  /// The session gave the message up by itself: size, defects, RSET, EHLO, QUIT.
  func releaseUnwantedSink() {
    if sink != nil && !session.wantsContent { dropSink() }
    if !session.isReceivingContent { deadlines.contentEnded() }
  }

  private func dropSink() {
    sink?.abandon()
    sink = nil
  }

  // MARK: Holding input

  private func hold(_ bytes: inout ByteBuffer) {
    guard end == nil else { return bytes.moveReaderIndex(to: bytes.writerIndex) }
    guard bytes.readableBytes > 0 else { return }
    if held.readableBytes == 0 { held.clear() }
    held.writeBuffer(&bytes)
    settleReading(heldOctets: held.readableBytes)
  }

  /// Reading stops while more is held than the limit allows, and goes on when it has been used.
  private func settleReading(heldOctets: Int) {
    let shouldPause = end == nil && (isAwaiting || !wire.isWritable) && heldOctets > settings.limits.heldInputOctets
    guard shouldPause != isReadingPaused else { return }
    isReadingPaused = shouldPause
    if shouldPause { wire.pauseReading() } else { wire.resumeReading() }
  }
}
