internal import MailSyntax
internal import SMTPGrammar

extension OutcomeTable {
  static func decide(_ reply: ServerReply, at stage: DeliveryStage, of origin: HostOrigin) -> Outcome {
    let code = reply.code.rawValue
    // RFC 5321 §3.8 and §4.2.3: 421 may answer anything; the host is going away.
    if code == 421 { return Outcome(.host, .retry, transient(reply, 3, 2), .hostClosing) }
    switch reply.code.severity {
    case .positiveCompletion, .positiveIntermediate:
      // A positive reply where it can't be one, such as 250 to DATA (RFC 5321 §3.3). Its class is all we may go by
      // (§4.3.2), and it doesn't say that the mail was refused.
      return Outcome(
        scope(of: reply, at: stage), .retry, EnhancedStatusCode(.persistentTransient, 5, 0), .nonsense)
    case .transientNegative:
      return stage.isBeforeMail ? transientBeforeMail(reply, at: stage) : transientInTransaction(reply, at: stage)
    case .permanentNegative:
      return stage.isBeforeMail
        ? permanentBeforeMail(reply, at: stage, of: origin) : permanentInTransaction(reply, at: stage, of: origin)
    }
  }

  private static func transientBeforeMail(_ reply: ServerReply, at stage: DeliveryStage) -> Outcome {
    switch stage {
    case .auth, .startTLS, .handshake: Outcome(.host, .retry, transient(reply, 7, 0), .deferred)
    case .lookup, .connect, .greeting, .ehlo, .mail, .rcpt, .data, .content, .finalReply, .write:
      Outcome(.host, .retry, transient(reply, 3, 2), .deferred)
    }
  }

  private static func permanentBeforeMail(
    _ reply: ServerReply, at stage: DeliveryStage, of origin: HostOrigin
  ) -> Outcome {
    switch stage {
    case .lookup, .connect, .greeting:
      return refusedGreeting(reply, of: origin)
    case .ehlo:
      return Outcome(.host, .retry, transient(reply, 3, 2), .hostRefuses, needsOperator: origin == .configured)
    case .startTLS, .handshake:
      return Outcome(.host, .retry, transient(reply, 7, 4), .insecure, needsOperator: true)
    case .auth, .mail, .rcpt, .data, .content, .finalReply, .write:
      // RFC 4954 §6: 535, 534, 530, 538, and whatever else is said to AUTH. The password in our configuration is
      // wrong, not the mail.
      return Outcome(.destination, .retry, transient(reply, 7, 8), .ourCredentials, needsOperator: true)
    }
  }

  /// RFC 7504 §3: 521 is a host that never takes mail. Where the domain itself names only such hosts, that is its last
  /// word; where our operator named it, the queue isn't bounced message by message for it. Any other refusal of the
  /// session, 554 above all (RFC 5321 §3.1), is mostly about our address or the host's day, not about this mail.
  private static func refusedGreeting(_ reply: ServerReply, of origin: HostOrigin) -> Outcome {
    switch (reply.code.rawValue, origin) {
    case (521, .exchanger): Outcome(.host, .bounce, permanent(reply, 3, 2), .hostNeverAccepts)
    case (521, .configured):
      Outcome(.host, .retry, transient(reply, 3, 2), .hostNeverAccepts, needsOperator: true)
    case (_, .exchanger): Outcome(.host, .retry, transient(reply, 3, 2), .hostRefuses)
    case (_, .configured): Outcome(.host, .retry, transient(reply, 3, 2), .hostRefuses, needsOperator: true)
    }
  }

  private static func transientInTransaction(_ reply: ServerReply, at stage: DeliveryStage) -> Outcome {
    if isMailboxFull(reply) { return mailboxFull }
    let code = reply.code.rawValue
    let enhanced = reply.enhanced.map { ($0.subject, $0.detail) }
    switch enhanced {
    case (3, 1)?, (3, 2)?:
      // RFC 3463 §3.4: the whole mail system is full, or takes nothing from the network.
      return Outcome(.host, .retry, transient(reply, 3, 1), .hostFull)
    case (5, 3)? where stage == .rcpt:
      return Outcome(.recipient, .retry, transient(reply, 5, 3), .tooManyRecipients)
    case nil where stage == .rcpt && code == 452:
      // RFC 5321 §4.5.3.1.10: 452 to RCPT means too many recipients.
      return Outcome(.recipient, .retry, transient(reply, 5, 3), .tooManyRecipients)
    case _:
      let (subject, detail) = usualStatus(of: code, at: stage)
      return Outcome(scope(of: reply, at: stage), .retry, transient(reply, subject, detail), .deferred)
    }
  }

  private static func permanentInTransaction(
    _ reply: ServerReply, at stage: DeliveryStage, of origin: HostOrigin
  ) -> Outcome {
    let code = reply.code.rawValue
    // RFC 4954 §6 lets any command be answered so when authentication is missing or too weak. The hosts of a domain that
    // is open to all mail (RFC 5321 §7.9) have no password of ours to ask for: there it is a refusal as any other.
    if [530, 534, 535, 538].contains(code), origin == .configured {
      return Outcome(.destination, .retry, transient(reply, 7, 0), .ourCredentials, needsOperator: true)
    }
    if isMailboxFull(reply) { return mailboxFull }
    let isTooBig = reply.enhanced.map { $0.subject == 3 && $0.detail == 4 }
    if code == 552, stage == .rcpt, isTooBig != true {
      // RFC 5321 §4.5.3.1.10: servers of old say 552 where 452 is meant.
      return Outcome(.recipient, .retry, transient(reply, 5, 3), .tooManyRecipients)
    }
    // RFC 1870 §6.2, §6.3: 552 without a word of its own is about the size, and no retry makes the message smaller.
    if isTooBig ?? (code == 552) {
      return Outcome(.message, .bounce, permanent(reply, 3, 4), .tooBig)
    }
    let (subject, detail) = usualStatus(of: code, at: stage)
    let status = permanent(reply, subject, detail)
    // RFC 5321 §4.5.4.1: a refused MAIL is never held against another message.
    return Outcome(scope(of: reply, at: stage), .bounce, status, reason(of: status))
  }

  /// RFC 3463 §3.3: a full mailbox empties; 5.2.2 is said by servers that mean 4.2.2.
  private static func isMailboxFull(_ reply: ServerReply) -> Bool {
    reply.enhanced.map { $0.subject == 2 && $0.detail == 2 } ?? false
  }
  private static var mailboxFull: Outcome {
    Outcome(.recipient, .retry, EnhancedStatusCode(.persistentTransient, 2, 2), .mailboxFull)
  }

  /// LMTP answers for each recipient behind the content, and so do the mailbox codes of RFC 3463 §3.2 and §3.3.
  private static func scope(of reply: ServerReply, at stage: DeliveryStage) -> Outcome.Scope {
    switch stage {
    case .rcpt, .write: .recipient
    case .data, .content, .finalReply:
      reply.enhanced.map { $0.subject == 1 || $0.subject == 2 } ?? false ? .recipient : .message
    case .mail: .message
    case .lookup, .connect, .greeting, .ehlo, .startTLS, .handshake, .auth: .host
    }
  }

  private static func reason(of status: EnhancedStatusCode) -> Outcome.Reason {
    switch (status.subject, status.detail) {
    case (4, 6): .loop
    case (1, _): .address
    case (7, _): .policy
    case _: .refused
    }
  }

  /// What a code means that comes without an enhanced one. Source: RFC 5321 §4.2.3, RFC 3463 §3, RFC 7504 §5.
  private static func usualStatus(of code: UInt16, at stage: DeliveryStage) -> (UInt16, UInt16) {
    switch code {
    case 450: (2, 0)
    case 451: (3, 0)
    case 452: (3, 1)
    case 454: (7, 0)
    case 500: (5, 2)
    case 501, 504, 555: (5, 4)
    case 502, 503: (5, 1)
    case 521: (3, 2)
    case 530, 534, 535, 538: (7, 0)
    case 551: (1, 6)
    case 553: (1, stage == .mail ? 7 : 3)
    case 556: (1, 10)
    case _: (0, 0)
    }
  }

  /// The peer's own subject and detail where it gave them (RFC 3463 §2: unknown ones are passed on), in the class of
  /// what we do.
  private static func transient(_ reply: ServerReply, _ subject: UInt16, _ detail: UInt16) -> EnhancedStatusCode {
    EnhancedStatusCode(.persistentTransient, reply.enhanced?.subject ?? subject, reply.enhanced?.detail ?? detail)
  }
  private static func permanent(_ reply: ServerReply, _ subject: UInt16, _ detail: UInt16) -> EnhancedStatusCode {
    EnhancedStatusCode(.permanent, reply.enhanced?.subject ?? subject, reply.enhanced?.detail ?? detail)
  }
}
