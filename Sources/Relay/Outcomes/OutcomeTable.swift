internal import MailSyntax
internal import SMTPGrammar
internal import SMTPSessions
internal import TransportSecurity

/// Decides what every failed delivery comes to: stage × reply × enhanced code. Pure. Documentation/Outcomes.md gives the
/// reasons; Tests/Corpus/outcomes/table.txt enumerates the combinations for a person to read.
///
/// Two rules stand over all others: what is not plainly the peer's last word is tried again, and mail of our users
/// never bounces for a fault of ours.
public enum OutcomeTable {
  /// - Parameter origin: who named the host that was met.
  public static func decide(_ fault: DeliveryFault, of origin: HostOrigin) -> Outcome {
    let stage = fault.stage
    switch fault.cause {
    case .reply(let reply):
      return decide(reply, at: stage, of: origin)
    case .transport:
      // RFC 5321 §3.8: a connection that ends unexpectedly counts as 451. Behind MAIL the message itself may be what
      // the peer stumbles over, so it doesn't hold back others.
      return stage == .connect || stage == .lookup
        ? Outcome(.host, .retry, EnhancedStatusCode(.persistentTransient, 4, 1), .unreachable)
        : Outcome(stage.widestScope, .retry, EnhancedStatusCode(.persistentTransient, 4, 2), .connectionLost)
    case .security:
      // A policy that can't be met now may be met tomorrow, and an attacker must not be able to bounce mail: always
      // retried. RFC 7435 §3, RFC 8461 §5.
      let detail: UInt16 = stage == .handshake ? 5 : 4
      return Outcome(
        .host, .retry, EnhancedStatusCode(.persistentTransient, 7, detail), .insecure, needsOperator: true)
    case .protocolViolation where stage == .startTLS || stage == .handshake:
      // Bytes in clear behind the answer to STARTTLS: somebody puts them there, or something is badly broken.
      return Outcome(
        .host, .retry, EnhancedStatusCode(.persistentTransient, 7, 5), .insecure, needsOperator: true)
    case .protocolViolation:
      return Outcome(
        stage.widestScope, .retry, EnhancedStatusCode(.persistentTransient, 5, 0), .protocolViolation)
    case .unsupported(let status, _):
      return Outcome(
        .message, .bounce, EnhancedStatusCode(.permanent, status.subject, status.detail), .unsupported)
    case .local:
      return local(at: stage)
    case .destination(let fault):
      return decide(fault)
    case .policy(let fault):
      return decide(fault)
    }
  }

  /// RFC 8461 §5, RFC 7672 §2.2: a policy that isn't met is a reason to wait. What the sender alone asks for is an answer
  /// to the sender (RFC 8689 §4.2.1), and concerns no other message.
  private static func decide(_ fault: PolicyFault) -> Outcome {
    guard !fault.isForGood else {
      return Outcome(.message, .bounce, EnhancedStatusCode(.permanent, 7, 10), .senderAsksForMore)
    }
    let status = EnhancedStatusCode(.persistentTransient, 7, 5)
    return fault.rule == .sender
      ? Outcome(.message, .retry, status, .insecure) : Outcome(.host, .retry, status, .insecure, needsOperator: true)
  }

  /// What the DNS says for sure is the domain's last word (RFC 5321 §5.1); what nobody can say for now is asked again.
  private static func decide(_ fault: DestinationFault) -> Outcome {
    switch fault {
    case .noSuchDomain, .noMailHost:
      Outcome(.message, .bounce, EnhancedStatusCode(.permanent, 1, 2), .noSuchDomain)
    case .takesNoMail:
      // RFC 7505 §4.1.
      Outcome(.message, .bounce, EnhancedStatusCode(.permanent, 1, 10), .takesNoMail)
    case .onlyOurselves:
      Outcome(.message, .bounce, EnhancedStatusCode(.permanent, 4, 6), .loop)
    case .noUsableHost, .noAddress:
      // A slip in a zone file, most likely: it gets mended.
      Outcome(.destination, .retry, EnhancedStatusCode(.persistentTransient, 4, 4), .noAddress)
    case .lookupFailed:
      Outcome(.destination, .retry, EnhancedStatusCode(.persistentTransient, 4, 3), .lookupFailed)
    case .bogus:
      Outcome(.destination, .retry, EnhancedStatusCode(.persistentTransient, 4, 3), .bogus)
    }
  }

  /// The peer limits the recipients of a transaction: the rest go at once in another, as long as some were taken.
  /// RFC 5321 §4.5.3.1.10.
  public static func limitsRecipients(_ fault: DeliveryFault, of origin: HostOrigin) -> Bool {
    decide(fault, of: origin).reason == .tooManyRecipients
  }

  private static func local(at stage: DeliveryStage) -> Outcome {
    switch stage {
    case .lookup, .connect, .greeting, .ehlo, .startTLS, .handshake, .auth:
      Outcome(.destination, .retry, EnhancedStatusCode(.persistentTransient, 3, 5), .local, needsOperator: true)
    case .mail, .rcpt, .data, .content, .finalReply:
      Outcome(.message, .retry, EnhancedStatusCode(.persistentTransient, 3, 0), .local, needsOperator: true)
    case .write:
      // One Maildir that can't be written says nothing of the next.
      Outcome(.recipient, .retry, EnhancedStatusCode(.persistentTransient, 3, 0), .local, needsOperator: true)
    }
  }
}

extension DeliveryStage {
  /// The widest that a fault here may speak for: before MAIL every message would have met it.
  var widestScope: Outcome.Scope {
    switch self {
    case .lookup, .connect, .greeting, .ehlo, .startTLS, .handshake, .auth: .host
    case .mail, .rcpt, .data, .content, .finalReply: .message
    case .write: .recipient
    }
  }

  var isBeforeMail: Bool { widestScope == .host }
}
