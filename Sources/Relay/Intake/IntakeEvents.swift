import MailMessage
import MailQueue
import MailSyntax
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import TransportSecurity

extension MailEvent {
  /// Recipients an event names; more are counted only.
  static let maximumNamedRecipients = 20

  /// `message.accepted`, as it stands in the outbox with the message itself.
  static func accepted(_ message: NewMessage, size: Int, _ session: SessionFacts) -> MailEvent {
    let named = message.recipients.prefix(maximumNamedRecipients).map { $0.address.description }
    var fields: [Field] = [
      Field("id", .text(message.id.description)),
      Field("session", .text(session.session.description)),
      Field("from", .text(message.reversePath.description)),
      Field("to", .text(named.joined(separator: ","))),
      Field("recipients", .number(message.recipients.count)),
      Field("size", .number(size)),
    ]
    if let user = session.user { fields.append(Field("user", .text(user.name))) }
    fields += connection(session)
    return MailEvent(.accepted, fields)
  }

  /// What a session tells, where it is worth a line.
  init?(_ event: SessionEvent, _ session: SessionFacts) {
    let name = Field("session", .text(session.session.description))
    switch event {
    case .connected: self.init(.sessionOpened, [name] + MailEvent.connection(session))
    case .tlsEstablished: self.init(.sessionSecured, [name] + MailEvent.connection(session))
    case .authenticated:
      guard let user = session.user else { return nil }
      self.init(
        .authenticated,
        [name, Field("user", .text(user.name)), Field("mechanism", .text(user.mechanism.rawValue))]
          + MailEvent.connection(session))
    case .authenticationFailed(let user):
      self.init(
        .authenticationFailed, [name, Field("user", .text(user ?? ""))] + MailEvent.connection(session))
    case .refused(let reply):
      self.init(
        .commandRefused,
        [name, Field("reply", .text(reply.description.split(separator: "\n").joined(separator: " / ")))]
          + MailEvent.connection(session))
    case .wrongWrapper(let wrapper):
      self.init(.wrongWrapper, [name, Field("what", .text(wrapper.rawValue))] + MailEvent.connection(session))
    case .badProxyHeader(let reason):
      self.init(
        .wrongWrapper,
        [name, Field("what", .text("bad-proxy-header")), Field("reason", .text(reason))]
          + MailEvent.connection(session))
    case .closed(let end):
      self.init(.sessionClosed, [name, Field("end", .text(end.rawValue))] + MailEvent.connection(session))
    }
  }

  /// ITLS-010: every line of a session says how it is encrypted.
  private static func connection(_ session: SessionFacts) -> [Field] {
    [
      Field("listener", .text(session.role.rawValue)),
      Field("peer", .text(session.peer.description)),
      Field("tls", .text(session.tls.map(\.summary) ?? "none")),
    ]
  }
}
