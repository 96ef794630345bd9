import MailQueue
import MailSyntax
import TransportSecurity

/// Which alarms about kept policies stand.
struct PolicyAlarms {
  /// Where more domains' policies can't be fetched at a time, the fault is hardly theirs, and it isn't said of each.
  static let maximumDomains = 16

  private var domains: Set<DomainName> = []
  private var isUnsaved = false

  /// Whether it is to be said.
  mutating func raise(for domain: DomainName) -> Bool {
    domains.count < PolicyAlarms.maximumDomains && domains.insert(domain).inserted
  }
  mutating func lower(for domain: DomainName) -> Bool { domains.remove(domain) != nil }

  mutating func notSaved() -> Bool {
    defer { isUnsaved = true }
    return !isUnsaved
  }
  mutating func saved() -> Bool {
    defer { isUnsaved = false }
    return isUnsaved
  }
}

extension MailEvent {
  static let refreshFailure = "sts-policy-not-refreshed"
  static let saveFailure = "sts-policy-not-saved"

  /// The alarm that stands while a policy holds that can't be fetched any more.
  static func policyNotRefreshed(_ stored: StoredSTSPolicy, _ trouble: STSTrouble) -> MailEvent {
    let (domain, known) = (stored.domain, stored.known)
    return MailEvent(
      .alarm,
      [
        Field("what", .text(refreshFailure)), Field("domain", .text("\(domain)")),
        Field(
          "reason",
          .text(
            "the MTA-STS policy of \(domain) (\(known.policy.mode.rawValue)) can't be fetched again: \(trouble); it holds "
              + "until \(LogLine.timestamp(known.expiresAt))")),
        Field(
          "remedy",
          .text(
            "see whether https://mta-sts.\(domain)/.well-known/mta-sts.txt can be had from elsewhere: if so, look for "
              + "what stands between it and this server; if not, tell the domain's postmaster")),
        Field("until-cleared", .flag(true)),
      ])
  }

  static func policyRefreshed(_ domain: DomainName, _ reason: String) -> MailEvent {
    MailEvent(
      .alarm,
      [
        Field("what", .text("sts-policy-refreshed")), Field("domain", .text("\(domain)")),
        Field("reason", .text(reason)), Field("clears", .text(refreshFailure)),
      ])
  }

  /// The alarm that stands while fetched policies can't be written down.
  static func policyNotSaved(_ domain: DomainName, _ fault: String) -> MailEvent {
    MailEvent(
      .alarm,
      [
        Field("what", .text(saveFailure)),
        Field(
          "reason",
          .text(
            "the MTA-STS policy of \(domain) can't be written down: \(fault); one that enforces holds as it is, a new one "
              + "would not outlive a restart")),
        Field(
          "remedy", .text("see to the disk of the data folder, and start the server anew where its store has stopped")),
        Field("until-cleared", .flag(true)),
      ])
  }

  static func policiesSaved() -> MailEvent {
    MailEvent(
      .alarm,
      [
        Field("what", .text("sts-policy-saved")), Field("reason", .text("policies can be written down again")),
        Field("clears", .text(saveFailure)),
      ])
  }
}
