import Accounts
import MailMessage
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions

extension AuthenticationAnswer {
  init(_ verdict: AuthenticationVerdict) {
    switch verdict {
    case .accepted(let user): self = .accepted(user: user.name.description)
    // One answer for unknown user, disabled user and wrong password.
    case .rejected: self = .refused(.authenticationFailed)
    case .throttled: self = .refused(.authenticationThrottled)
    case .unavailable: self = .refused(.authenticationUnavailable)
    }
  }
}

extension IntakeRole {
  init(_ role: ListenerRole) { self = role.isSubmission ? .submission : .relay }
}

extension Reply {
  /// The table's answer to a defect, nil where this role lets it pass.
  init?(_ finding: IntakeFinding, on role: ListenerRole) {
    guard let refusal = finding.refusal(on: IntakeRole(role)) else { return nil }
    self.init(refusal.code, refusal.enhanced, lines: [refusal.text])
  }

  static let spaceLow = Reply(452, EnhancedStatusCode(.persistentTransient, 3, 1), "disk space low, try again later")
  static let storeStopped = Reply(451, EnhancedStatusCode(.persistentTransient, 3, 0), "the queue has stopped")
  static let memoryLow = Reply(452, EnhancedStatusCode(.persistentTransient, 3, 1), "too much mail at once, try again")
  static let internalFault = Reply(451, EnhancedStatusCode(.persistentTransient, 3, 0), "internal error")
  static let routingChanged = Reply(
    451, EnhancedStatusCode(.persistentTransient, 3, 0), "configuration changed meanwhile, send it again")
  static let tooManyTargets = Reply(
    452, EnhancedStatusCode(.persistentTransient, 5, 3), "too many recipients behind these aliases")
  static let addressLimited = Reply(
    421, EnhancedStatusCode(.persistentTransient, 7, 0), "too much from your address, try again later")
  /// RFC 7505 §4.1.
  static let recipientTakesNoMail = Reply(
    556, EnhancedStatusCode(.permanent, 1, 10), "that domain takes no mail (null MX)")
  /// RFC 7505 §4.2.
  static let senderTakesNoMail = Reply(
    550, EnhancedStatusCode(.permanent, 7, 27),
    "the sender's domain takes no mail (null MX), so no answer could reach it")
  static let mailLoop = Reply(
    554, Addressees.loopStatus, "mail loop: the message has been to this address before (Delivered-To)")
  static let authenticationThrottled = Reply(
    454, EnhancedStatusCode(.persistentTransient, 7, 0), "too many failed attempts, try again later")
  static let authenticationUnavailable = Reply(
    454, EnhancedStatusCode(.persistentTransient, 7, 0), "authentication is busy, try again")
}

extension Reply {
  /// What a session says of a store that could not take a message.
  init(_ fault: StoreFault) {
    switch fault {
    case .spaceLow: self = .spaceLow
    case .stopped: self = .storeStopped
    case .tooLarge: self = Reply(552, EnhancedStatusCode(.permanent, 3, 4), "message too large")
    case .unavailable, .notFound, .corrupt, .duplicate: self = .internalFault
    }
  }
}
