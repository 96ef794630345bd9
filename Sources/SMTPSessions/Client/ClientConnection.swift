import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import TransportSecurity

/// A client session on a wire: keeps what was received, pulls the session's actions and does them, watches deadlines,
/// and answers the tasks that talk to it through its `ClientConversation`. Confined to its wire's thread of control.
final class ClientConnection: WireDelegate {
  /// What may lie unread: less than any session leaves, since each reply is bounded (`ReplyParser`).
  static let maximumHeldOctets = 131072

  enum Activity {
    case opening(OneShot<Result<OpenedSession, OpeningFault>>)
    case idle
    case sending(OneShot<TransactionOutcome>, recipients: Int)
    case resetting(OneShot<Bool>)
    /// QUIT is on its way, or the wire is being closed.
    case leaving
  }

  let plan: ClientPlan
  /// Our name, as this peer is to hear it.
  private let identity: HostIdentity
  let mailbox: ClientMailbox
  var wire: (any Wire)?
  var phase = ClientPhase.closed
  var activity: Activity
  private var proof: TLSProof?
  /// Said before STARTTLS: the session that heard it is gone.
  private var cleartextGreetingName: String?
  private var greetingName: String? { cleartextGreetingName ?? phase.greetingName }
  private var accumulator = ByteBuffer()
  private var isPulling = false
  /// The wire is being closed: nothing that still comes matters.
  private var isShut = false
  private var deadline: Uptime?
  var content: ContentInFlight?
  var farewells: [OneShot<Void>] = []

  init(
    wire: any Wire, peer: DialledPeer, plan: ClientPlan, mailbox: ClientMailbox,
    opening: OneShot<Result<OpenedSession, OpeningFault>>
  ) {
    self.wire = wire
    self.plan = plan
    identity = plan.egress.name(toward: peer.endpoint?.address)
    self.mailbox = mailbox
    activity = .opening(opening)
  }

  // MARK: The wire speaks

  func opened() {
    if let goal = plan.security.goal {
      phase = .cleartext(CleartextClientSession(identity: identity, dialect: plan.dialect, goal: goal))
    } else {
      beginHandshake()
    }
    renewDeadline()
    listen()
  }

  func received(_ bytes: inout ByteBuffer) {
    guard !isShut else { return bytes.clear() }
    // A copy: a slice that is kept would keep the channel's whole read buffer.
    accumulator.writeBuffer(&bytes)
    pull()
    guard accumulator.readableBytes <= ClientConnection.maximumHeldOctets else {
      return fail(DialogueFault(phase.stage, .protocolViolation("the server sends without end")))
    }
    if accumulator.readableBytes == 0 { accumulator.clear() }
  }

  func tlsEstablished(_ proof: TLSProof) {
    guard self.proof == nil, accumulator.readableBytes == 0 else {
      return fail(DialogueFault(.handshake, .protocolViolation("bytes in clear before the handshake")))
    }
    self.proof = proof
    note("TLS: \(proof.facts.version) \(proof.facts.cipherSuite)\(proof.facts.group.map { " \($0)" } ?? "")")
    guard let peer = plan.security.peer else {
      return fail(DialogueFault(.handshake, .protocolViolation("a handshake that nobody asked for")))
    }
    if let fault = peer.fault(with: proof.facts.peerCertificate) { return refuseUnproven(fault) }
    if plan.security.goal == nil {
      var session = EncryptedClientSession(
        proof: proof, identity: identity, dialect: plan.dialect, opening: .withGreeting)
      let action = session.start()
      phase = .encrypted(session)
      _ = perform(action)
    } else {
      cleartextGreetingName = phase.greetingName
      _ = perform(phase.upgrade(by: proof))
    }
    renewDeadline()
    pull()
  }

  func becameWritable() { pump() }

  func inputClosed() {
    guard case .leaving = activity else {
      return fail(DialogueFault(phase.stage, .transport("the server closed the connection")))
    }
    wire?.close()
  }

  func tick() {
    guard let wire, let deadline, wire.uptime >= deadline else { return }
    switch activity {
    case .idle: leave()
    case .leaving: wire.close()
    case .opening, .sending, .resetting:
      fail(DialogueFault(phase.stage, .transport("the server took too long at \(phase.stage.rawValue)")))
    }
  }

  func closed(_ fault: WireFault?) {
    let stage = phase.stage
    settle(DialogueFault(stage, fault.map(DialogueFault.Cause.init) ?? .transport("the connection was closed")))
    wire = nil
    phase = .closed
    shutMailbox()
  }

  // MARK: The session speaks

  func pull() {
    guard !isPulling else { return }
    isPulling = true
    defer { isPulling = false }
    while wire != nil {
      let action = phase.next(&accumulator)
      hear()
      guard perform(action) else { return }
    }
  }

  /// Does what the session asks. False where nothing more is to be pulled now.
  func perform(_ action: ClientAction) -> Bool {
    switch action {
    case .needBytes: return false
    case .goOn: return true
    case .write(let output):
      write(output)
    case .startTLS:
      beginHandshake()
      renewDeadline()
      return false
    case .ready:
      if let authentication = plan.authentication {
        return perform(
          phase.authenticate(
            authentication.credential, nonce: authentication.nonce, server: authentication.server))
      }
      becomeOpen()
    case .authenticated: becomeOpen()
    case .refused(let fault):
      settle(fault)
      leave()
    case .deriveKey: deriveKey()
    case .sendContent: pump()
    case .finished(let outcome): finish(outcome)
    case .wasReset:
      if case .resetting(let answer) = activity {
        activity = .idle
        answer.fulfil(true)
      }
      renewDeadline()
    case .close:
      settle(DialogueFault(phase.stage, .transport("the server left")))
      shut()
      return false
    case .fail(let fault):
      fail(fault)
      return false
    }
    return true
  }

  private func beginHandshake() {
    guard let peer = plan.security.peer else { return }
    wire?.startTLS(.client(peer))
  }

  private func write(_ output: ClientOutput) {
    wire?.write(output.bytes)
    wire?.flush()
    renewDeadline()
    guard plan.observe != nil else { return }
    let text = output.shownAs ?? String(buffer: output.bytes)
    for line in text.split(whereSeparator: \.isNewline) { show(.sent, String(line)) }
  }

  private func hear() {
    guard let reply = phase.takeHeard() else { return }
    renewDeadline()
    guard plan.observe != nil else { return }
    let enhanced = reply.enhanced.map { "\($0) " } ?? ""
    for (index, line) in reply.lines.enumerated() {
      let separator = index == reply.lines.count - 1 ? " " : "-"
      // Law 8: a challenge may be made from a secret.
      let isChallenge = reply.code == ReplyCode(334) && !line.isEmpty
      show(.received, "\(reply.code)\(separator)\(enhanced)\(isChallenge ? "(challenge)" : line)")
    }
  }

  private func becomeOpen() {
    guard case .opening(let opening) = activity else { return }
    activity = .idle
    renewDeadline()
    opening.fulfil(
      .success(
        OpenedSession(
          tls: proof?.facts, cleartextReason: proof == nil ? plan.security.permit?.reason : nil,
          capabilities: phase.capabilities, greetingName: greetingName, helloName: phase.helloName)))
  }

  private func finish(_ outcome: TransactionOutcome) {
    guard case .sending(let answer, _) = activity else { return }
    content = nil
    activity = .idle
    renewDeadline()
    // The mailbox closes first: who reads the outcome must not take a connection that is going for a good one.
    if !outcome.leavesConnectionUsable { shut() }
    answer.fulfil(outcome)
  }

  private func deriveKey() {
    guard let derivation = phase.derivation, let wire else { return }
    let derive = plan.derive
    wire.await({ await derive(derivation) }) { salted in
      guard !self.isShut, self.perform(self.phase.receive(salted: salted)) else { return }
      self.pull()
    }
  }

  // MARK: Ends

  /// RFC 5321 §4.1.1.10: QUIT before closing, wherever it can be said.
  func leave() {
    guard wire != nil else { return }
    activity = .leaving
    for request in mailbox.close() { request.refuse() }
    if perform(phase.quit()) { pull() }
  }

  /// Ends at once: not another octet goes out.
  func fail(_ fault: DialogueFault) {
    settle(fault)
    shut()
  }

  private func shut() {
    activity = .leaving
    isShut = true
    shutMailbox()
    deadline = nil
    wire?.close()
  }

  func shutMailbox() {
    for request in mailbox.close() { request.refuse() }
    for farewell in farewells { farewell.fulfil(()) }
    farewells = []
  }

  /// Answers the task that waits, if one does.
  private func settle(_ fault: DialogueFault) {
    let waiting = activity
    activity = .leaving
    content = nil
    switch waiting {
    case .opening(let opening):
      shutMailbox()
      opening.fulfil(.failure(OpeningFault(fault, tls: proof?.facts, greetingName: greetingName)))
    case .sending(let answer, let recipients):
      let unsaid = TransactionOutcome(
        answers: Array(repeating: .fault(fault), count: recipients), leavesConnectionUsable: false)
      let outcome = phase.lose(fault.cause) ?? unsaid
      shutMailbox()
      answer.fulfil(outcome)
    case .resetting(let answer):
      shutMailbox()
      answer.fulfil(false)
    case .idle, .leaving: break
    }
  }

  /// RFC 3207 §4.1: right behind the handshake each side asks whether this is safe enough. It isn't.
  private func refuseUnproven(_ fault: CertificateFault) {
    settle(DialogueFault(.handshake, .security(.certificate(fault))))
    shut()
  }

  private func renewDeadline() {
    guard let wire else { return }
    if case .leaving = activity {
      deadline = wire.uptime + plan.timeouts.farewell
    } else {
      deadline = wire.uptime + plan.timeouts.duration(of: phase.stage)
    }
  }

  private func note(_ text: String) { show(.note, text) }
  private func show(_ kind: DialogueLine.Kind, _ text: String) {
    plan.observe?(DialogueLine(kind, isEncrypted: phase.isEncrypted, text))
  }
}
