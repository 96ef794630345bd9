import ArgumentParser
import DNSRecords
import Diagnosis
import MailSyntax
import Relay
import SMTPSessions
import TransportSecurity

/// What `martlet explain` shows: first what would become of mail, then of what that follows, last what to mend.
struct ExplainReport {
  let explanation: Explanation
  /// Where what a server keeps came from; nil where that is told by nobody.
  var kept: KeptSnapshot.Source?
  var account: DestinationAccount { explanation.account }

  private static let keyColumns = 10
  private static let indent = 2

  /// 0 where mail would go, 1 where it would wait or come back, 75 where the DNS has no answer for now.
  var exitCode: ExitCode {
    switch explanation.outcome {
    case .goes: .success
    case .waits, .returned: .failure
    case .unanswered: ExitStatus.tryAgain
    }
  }

  func lines(_ paint: Paint) -> [String] {
    var lines = QueueText.wrapped("\(account.domain): \(headline)", indent: 0).map { paint.paint($0, colour) } + [""]
    lines += domainLines
    for place in account.hosts.indices { lines += [""] + hostLines(place, paint) }
    lines += attackLines(paint) + findingLines
    return lines
  }

  // MARK: The outcome

  var headline: String {
    switch explanation.outcome {
    case .goes(.opportunistic): "mail would go, encrypted where the server can, else in clear"
    case .goes(.encrypt): "mail would go, encrypted or not at all, whoever answers"
    case .goes: "mail would go, encrypted and only to a server that proves itself"
    case .waits(let reason): "mail would wait: \(reason)"
    case .returned(let reason): "mail would be returned: \(reason)"
    case .unanswered(let reason): "mail would wait, for the DNS has no answer: \(reason)"
    }
  }

  private var colour: Paint.Colour {
    switch explanation.outcome {
    case .goes(.authenticate): .green
    case .goes: .yellow
    case .waits, .returned, .unanswered: .red
    }
  }

  // MARK: The domain

  private var domainLines: [String] {
    var lines = fact("floor", account.floor.description)
    switch account.wish {
    case .unstated: break
    case .required:
      // Whether a host offers it is in its answer to EHLO, and in no record.
      let unseen = explanation.visits.isEmpty ? "; whether a host offers it is seen by --live alone" : ""
      lines += fact("sender", "REQUIRETLS" + unseen)
    case .notRequired: lines += fact("sender", "TLS-Required: No")
    }
    if let kept { lines += fact("kept", kept.words) }
    if let alias = account.alias { lines += fact("alias", "of \(alias)") }
    guard account.fault == nil else { return lines }
    lines += fact("MX", mailExchangers)
    lines += announcement("MTA-STS", account.announcement, absent: "no record at _mta-sts.\(account.domain)")
    lines += policyLines
    lines += announcement("TLS-RPT", account.reporting, absent: "no record at _smtp._tls.\(account.domain)")
    return lines
  }

  private var mailExchangers: String {
    guard let first = account.hosts.first else { return "none" }
    if account.domain.name == nil { return "none: the domain is an address" }
    if first.isImplicit { return "none, so the domain is its own mail host, \(first.security.rawValue)" }
    return "\(QueueText.count(account.hosts.count, "host")), \(first.security.rawValue)"
  }

  private func announcement(_ key: String, _ announcement: TextAnnouncement, absent: String) -> [String] {
    switch announcement {
    case .notSought: []
    case .absent: fact(key, absent)
    case .failed(let reason): fact(key, "can't be looked up: \(reason)")
    case .published(let texts, let state):
      texts.enumerated().flatMap { fact($0.offset == 0 ? key : "", "\($0.element) (\(state.rawValue))") }
    }
  }

  private var policyLines: [String] {
    switch account.sts {
    case nil: return account.announcement == .notSought ? [] : fact("", "policies are not looked at here")
    case .absent: return []
    case .unavailable(let trouble): return fact("", "the policy can't be had: \(trouble)")
    case .inForce(let known, let trouble):
      let policy = known.policy
      var lines = fact(
        "",
        "\(policy.mode.rawValue), fetched \(known.fetchedAt.shortText), holds until \(known.expiresAt.shortText)")
      if !policy.patterns.isEmpty {
        lines += fact("", "mx: " + policy.patterns.map(\.description).joined(separator: ", "))
      }
      if let trouble { lines += fact("", "kept, for \(trouble)") }
      return lines
    }
  }

  // MARK: A host

  private func hostLines(_ place: Int, _ paint: Paint) -> [String] {
    let host = account.hosts[place]
    let title = host.isImplicit ? "\(host.name)" : "\(host.preference) \(host.name)"
    var lines = QueueText.wrapped(title, indent: 0)
    if let fault = host.fault { return lines + fact("no way", fault.description) }
    for (index, address) in host.addresses.enumerated() {
      lines += fact(index == 0 ? "address" : "", "\(address.address) (\(address.security.rawValue))")
    }
    guard let policy = host.policy else { return lines }
    lines += tlsaLines(policy.evidence.tlsa)
    if case .inForce(let known, _) = policy.evidence.sts, let name = host.name.name {
      let pattern = known.policy.pattern(matching: name)
      lines += fact("MTA-STS", pattern.map { "listed as \($0)" } ?? "not listed")
    }
    let isFree = host.mayBeUsed
    lines += fact("decision", "\(policy.decision.verdict)").map { paint.paint($0, isFree ? .green : .red) }
    for finding in policy.decision.findings { lines += fact("", "\(finding)") }
    if let visit = explanation.visit(place) { lines += visitLines(visit, host, paint) }
    let attacks = host.attacks.map(\.words)
    lines += fact("attacker", attacks.isEmpty ? "nothing but delay on the line to it" : "could \(attacks[0])")
    for attack in attacks.dropFirst() { lines += fact("", "could \(attack)") }
    return lines
  }

  private func tlsaLines(_ evidence: TLSAEvidence) -> [String] {
    switch evidence {
    case .notSought(let reason): return fact("TLSA", "not sought: \(reason)")
    case .absent: return fact("TLSA", "none")
    case .failed(let reason): return fact("TLSA", "can't be had: \(reason)")
    case .published(let set):
      var lines = fact("TLSA", "at \(set.base)")
      for record in set.records.sorted(by: { $0.description < $1.description }) {
        lines += fact("", "\(record)") + fact("", "(\(ExplainReport.use(of: record, in: set)))")
      }
      return lines
    }
  }

  static func use(of record: TLSARecord, in set: TLSASet) -> String {
    if set.usable.contains(record) { return "usable" }
    return "doesn't count: \(record.fault ?? "a stronger digest stands beside it")"
  }

  private func visitLines(_ visit: HostVisit, _ host: HostAccount, _ paint: Paint) -> [String] {
    var lines: [String] = []
    let peer = visit.peer.map { "\($0): " } ?? ""
    if let tls = visit.tls {
      lines += fact("live", "\(peer)\(tls.channel)")
      if let certificate = tls.peerCertificate {
        let names = certificate.dnsNames.isEmpty ? "no DNS name" : certificate.dnsNames.joined(separator: ", ")
        lines += fact("", "certificate for \(names)")
        lines += fact("", "public authorities: \(certificate.verification)")
        lines += fact("", "TLSA: \(certificate.dane?.description ?? "nothing to match")")
      }
      lines += fact("", "REQUIRETLS: \(visit.offersRequireTLS ? "offered" : "not offered")")
    } else {
      lines += fact("live", "\(peer)no TLS")
    }
    let (words, colour): (String, Paint.Colour) =
      switch host.judgement(of: visit) {
      case .met: ("as the decision asks", .green)
      case .metInClear(_, let words): ("mail would go in clear: \(words)", .yellow)
      case .fellShort(_, let words): ("NOT as the decision asks: \(words)", .red)
      case .lacksRequireTLS: ("NOT as the sender asks: REQUIRETLS is not offered", .red)
      case .unreached(let words): ("nothing can be said: \(words)", .red)
      }
    return lines + fact("", words).map { paint.paint($0, colour) }
  }

  // MARK: What an attacker could, and what to mend

  private func attackLines(_ paint: Paint) -> [String] {
    guard account.fault == nil else { return [] }
    let attacks = account.attacks
    var lines = ["", "What an attacker on the way could still do, beside delaying mail:"]
    if attacks.isEmpty { lines.append(paint.paint("  nothing", .green)) }
    for attack in attacks {
      lines += ExplainReport.item("- ", attack.words).map { paint.paint($0, .yellow) }
    }
    return lines
  }

  private var findingLines: [String] {
    let findings = explanation.findings
    guard !findings.isEmpty else { return ["", "Nothing to mend."] }
    var lines = ["", "What to mend:"]
    for (index, finding) in findings.enumerated() {
      lines += ExplainReport.item("\(index + 1). ", "\(finding.place): \(finding.words) (\(finding.source))")
      if let report = finding.report { lines += ExplainReport.item("   ", "TLS-RPT: \(report.rawValue)") }
      lines += ExplainReport.item("   ", finding.remedy)
      // Letter by letter: a line that is too long is not broken.
      for publication in finding.publications { lines += publication.lines.map { "     " + QueueText.printable($0) } }
    }
    return lines
  }

  private static func item(_ mark: String, _ text: String) -> [String] {
    let column = 2 + mark.count
    var lines = QueueText.wrapped(text, indent: column)
    if let first = lines.first { lines[0] = "  " + mark + first.dropFirst(column) }
    return lines
  }

  private func fact(_ key: String, _ value: String) -> [String] {
    let column = ExplainReport.indent + ExplainReport.keyColumns
    var lines = QueueText.wrapped(value, indent: column)
    if lines.isEmpty { lines = [String(repeating: " ", count: column)] }
    lines[0] =
      String(repeating: " ", count: ExplainReport.indent) + QueueText.left(key, ExplainReport.keyColumns)
      + lines[0].dropFirst(column)
    return lines
  }
}
