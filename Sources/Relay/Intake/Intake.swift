public import Accounts
internal import MailMessage
public import MailQueue
public import MailSyntax
public import SASLMechanisms
public import SMTPGrammar
public import SMTPSessions
import Synchronization

/// Accepts mail: answers a server session's questions, and says 250 to a message only after the store has it (Law 1).
public final class Intake: ServerConduct {
  let store: any QueueStore
  let clock: any MailClock
  let random: any RandomSource
  let memory: MemoryBudget
  /// Makes a message durable and sets it on its way.
  let commit: Commit
  private let authenticator: Authenticator
  let events: any EventSink
  private let lists: DNSListCheck?
  /// Nil where nothing is signed.
  let signing: MailSigning?
  private let state: Mutex<State>

  /// `QueueRunner.commit`: returns when the store has the message (Law 1).
  public typealias Commit =
    @Sendable (NewMessage, any BodyWriter, MailEvent) async throws(StoreFault) -> QueuedMessage

  private struct State {
    var reception: Reception
    var quotas = QuotaTable()
    var addresses = AddressTable()
  }

  /// - Parameter lists: asked about clients of port 25 where it has any.
  public init(
    reception: Reception, store: any QueueStore, authenticator: Authenticator, clock: any MailClock,
    random: any RandomSource, memory: MemoryBudget, events: any EventSink, lists: DNSListCheck? = nil,
    signing: MailSigning? = nil,
    commit: @escaping Commit
  ) {
    self.store = store
    self.authenticator = authenticator
    self.clock = clock
    self.random = random
    self.memory = memory
    self.events = events
    self.lists = lists
    self.signing = signing
    self.commit = commit
    state = Mutex(State(reception: reception))
  }

  public var reception: Reception { state.withLock { $0.reception } }

  /// Swaps the configuration whole: sessions see it with their next command.
  public func replace(_ reception: Reception) async {
    state.withLock { $0.reception = reception }
    await authenticator.replace(reception.users)
  }

  public func connected(_ session: SessionFacts) -> Prompt<ConnectAnswer> {
    let now = clock.uptime
    let verdict = state.withLock { state in
      state.addresses.connected(
        session.peer.address, mayRest: !session.role.isSubmission,
        limit: state.reception.connectionsPerAddressPerMinute, at: now)
    }
    switch verdict {
    case .welcome:
      if !session.role.isSubmission { lists?.begin(session) }
      return .now(.welcome)
    case .turnedAway(let reason, let isNews):
      if isNews { events.record(MailEvent(reason, session)) }
      return .now(.turnAway(.addressLimited))
    }
  }

  // MARK: AUTH

  public func authenticationOffer(_ session: SessionFacts) -> AuthenticationOffer {
    let scram: [ServerMechanism] = reception.users.everyUserHasSCRAMKeys ? [.scramSHA256] : []
    let random = random
    return AuthenticationOffer(mechanisms: scram + [.plain, .login]) {
      var generator = RandomSourceGenerator(random)
      return SCRAMNonce(using: &generator)
    }
  }

  public func verify(_ claim: PasswordClaim, _ session: SessionFacts) -> Prompt<AuthenticationAnswer> {
    let authenticator = authenticator
    return .later { .init(await authenticator.verify(claim, from: session.peer.address)) }
  }

  public func scramKeys(for user: String, _ session: SessionFacts) -> Prompt<SCRAMKeys> {
    let authenticator = authenticator
    return .later { await authenticator.scramKeys(for: user, from: session.peer.address) }
  }

  public func finishedSCRAM(
    user: String, provenSalt: [UInt8]?, _ session: SessionFacts
  ) -> Prompt<AuthenticationAnswer> {
    let authenticator = authenticator
    return .later {
      let verdict = await authenticator.finishedSCRAM(
        user: user, provenSalt: provenSalt, from: session.peer.address)
      return .init(verdict)
    }
  }

  // MARK: The envelope

  public func mail(
    _ path: ReversePath, _ parameters: MailParameters, _ session: SessionFacts
  ) -> Prompt<CommandAnswer> {
    if let refusal = storeRefusal() { return .now(.refused(refusal)) }
    let reception = reception
    guard session.role.isSubmission else {
      return unlessNull(path.mailbox, reception, .senderTakesNoMail) { .accepted }
    }
    if let mailbox = path.mailbox, !mailbox.domain.isFullyQualified {
      return .now(refusal(.unqualifiedReversePath, session))
    }
    guard let user = user(of: session) else { return .now(.refused(.authenticationFailed)) }
    guard user.senders.mayUse(path) else { return .now(refusal(.reversePathNotAllowed, session)) }
    return unlessNull(path.mailbox, reception, .senderTakesNoMail) { self.charge(user, messages: 1) }
  }

  public func recipient(
    _ path: ForwardPath, _ parameters: RecipientParameters, of transaction: Transaction, _ session: SessionFacts
  ) -> Prompt<CommandAnswer> {
    if session.role.isSubmission, case .mailbox(let mailbox) = path, !mailbox.domain.isFullyQualified {
      return .now(refusal(.unqualifiedForwardPath, session))
    }
    let reception = reception
    if let refusal = reception.routing.route(path, reach: reach(of: session)).refusal {
      return .now(.refused(refusal))
    }
    guard reception.treatsAlike(path, transaction.recipients, session) else { return .now(.refused(.otherPolicy)) }
    guard let lists, !session.role.isSubmission, !reception.routing.hearsComplaints(path) else {
      return askedRecipient(path, reception, session)
    }
    switch lists.verdict(on: session) {
    case .now(let verdict):
      return refusal(by: verdict, of: path, session).map { .now(.refused($0)) }
        ?? askedRecipient(path, reception, session)
    case .later(let verdict):
      return .later {
        if let refusal = self.refusal(by: await verdict(), of: path, session) { return .refused(refusal) }
        return await self.askedRecipient(path, reception, session).value()
      }
    }
  }

  /// Says what the lists say of this session's client.
  private func refusal(by verdict: DNSListVerdict, of path: ForwardPath, _ session: SessionFacts) -> Reply? {
    let recipient = path.mailbox?.description ?? path.description
    for listing in verdict.listings { events.record(.listed(listing, recipient, session)) }
    return verdict.refusal(of: session.peer.address)
  }

  private func askedRecipient(
    _ path: ForwardPath, _ reception: Reception, _ session: SessionFacts
  ) -> Prompt<CommandAnswer> {
    guard let question = reception.routing.question(path) else {
      return unlessNull(path.mailbox, reception, .recipientTakesNoMail) { self.chargeRecipient(session) }
    }
    guard let check = reception.recipientChecks[question.route] else { return .now(.refused(.recipientUnchecked)) }
    switch check.verdict(on: question.address) {
    case .now(let verdict): return .now(verdict.refusal.map { .refused($0) } ?? chargeRecipient(session))
    case .later(let verdict):
      return .later { await verdict().refusal.map { .refused($0) } ?? self.chargeRecipient(session) }
    }
  }

  /// RFC 7505 §4: an address of a domain with a null MX is refused with `refusal`, before anything else is done.
  private func unlessNull(
    _ mailbox: Mailbox?, _ reception: Reception, _ refusal: Reply, then: @escaping @Sendable () -> CommandAnswer
  ) -> Prompt<CommandAnswer> {
    guard let check = reception.nullExchangers, let mailbox, let domain = mailbox.domain.name,
      !reception.routing.isOwn(mailbox.domain)
    else { return .now(then()) }
    switch check.takesNoMail(domain) {
    case .now(let isNull): return .now(isNull ? .refused(refusal) : then())
    case .later(let isNull): return .later { await isNull() ? .refused(refusal) : then() }
    }
  }

  private func chargeRecipient(_ session: SessionFacts) -> CommandAnswer {
    guard session.role.isSubmission else { return .accepted }
    guard let user = user(of: session) else { return .refused(.authenticationFailed) }
    return charge(user, recipients: 1)
  }

  public func beginBody(_ transaction: Transaction, _ session: SessionFacts) -> any BodySink {
    IntakeSink(transaction, session, intake: self, reception: reception, user: user(of: session))
  }

  public func observe(_ event: SessionEvent, _ session: SessionFacts) {
    if case .notAdmitted(let bound) = event {
      let now = clock.uptime
      let reason = state.withLock { $0.addresses.notAdmitted(session.peer.address, bound, at: now) }
      if let reason { events.record(MailEvent(reason, session)) }
      return
    }
    // One line a minute tells of all that are turned away (`connected`); each would be a line of its own, and a flood's.
    guard !isOfLimited(event, session) else { return }
    if case .closed(.tooManyRefusals, _) = event, !session.role.isSubmission {
      let now = clock.uptime
      state.withLock { $0.addresses.rest(session.peer.address, at: now) }
    }
    if let event = MailEvent(event, session) { events.record(event) }
  }

  private func isOfLimited(_ event: SessionEvent, _ session: SessionFacts) -> Bool {
    switch event {
    case .refused(let reply): reply == .addressLimited
    case .connected, .closed(.turnedAway, _):
      state.withLock { [now = clock.uptime] state in
        state.addresses.isLimited(
          session.peer.address, mayRest: !session.role.isSubmission,
          limit: state.reception.connectionsPerAddressPerMinute, at: now)
      }
    case .tlsEstablished, .authenticated, .authenticationFailed, .wrongWrapper, .badProxyHeader, .notAdmitted, .closed:
      false
    }
  }

  // MARK: What the answers rest on

  func user(of session: SessionFacts) -> User? {
    guard let name = session.user?.name, let user = reception.users.user(named: name), !user.isDisabled else {
      return nil
    }
    return user
  }

  func reach(of session: SessionFacts) -> RoutingReach {
    session.role.isSubmission ? .anywhere : reception.relayReach
  }

  /// Law 1: below the floor of free space nothing new comes in, and after a failed write nothing at all.
  func storeRefusal() -> Reply? {
    switch store.condition {
    case .accepting: nil
    case .spaceLow: .spaceLow
    case .stopped: .storeStopped
    }
  }

  /// Where a message should be signed and can't be; with an alarm where that is our own fault.
  func reply(to fault: MessageSigningFault, of id: QueueID) -> Reply {
    switch fault {
    case .unsignable(let reason):
      return Reply(
        ReplyCode(554), EnhancedStatusCode(.permanent, 6, 0), lines: ["the message can't be signed: \(reason)"])
    case .keyFailed(let reason):
      events.record(
        MailEvent(
          .alarm,
          [
            .init("id", .text(id.description)), .init("what", .text("message-not-signed")),
            .init("reason", .text("the message was not taken: \(reason)")),
          ]))
      return .internalFault
    }
  }

  private func charge(_ user: User, messages: Int = 0, recipients: Int = 0) -> CommandAnswer {
    let now = clock.uptime
    let verdict = state.withLock { $0.quotas.charge(user, messages: messages, recipients: recipients, at: now) }
    switch verdict {
    case .allowed: return .accepted
    case .exceeded(let limit, let most, let wait):
      let seconds = wait.components.seconds + 1
      return .refused(
        Reply(
          450, EnhancedStatusCode(.persistentTransient, 7, 1),
          "over this user's limit of \(most) \(limit.rawValue), try again in \(seconds) seconds"))
    }
  }

  private func refusal(_ defect: IntakeDefect, _ session: SessionFacts) -> CommandAnswer {
    .refused(Reply(IntakeFinding(defect), on: session.role) ?? .internalFault)
  }
}
