import MailSyntax
import NIOCore
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import Synchronization

/// Answers a session by fixed rules: user `alice`, password `wonderland`; `nobody@` is unknown, `later@` is put off;
/// every message is taken. Answers come at once or later, as the test wants.
final class ScriptedConduct: ServerConduct {
  let answersLater: Bool
  let connectAnswer: ConnectAnswer
  let state = Mutex(State())

  struct State {
    /// `<from> -> <to> <to> octets`, and the content.
    var messages: [(line: String, content: String)] = []
    var abandoned = 0
    var events: [SessionEvent] = []
    var refused: [NamedEnvelope] = []
  }

  init(answersLater: Bool = false, connectAnswer: ConnectAnswer = .welcome) {
    self.answersLater = answersLater
    self.connectAnswer = connectAnswer
  }

  func prompt<Answer: Sendable>(_ answer: Answer) -> Prompt<Answer> { answersLater ? .later { answer } : .now(answer) }

  func connected(_ session: SessionFacts) -> Prompt<ConnectAnswer> { prompt(connectAnswer) }

  func authenticationOffer(_ session: SessionFacts) -> AuthenticationOffer {
    AuthenticationOffer(mechanisms: [.scramSHA256, .plain, .login]) { SCRAMNonce("rOprNGfwEbeRWgbNEkqO")! }
  }
  func verify(_ claim: PasswordClaim, _ session: SessionFacts) -> Prompt<AuthenticationAnswer> {
    let isRight = claim.user == "alice" && claim.password.isEqual(inConstantTimeTo: Secret("wonderland"))
    return prompt(isRight ? .accepted(user: "alice") : .refused(.authenticationFailed))
  }
  func scramKeys(for user: String, _ session: SessionFacts) -> Prompt<SCRAMKeys> {
    prompt(SCRAMKeys(salt: [1, 2, 3, 4], iterations: 4096, storedKey: Secret([0]), serverKey: Secret([0])))
  }
  func finishedSCRAM(
    user: String, provenSalt: [UInt8]?, _ session: SessionFacts
  ) -> Prompt<AuthenticationAnswer> {
    prompt(provenSalt == [1, 2, 3, 4] ? .accepted(user: user) : .refused(.authenticationFailed))
  }
  func mail(_ path: ReversePath, _ parameters: MailParameters, _ session: SessionFacts) -> Prompt<CommandAnswer> {
    guard path.description != "<evil@example.com>" else {
      return prompt(.refused(Reply(550, EnhancedStatusCode(.permanent, 7, 1), "not yours")))
    }
    return prompt(.accepted)
  }
  func recipient(
    _ path: ForwardPath, _ parameters: RecipientParameters, of transaction: Transaction, _ session: SessionFacts
  ) -> Prompt<CommandAnswer> {
    switch path.description.prefix(7) {
    case "<nobody": prompt(.refused(Reply(550, EnhancedStatusCode(.permanent, 1, 1), "no such user")))
    case "<later@": prompt(.refused(Reply(450, EnhancedStatusCode(.persistentTransient, 2, 1), "not now")))
    case _: prompt(.accepted)
    }
  }
  func beginBody(_ transaction: Transaction, _ session: SessionFacts) -> any BodySink {
    ScriptedSink(transaction, conduct: self)
  }
  func observe(_ event: SessionEvent, _ session: SessionFacts) {
    state.withLock { state in
      state.events.append(event)
      if case .refused = event { state.refused.append(session.refused ?? NamedEnvelope()) }
    }
  }
}

final class ScriptedSink: BodySink {
  private let transaction: Transaction
  private let conduct: ScriptedConduct
  private var content = ByteBuffer()

  init(_ transaction: Transaction, conduct: ScriptedConduct) {
    self.transaction = transaction
    self.conduct = conduct
  }
  func write(_ bytes: ByteBuffer) -> Prompt<Void> {
    var bytes = bytes
    content.writeBuffer(&bytes)
    return conduct.prompt(())
  }
  func finish() -> Prompt<Reply> {
    let recipients = transaction.recipients.map(\.path.description).joined(separator: " ")
    let line = "\(transaction.reversePath) -> \(recipients) \(content.readableBytes)"
    let text = String(buffer: content)
    let conduct = conduct
    let accept: @Sendable () -> Reply = {
      conduct.state.withLock { $0.messages.append((line, text)) }
      return Reply(250, EnhancedStatusCode(.success, 0, 0), "accepted")
    }
    return conduct.answersLater ? .later { accept() } : .now(accept())
  }
  func abandon() { conduct.state.withLock { $0.abandoned += 1 } }
}
