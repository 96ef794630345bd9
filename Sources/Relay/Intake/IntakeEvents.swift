import MailMessage
import MailQueue
import MailSyntax
import OrderedCollections
import SASLMechanisms
import SMTPGrammar
import SMTPSessions
import TransportSecurity

extension MailEvent {
  /// Defects an event names; more are counted only.
  static let maximumNamedDefects = 10

  /// `message.accepted` of a message that a session brought, with what the intake rules found in it.
  ///
  /// - Parameter circumstances: how it was signed or authenticated.
  static func accepted(
    _ message: NewMessage, size: ByteCount, messageID: String?, _ session: SessionFacts, findings: [IntakeFinding],
    circumstances: [Field] = []
  ) -> MailEvent {
    .accepted(
      message, size: size,
      circumstances: (messageID.map { [Field("message-id", .text(named($0)))] } ?? []) + [
        Field("session", .text(session.session.description))
      ] + connection(session)
        + defects(in: findings, on: IntakeRole(session.role))
        + circumstances)
  }

  /// `message.unauthenticated`: a message that was refused for what SPF, DKIM and DMARC said.
  static func unauthenticated(
    _ message: NewMessage, named messageID: String?, _ findings: [Field], _ reply: Reply, _ session: SessionFacts
  ) -> MailEvent {
    let named = message.recipients.prefix(maximumNamedRecipients).map(\.address.description)
    return MailEvent(
      .unauthenticated,
      [
        Field("session", .text(session.session.description)), Field("from", .text(message.reversePath.description)),
        Field("to", .text(named.joined(separator: ","))),
      ] + (messageID.map { [Field("message-id", .text(self.named($0)))] } ?? []) + findings
        + [Field("reply", .text(reply.description.split(separator: "\n").joined(separator: " / ")))]
        + connection(session))
  }

  /// A Message-ID as it is told: longer ones are cut.
  static let maximumMessageIDOctets = 256

  private static func named(_ messageID: String) -> String {
    guard messageID.utf8.count > maximumMessageIDOctets else { return messageID }
    return String(decoding: messageID.utf8.prefix(maximumMessageIDOctets), as: UTF8.self) + "…"
  }

  /// `mended` and `passed`: the names of Documentation/IntakeRules.md, each once, in the order they were found.
  private static func defects(in findings: [IntakeFinding], on role: IntakeRole) -> [Field] {
    var (mended, passed): (OrderedSet<String>, OrderedSet<String>) = ([], [])
    for finding in findings {
      switch finding.defect.treatment(on: role) {
      case .mend: mended.append(finding.defect.rawValue)
      case .pass: passed.append(finding.defect.rawValue)
      // Then there is no acceptance to tell of.
      case .refuse: break
      }
    }
    return [("mended", mended), ("passed", passed)].compactMap { key, names in
      guard !names.isEmpty else { return nil }
      let more = names.count - maximumNamedDefects
      let text = names.prefix(maximumNamedDefects).joined(separator: ",")
      return Field(key, .text(more > 0 ? "\(text),+\(more)" : text))
    }
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
        [name] + MailEvent.refused(session)
          + [Field("reply", .text(reply.description.split(separator: "\n").joined(separator: " / ")))]
          + MailEvent.connection(session))
    case .wrongWrapper(let wrapper):
      self.init(.wrongWrapper, [name, Field("what", .text(wrapper.rawValue))] + MailEvent.connection(session))
    case .badProxyHeader(let reason):
      self.init(
        .wrongWrapper,
        [name, Field("what", .text("bad-proxy-header")), Field("reason", .text(reason))]
          + MailEvent.connection(session))
    // Said once a minute, by the event below.
    case .notAdmitted: return nil
    case .closed(let end, let reason):
      self.init(
        .sessionClosed,
        [name, Field("end", .text(end.rawValue))] + (reason.map { [Field("reason", .text($0))] } ?? [])
          + MailEvent.connection(session))
    }
  }

  /// `session.address-limited`: said once a minute for an address, whatever it tries.
  init(_ reason: AddressTable.Reason, _ session: SessionFacts) {
    self.init(
      .addressLimited,
      [Field("session", .text(session.session.description)), Field("what", .text(reason.rawValue))]
        + MailEvent.connection(session))
  }

  /// By what somebody who asks after a refused message will know it. All of it is bounded by the grammar.
  private static func refused(_ session: SessionFacts) -> [Field] {
    let texts = [
      ("ehlo", session.clientIdentity?.description), ("from", session.refused?.sender?.description),
      ("to", session.refused?.recipient?.description),
    ]
    return texts.compactMap { key, text in text.map { Field(key, .text($0)) } }
  }

  /// ITLS-010: every line of a session says how it is encrypted.
  static func connection(_ session: SessionFacts) -> [Field] {
    [
      Field("listener", .text(session.role.rawValue)),
      Field("peer", .text(session.peer.description)),
      Field("tls", .text(session.tls.map(\.summary) ?? "none")),
    ]
  }
}
