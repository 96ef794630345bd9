import MailSyntax
import SMTPGrammar

/// How often a session has done what it may not do without end (Law 7).
struct Tally {
  /// Commands that could not be read or served, over the whole session.
  var junk = 0
  /// Over the whole session.
  var authenticationFailures = 0
  /// MAIL, RCPT and messages refused since the last message that was accepted.
  var refusals = 0
  /// Commands since the last message that was accepted that bring none nearer.
  var idleCommands = 0
}

extension ServerSession {
  /// Refuses a command that can't be read or served here, and ends the session when it was one too many.
  mutating func refuseJunk(_ reply: Reply) -> ServerAction {
    tally.junk += 1
    guard tally.junk <= settings.limits.junkCommands else { return end(.tooManyErrors, saying: .tooManyErrors) }
    return .reply(reply)
  }

  /// Refuses an authentication, and ends the session when it was one too many.
  mutating func refuseAuthentication(_ reply: Reply) -> ServerAction {
    tally.authenticationFailures += 1
    // RFC 4954 §9: not before the third failure.
    guard tally.authenticationFailures <= settings.limits.authenticationFailures else {
      return end(.tooManyErrors, saying: .tooManyErrors)
    }
    return refuse(reply)
  }

  /// Refuses a MAIL or RCPT by policy, and ends the session when it was one too many.
  mutating func refuseAddress(_ reply: Reply) -> ServerAction {
    tally.refusals += 1
    guard !hasTooManyRefusals else { return end(.tooManyRefusals, saying: .tooManyRefusals) }
    return refuse(reply)
  }

  /// Refuses a message. The reply is said in any case, for a client that heard 421 here would send the message again:
  /// where it was one too many, the next MAIL is told.
  mutating func refuseMessage(_ reply: Reply) -> ServerAction {
    tally.refusals += 1
    return refuse(reply)
  }

  /// Answers a command that brings no message nearer, and ends the session when it was one too many.
  mutating func answerIdle(_ reply: Reply) -> ServerAction {
    tally.idleCommands += 1
    guard tally.idleCommands <= settings.limits.idleCommands else {
      return end(.tooManyIdleCommands, saying: .tooManyIdleCommands)
    }
    return .reply(reply)
  }

  /// Each recipient that was accepted in this transaction makes up for one that was not: a long list with dead addresses
  /// goes through, as does one that is longer than a message may have (RFC 5321 §4.5.3.1.10), while guessing addresses
  /// ends. As `recipients` bounds what is accepted, the sum is bounded.
  var hasTooManyRefusals: Bool {
    tally.refusals > settings.limits.refusals + (transaction?.recipients.count ?? 0)
  }

  /// A message was accepted: who sends mail may go on as long as it likes.
  mutating func forgiveAfterMessage() {
    tally.refusals = 0
    tally.idleCommands = 0
  }

  private mutating func refuse(_ reply: Reply) -> ServerAction {
    guard reply.code.rawValue != 421 else { return end(.turnedAway, saying: reply) }
    return .reply(reply)
  }
}
