import MailSyntax
import SASLMechanisms
import SMTPGrammar

/// What a session asks of the house, and what its answers lead to.
extension ServerConnection {
  func ask(_ question: ServerQuestion) {
    let facts = session.facts
    switch question {
    case .connect:
      settle(conduct.connected(facts)) { $0.answer(.connect($1)) }
    case .verify(let claim):
      settle(conduct.verify(claim, facts)) { $0.answer(authentication: $1, user: claim.user) }
    case .scramKeys(let user):
      settle(conduct.scramKeys(for: user, facts)) { $0.answer(.scramKeys($1)) }
    case .finishedSCRAM(let user, let salt):
      settle(conduct.finishedSCRAM(user: user, provenSalt: salt, facts)) { $0.answer(authentication: $1, user: user) }
    case .mail(let path, let parameters):
      settle(conduct.mail(path, parameters, facts)) { $0.answer(.command($1)) }
    case .recipient(let path, let parameters):
      guard let transaction = session.transaction else {
        return invariant(false, "a recipient is asked about in a transaction")
      }
      settle(conduct.recipient(path, parameters, of: transaction, facts)) { $0.answer(.command($1)) }
    case .finishContent:
      if isWatched { dialogue?.tellContent(isEncrypted: facts.tls != nil) }
      guard let sink else { return answer(.finished(.internalError)) }
      self.sink = nil
      settle(sink.finish()) { connection, reply in
        if reply.code.isPositive { connection.deadlines.messageAccepted(at: connection.wire.uptime) }
        connection.answer(.finished(reply))
      }
    }
  }

  private func answer(authentication answer: AuthenticationAnswer, user: String) {
    switch answer {
    case .accepted: break
    case .refused: conduct.observe(.authenticationFailed(user: user), session.facts)
    }
    self.answer(.authentication(answer))
    if session.facts.user != nil { conduct.observe(.authenticated, session.facts) }
  }

  private func answer(_ answer: ServerAnswer) {
    let action = session.answer(answer)
    releaseUnwantedSink()
    _ = perform(action)
  }

  /// Goes on at once with an answer at hand; else holds all input until it comes.
  func settle<Answer>(_ prompt: Prompt<Answer>, then: @escaping (ServerConnection, Answer) -> Void) {
    switch prompt {
    case .now(let answer): then(self, answer)
    case .later(let question):
      isAwaiting = true
      wire.await(question) { [self] answer in
        isAwaiting = false
        guard end == nil else { return }
        deadlines.awaitCommand(at: wire.uptime)
        then(self, answer)
        pumpHeld()
      }
    }
  }
}
