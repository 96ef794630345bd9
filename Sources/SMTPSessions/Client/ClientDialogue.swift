import MailSyntax
import NIOCore
import SMTPGrammar

/// Which protocol is spoken.
public enum ClientDialect: Hashable, Sendable {
  case smtp
  /// RFC 2033: LHLO, and one final reply for each accepted recipient.
  case lmtp
}

/// What a client says in clear and in TLS alike: the greeting, EHLO, transactions, RSET, QUIT. The two sessions own one
/// each and add STARTTLS and AUTH, which belong to one of them alone.
///
/// Law 4 has its one place here: `issue` is the only way for a command to go out, and it goes out only when every octet
/// of the server's has been read as the answer to something.
struct ClientDialogue {
  enum State: Hashable {
    case unopened, greeting, ehlo, helo
    /// A command of the session that owns the dialogue: it takes the replies itself.
    case owned(DialogueStage)
    case ready, transaction, resetting
    /// No: only QUIT may follow.
    case refused
    case quitting, over
  }

  let identity: HostIdentity
  let dialect: ClientDialect
  let isEncrypted: Bool
  private(set) var state = State.unopened
  private(set) var capabilities = Capabilities()
  /// What the server calls itself in its greeting, and in its answer to EHLO, LHLO or HELO: the first word, as long as
  /// `ReplyParser` lets a line be (RFC 5321 §4.2 asks for a domain there; it may be anything).
  private(set) var greetingName: String?
  private(set) var helloName: String?
  /// The last whole reply, for those who show the dialogue. Taken with `takeHeard`.
  private var heard: ServerReply?
  private var parser = ReplyParser()
  /// Octets came behind the last reply that was read, or a reply has begun and isn't whole.
  private var hasUnread = false
  private var transaction: MailTransaction?
  private var needsReset = false

  init(identity: HostIdentity, dialect: ClientDialect, isEncrypted: Bool) {
    self.identity = identity
    self.dialect = dialect
    self.isEncrypted = isEncrypted
  }

  var stage: DialogueStage {
    switch state {
    case .unopened, .greeting: .greeting
    case .ehlo, .helo: .hello
    case .owned(let stage): stage
    case .ready, .refused: .idle
    case .transaction: transaction?.stage ?? .mail
    case .resetting, .quitting, .over: .farewell
    }
  }
  var wantsContent: Bool { state == .transaction && transaction?.wantsContent ?? false }

  mutating func takeHeard() -> ServerReply? {
    defer { heard = nil }
    return heard
  }

  mutating func awaitGreeting() { state = .greeting }
  mutating func sayHello() -> ClientAction {
    issue(.ehlo(identity), as: .ehlo)
  }

  /// The next whole reply. Nil with the action to take instead: wait, or give up.
  mutating func nextReply(_ bytes: inout ByteBuffer) -> (reply: ServerReply?, otherwise: ClientAction) {
    do throws(ReplyFault) {
      let reply = try parser.next(&bytes)
      hasUnread = bytes.readableBytes > 0 || parser.isInsideReply
      heard = reply ?? heard
      return (reply, .needBytes)
    } catch {
      return (nil, fail(.protocolViolation(error.description)))
    }
  }

  mutating func next(_ bytes: inout ByteBuffer) -> ClientAction {
    switch state {
    case .over, .unopened:
      guard state == .unopened, bytes.readableBytes > 0 else { return .needBytes }
      return fail(.protocolViolation("the server spoke before it was its turn"))
    case .ready, .refused: return takeUnsolicited(&bytes)
    case .greeting, .ehlo, .helo, .owned, .transaction, .resetting, .quitting:
      let (reply, otherwise) = nextReply(&bytes)
      guard let reply else { return otherwise }
      return take(reply)
    }
  }

  /// Law 4: nothing was asked. In clear it may be an attacker's, and the connection is dropped; in TLS the server may
  /// say 421 and leave (RFC 5321 §3.8), and nothing else.
  private mutating func takeUnsolicited(_ bytes: inout ByteBuffer) -> ClientAction {
    guard bytes.readableBytes > 0 else { return .needBytes }
    guard isEncrypted else { return fail(.protocolViolation("the server sent what nothing had asked for")) }
    let (reply, otherwise) = nextReply(&bytes)
    guard let reply else { return otherwise }
    guard reply.code == ReplyCode(421) else {
      return fail(.protocolViolation("the server said \(reply.code) unasked"))
    }
    state = .over
    return .close
  }

  private mutating func take(_ reply: ServerReply) -> ClientAction {
    switch state {
    case .greeting:
      greetingName = ClientDialogue.firstWord(of: reply)
      switch reply.code.severity {
      case .positiveCompletion: return sayHello()
      case .positiveIntermediate: return unexpected(reply)
      case .transientNegative, .permanentNegative: return refuse(.reply(reply))
      }
    case .ehlo, .helo:
      switch reply.code.severity {
      case .positiveCompletion:
        // RFC 5321 §4.1.1.1: what HELO's answer lists is no extension.
        capabilities = state == .ehlo ? Capabilities(reply) : Capabilities()
        helloName = ClientDialogue.firstWord(of: reply)
        state = .ready
        return .ready
      case .positiveIntermediate: return unexpected(reply)
      case .transientNegative: return refuse(.reply(reply))
      case .permanentNegative:
        // RFC 5321 §3.2: only a server that doesn't know the verb is asked in the old way.
        let isUnknownVerb = [500, 501, 502, 504].contains(reply.code.rawValue)
        guard state == .ehlo, dialect == .smtp, isUnknownVerb else { return refuse(.reply(reply)) }
        return issue(.helo(identity), as: .helo)
      }
    case .transaction:
      return follow(transaction?.take(reply) ?? .violation("no transaction is open"))
    case .resetting:
      guard reply.code.severity == .positiveCompletion else {
        return reply.code.isPositive ? unexpected(reply) : refuse(.reply(reply))
      }
      needsReset = false
      state = .ready
      return .wasReset
    case .quitting:
      state = .over
      return .close
    case .unopened, .owned, .ready, .refused, .over: return unexpected(reply)
    }
  }

  // MARK: Commands

  mutating func send(_ offered: Transaction, isAuthenticated: Bool, usesChunking: Bool) -> ClientAction {
    guard state == .ready else { return notReady(for: offered) }
    guard !offered.recipients.isEmpty else {
      return .finished(TransactionOutcome(answers: [], leavesConnectionUsable: true))
    }
    let fit = TransactionFit(
      capabilities: capabilities, isEncrypted: isEncrypted, isAuthenticated: isAuthenticated)
    let fitted: Transaction
    do throws(DialogueFault) {
      fitted = try offered.fitted(to: fit)
    } catch {
      return .finished(
        TransactionOutcome(answers: offered.recipients.map { _ in .fault(error) }, leavesConnectionUsable: true))
    }
    transaction = MailTransaction(
      fitted, dialect: dialect, isPipelined: capabilities.offersPipelining,
      // RFC 2033 says nothing of BDAT's replies, and nothing is won by it on one machine.
      isChunked: usesChunking && capabilities.offersChunking && dialect == .smtp, needsReset: needsReset)
    state = .transaction
    return follow(transaction?.start() ?? .wait)
  }

  mutating func take(content piece: ByteBuffer?) -> ClientAction {
    guard wantsContent else { return .needBytes }
    return follow(transaction?.take(content: piece) ?? .wait)
  }

  /// Our own side can't go on with the content: without its end the server won't take it for whole.
  mutating func lose(_ cause: DialogueFault.Cause) -> TransactionOutcome? {
    defer {
      transaction = nil
      state = .over
    }
    return transaction?.lose(cause)
  }

  mutating func reset() -> ClientAction {
    guard state == .ready else { return .fail(DialogueFault(stage, .local("RSET has no place here"))) }
    return issue(.rset, as: .resetting)
  }

  /// RFC 5321 §4.1.1.10: a client says QUIT before it closes, wherever a command may stand.
  mutating func quit() -> ClientAction {
    guard state == .ready || state == .refused, !hasUnread else {
      state = .over
      return .close
    }
    return issue(.quit, as: .quitting)
  }

  // MARK: Ends of steps

  /// The one way out for commands.
  mutating func issue(_ command: Command, as next: State) -> ClientAction {
    var bytes = ByteBuffer()
    do throws(CommandEncodingFault) {
      try CommandEncoder.write(command, into: &bytes)
    } catch {
      return fail(.local("\(command.verb.rawValue) can't be sent: \(error)"))
    }
    if next == .ehlo, dialect == .lmtp {
      // RFC 2033 §4.1: LHLO is EHLO by another name.
      bytes.setString("LHLO", at: bytes.readerIndex)
    }
    return issue(ClientOutput(bytes), as: next)
  }

  mutating func issue(_ output: ClientOutput, as next: State) -> ClientAction {
    guard !hasUnread else {
      return fail(.protocolViolation("the server sent more than one answer"))
    }
    state = next
    return .write(output)
  }

  /// The session that owns the dialogue takes the next replies itself.
  mutating func own(_ stage: DialogueStage) { state = .owned(stage) }

  /// The owner's command has been answered.
  mutating func becomeReady() { state = .ready }

  mutating func refuse(_ cause: DialogueFault.Cause) -> ClientAction {
    let fault = DialogueFault(stage, cause)
    state = .refused
    return .refused(fault)
  }

  mutating func fail(_ cause: DialogueFault.Cause) -> ClientAction {
    let fault = DialogueFault(stage, cause)
    // The answers that a transaction already has are the connection's to fetch by `lose`.
    if state != .transaction { state = .over }
    return .fail(fault)
  }

  mutating func unexpected(_ reply: ServerReply) -> ClientAction {
    fail(.protocolViolation("\(reply.code) is no answer at \(stage.rawValue)"))
  }

  private static func firstWord(of reply: ServerReply) -> String? {
    reply.lines.first?.split(separator: " ").first.map(String.init)
  }

  private func notReady(for transaction: Transaction) -> ClientAction {
    let fault = DialogueFault(.mail, .transport("the connection takes no more mail"))
    return .finished(
      TransactionOutcome(answers: transaction.recipients.map { _ in .fault(fault) }, leavesConnectionUsable: false))
  }

  private mutating func follow(_ progress: MailTransaction.Progress) -> ClientAction {
    switch progress {
    case .wait: return .goOn
    case .sendContent: return .sendContent
    case .violation(let text): return fail(.protocolViolation(text))
    case .write(let bytes): return issue(ClientOutput(bytes), as: .transaction)
    // Content goes out while replies to earlier chunks may be under way.
    case .writeContent(let bytes, let shownAs): return .write(ClientOutput(bytes, shownAs: shownAs))
    case .finished(let outcome):
      needsReset = transaction?.needsReset ?? false
      transaction = nil
      state = outcome.leavesConnectionUsable ? .ready : .over
      return .finished(outcome)
    }
  }
}
