public import MailQueue
public import MailSyntax
import TransportSecurity

extension MailEvent {
  /// `policy.override-added`; `weaker` where it lets mail go, somewhere within its reach, that another floor would hold
  /// back.
  ///
  /// - Parameters:
  ///   - configured: the domain's configured floor; nil where no configuration is known.
  ///   - weakened: those stricter floors; nil where they aren't known.
  static func overrideAdded(
    _ added: NumberedOverride, configured: OperatorFloor?, weakened: [OperatorFloor]?, replaced: [NumberedOverride]
  ) -> MailEvent {
    var fields = fields(added) + [Field("reason", .text(added.override.reason))]
    if let configured { fields.append(Field("configured", .text(configured.floor.rawValue))) }
    if let weakened { fields.append(Field("weaker", .flag(!weakened.isEmpty))) }
    if let text = weakened.flatMap(OperatorFloor.summary) { fields.append(Field("weaker-than", .text(text))) }
    if !replaced.isEmpty {
      fields.append(Field("replaces", .text(replaced.map { "\($0.number)" }.joined(separator: " "))))
    }
    return MailEvent(.overrideAdded, fields)
  }

  /// `policy.override-ended`.
  ///
  /// - Parameter author: who ended it; nil where its time did.
  public static func overrideEnded(_ ended: NumberedOverride, by author: String?, reason: String) -> MailEvent {
    MailEvent(
      .overrideEnded,
      fields(ended) + [Field("reason", .text(reason))] + (author.map { [Field("by", .text($0))] } ?? []))
  }

  /// `policy.forgotten`, by an operator's word.
  public static func policyForgotten(_ domain: DomainName, by author: String, reason: String) -> MailEvent {
    MailEvent(
      .policyForgotten,
      [Field("domain", .text("\(domain)")), Field("by", .text(author)), Field("reason", .text(reason))])
  }

  /// `tls.downgrade`.
  ///
  /// - Parameters:
  ///   - count: drops of the domain since the last event.
  ///   - isAdapted: it is taken as the hosts' new standing from now on.
  static func downgraded(
    _ key: SteadyRecord.Key, expected: SteadyTLS.Level, seen: SteadyTLS.Level?, count: Int, since: UTCInstant,
    conduct: SteadyTLS.Conduct, isAdapted: Bool
  ) -> MailEvent {
    MailEvent(
      .downgraded,
      [
        Field("domain", .text("\(key.domain)")), Field("host", .text("\(key.host)")),
        Field("address", .text("\(key.address)")), Field("expected", .text(expected.rawValue)),
        Field("seen", .text(seen?.rawValue ?? "none")), Field("count", .number(count)),
        Field("since", .text(since.shortText)), Field("conduct", .text(conduct.rawValue)),
        Field("adapted", .flag(isAdapted)),
      ])
  }

  private static func fields(_ numbered: NumberedOverride) -> [Field] {
    let override = numbered.override
    return [
      Field("number", .number(Int(clamping: numbered.number))),
      Field("domain", .text(override.domain.description)), Field("subdomains", .flag(override.includesSubdomains)),
      Field("floor", .text(override.floor.rawValue)), Field("until", .text(override.until.shortText)),
      Field("author", .text(override.author)),
    ]
  }
}

extension UTCInstant {
  /// `2026-12-01T12:00Z`, with the seconds where there are some.
  public var shortText: String {
    let text = LogLine.timestamp(self)
    return "\(text.prefix(seconds % 60 == 0 ? 16 : 19))Z"
  }
}
