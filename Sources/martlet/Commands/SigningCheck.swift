import DNSRecords
import MailAuthentication
import MailSyntax

/// What the DNS says of the domains that a server signs for, or should sign for.
struct SigningCheck: Sendable {
  struct Finding: Hashable, Sendable {
    let text: String
    let remedy: String
  }

  let keyring: DKIMKeyring
  /// How long a retired key's record is needed (`DKIMSelector.afterlife`).
  let afterlife: Duration
  let now: UTCInstant
  let resolver: any DNSRecords.Resolver

  /// - Parameter domains: the server's own, in their ASCII form.
  func findings(of domains: [DomainName]) async -> [Finding] {
    let looks = await ordered(keyring.selectors) { await look(at: $0) }
    let keys = looks.compactMap { if case .lacking(let finding) = $0 { finding } else { nil } }
    return keys + unanswered(looks) + (await ordered(domains) { await findings(of: $0) }).flatMap(\.self)
  }

  /// In the order of the subjects, whoever is answered first.
  private func ordered<Subject: Sendable, Found: Sendable>(
    _ subjects: [Subject], _ look: @escaping @Sendable (Subject) async -> Found
  ) async -> [Found] {
    await withTaskGroup(of: (Int, Found).self) { group in
      for (place, subject) in subjects.enumerated() { group.addTask { (place, await look(subject)) } }
      var found: [Int: Found] = [:]
      for await (place, findings) in group { found[place] = findings }
      return subjects.indices.compactMap { found[$0] }
    }
  }

  /// What became of a look for a key's record.
  private enum Look {
    case fine
    case lacking(Finding)
    case unanswered(String)
  }

  private func look(at selector: DKIMSelector) async -> Look {
    let isNeeded = selector.standing != .retired || selector.since + afterlife > now
    guard isNeeded, let name = selector.recordName else { return .fine }
    let trouble: String
    switch await selector.publication(by: resolver) {
    case .published: return .fine
    case .unanswered(let reason): return .unanswered("\(name): \(reason)")
    case .absent: trouble = "the DNS has no record \(name)"
    case .differs(let reason): trouble = "\(name): \(reason)"
    }
    let consequence =
      switch selector.standing {
      case .waiting: "the key waits for it, and signs nothing"
      case .signing: "what it signs verifies nowhere"
      case .retired: "mail that it signed and is on its way verifies nowhere"
      }
    return .lacking(
      Finding(
        text: "\(trouble): \(consequence)", remedy: "publish what martlet dkim records \(selector.domain) prints"))
  }

  /// One for all of them: mostly it is the resolver.
  private func unanswered(_ looks: [Look]) -> [Finding] {
    let reasons = looks.compactMap { if case .unanswered(let reason) = $0 { reason } else { nil } }
    guard let first = reasons.first else { return [] }
    let more = reasons.count == 1 ? "" : ", and so for \(QueueText.count(reasons.count - 1, "more key"))"
    return [
      Finding(
        text: "whether a key's record stands in the DNS can't be known for now: \(first)\(more)",
        remedy: "see what martlet dns says of it, and the name servers of its zone")
    ]
  }

  /// RFC 9989 §7.4, §8: a domain that asks for rejection signs, so that mail which others hand on isn't lost by SPF alone;
  /// and who asks for anything hears what comes of it.
  private func findings(of domain: DomainName) async -> [Finding] {
    guard let name = try? DomainName("_dmarc", under: domain), case .records(let set) = await resolver.texts(of: name)
    else { return [] }
    let records = set.records.compactMap { try? DMARCRecord($0) }
    guard records.count == 1, let record = records.first, let policies = record.policies else { return [] }
    var findings: [Finding] = []
    if policies.domain == .reject, keyring.signings(for: [domain]).isEmpty {
      findings.append(
        Finding(
          text: "\(domain) asks by DMARC to have mail rejected, and no key signs its mail here: what is forwarded is "
            + "lost (RFC 9989 §7.4)",
          remedy: "martlet dkim generate \(domain), or publish p=quarantine until another server signs all of it"))
    }
    if record.aggregateReports.isEmpty {
      findings.append(
        Finding(
          text:
            "\(domain) publishes a DMARC policy, and nobody hears what comes of it: its record has no rua (RFC 9989 "
            + "§8)", remedy: "add rua=mailto: with a mailbox that somebody reads"))
    }
    return findings
  }
}
