import MailAuthentication
import MailMessage
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions

extension Intake {
  /// What becomes of a message for its origin's sake.
  enum OriginJudgement {
    case refused(Reply)
    /// With the fields for it, the uppermost first, and what is told of it.
    case taken([HeaderField], [MailEvent.Field])
  }

  /// Asks for the origin of a message that is here whole, before anything of it is durable: a refusal is said in the
  /// session, and nobody is written to.
  func judge(
    _ origin: OriginCheck, of message: NewMessage, named messageID: String?, _ mode: LocalPolicy.Mode,
    reception: Reception, _ session: SessionFacts
  ) async -> OriginJudgement {
    let findings = await origin.judge(clock: clock)
    if let alarm = origin.noteAnswer(findings) { events.record(alarm) }
    guard let findings else {
      let unknown = [MailEvent.Field("dmarc", .text("temperror: nothing could be learned in time"))]
      switch mode {
      case .monitor: return .taken([], unknown + [.ifEnforced(.originUnknown)])
      case .enforce: return refuse(message, messageID, .originUnknown, unknown, session)
      }
    }
    let disposition = findings.disposition(mode)
    if let record = AuthenticationRecord(
      findings, disposition, reversePath: message.reversePath.mailbox, at: message.receivedAt)
    {
      reception.authentication?.ledger?.count(record)
    }
    let fields = findings.fields(disposition)
    switch disposition {
    case .accept, .quarantine:
      let wouldBe = MailEvent.Field.ifEnforced(findings.disposition(.enforce))
      return .taken(
        findings.trace(by: reception.hostName, disposition),
        fields + (mode == .monitor ? [wouldBe].compactMap(\.self) : []))
    case .reject(let refusal), .tryLater(let refusal):
      return refuse(message, messageID, Reply(refusal), fields, session)
    }
  }

  private func refuse(
    _ message: NewMessage, _ messageID: String?, _ reply: Reply, _ fields: [MailEvent.Field], _ session: SessionFacts
  ) -> OriginJudgement {
    events.record(.unauthenticated(message, named: messageID, fields, reply, session))
    return .refused(reply)
  }
}

extension MailEvent.Field {
  /// `if-enforced`: what becomes of such a message where a domain enforces; nil where it is taken there too.
  fileprivate static func ifEnforced(_ disposition: LocalPolicy.Disposition) -> MailEvent.Field? {
    switch disposition {
    case .accept: nil
    case .quarantine(let reason): MailEvent.Field("if-enforced", .text("marked: \(reason)"))
    case .reject(let refusal), .tryLater(let refusal): .ifEnforced(Reply(refusal))
    }
  }

  fileprivate static func ifEnforced(_ reply: Reply) -> MailEvent.Field {
    MailEvent.Field("if-enforced", .text(reply.description.split(separator: "\n").joined(separator: " / ")))
  }
}
