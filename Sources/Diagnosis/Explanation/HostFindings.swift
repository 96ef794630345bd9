import DNSRecords
import MailSyntax
import Relay
import TransportSecurity

/// What could be better at one mail host.
struct HostFindings {
  private let explanation: Explanation
  private let host: HostAccount
  private let visit: HostVisit?

  init(_ explanation: Explanation, place: Int) {
    self.explanation = explanation
    host = explanation.account.hosts[place]
    visit = explanation.visit(place)
  }

  var all: [ExplanationFinding] {
    if let fault = host.fault { return [finding(of: fault)] }
    return obstacle + records + testing + visited
  }

  private func finding(
    _ weight: ExplanationFinding.Weight, _ words: String, _ source: String, _ remedy: String,
    _ publications: [Publication] = [], report: TLSReportResult? = nil
  ) -> ExplanationFinding {
    ExplanationFinding(
      weight: weight, place: "\(host.name)", words: words, source: source, report: report, remedy: remedy,
      publications: publications)
  }

  // MARK: What the DNS and the policy say

  private func finding(of fault: DestinationFault) -> ExplanationFinding {
    if case .bogus = fault {
      return finding(
        .obstacle, fault.description.sentence, "RFC 4035 §5",
        "Sign the zone anew, and let the DS record at the parent be of a key that signs it.",
        [.delegation(of: "\(host.name)")], report: .dnssecInvalid)
    }
    if fault.isUncertain {
      return finding(
        .obstacle, fault.description.sentence, "RFC 5321 §5.1", "See that the name servers of \(host.name) answer.")
    }
    return finding(
      .obstacle, fault.description.sentence, "RFC 5321 §5.1",
      "Publish the server's address, or take the host out of the MX records.",
      [.record(owner: "\(host.name)", type: "A", data: "<IPv4 address>")])
  }

  private var obstacle: [ExplanationFinding] {
    guard let (obstacle, rule) = host.obstacle, let reading = host.readingOfObstacle else { return [] }
    let source = host.policy?.decision.findings.first { $0.rule == rule }?.source ?? ""
    // Both are written out below it.
    let remedy =
      rule == .mtaSTS
      ? "Add the host to the file, and then change the id of the record; or take it out of the MX records."
      : reading.remedy
    let publications: [Publication] =
      switch rule {
      case .mtaSTS: explanation.account.domain.name.map(explanation.policyPublications) ?? []
      // Without a proven MX record a policy is what proves the host to the sender's wish, and nothing does to DANE.
      case .sender where host.security == .insecure:
        explanation.account.domain.name.map(explanation.policyPublications) ?? []
      case .operatorFloor, .sender: zone + tlsa
      case .dane, .baseline, .ratchet: []
      }
    return [
      finding(
        .obstacle, "\(obstacle.reason.sentence) \(reading.grounds.opened)", source, remedy, publications,
        report: reading.report)
    ]
  }

  /// TLSA records.
  private var records: [ExplanationFinding] {
    guard let evidence = host.policy?.evidence else { return [] }
    switch evidence.tlsa {
    case .published(let set):
      let faults = set.records.compactMap { record in
        record.fault.map { "\(record.parts == nil ? "" : "\(record.numbers): ")\($0)" }
      }
      guard !faults.isEmpty else { return [] }
      let isHopeless = set.usable.isEmpty
      return [
        finding(
          isHopeless ? .gap : .note,
          "\(faults.count) of \(set.records.count) TLSA records can't be used: \(faults.sorted().joined(separator: "; ")).",
          "RFC 7672 §2.2, §3.1",
          isHopeless
            ? "Publish one of the server's key in their place.\(compare)" : "Take out what can't be used.",
          isHopeless ? tlsa : [], report: isHopeless ? .tlsaInvalid : nil)
      ]
    // Where the MX record isn't proven, TLSA records would help nobody much.
    case .absent where host.security == .secure:
      return [
        finding(
          .note, "All that leads to \(host.name) is signed, and it has no TLSA record.", "RFC 7672 §2.2",
          "Publish one of the server's key, and the next key's beside it before each change.\(compare)", tlsa)
      ]
    case .notSought(let reason) where host.security == .secure && host.name.name != nil:
      return [
        finding(
          .note, "The MX record is signed, and the way to TLSA records isn't: \(reason).", "RFC 7672 §2.2.2",
          "Sign the zone of \(host.name).", [.delegation(of: "<zone of \(host.name)>")])
      ]
    // Told as the obstacle that it is.
    case .failed: return []
    case .absent, .notSought: return []
    }
  }

  /// The domain's own, where it isn't signed.
  private var zone: [Publication] {
    guard host.security == .insecure, let domain = explanation.account.domain.name else { return [] }
    return [.delegation(of: domain.folded)]
  }

  private var tlsa: [Publication] {
    guard let name = host.name.name else { return [] }
    let base: DomainName
    if case .published(let set)? = host.policy?.evidence.tlsa { base = set.base } else { base = name }
    return [.tlsa(at: base, port: explanation.account.port, key: visit?.tls?.peerCertificate?.sha256OfPublicKey)]
  }

  /// Whoever is in the way presents a key, too.
  private var compare: String {
    visit?.tls?.peerCertificate?.sha256OfPublicKey == nil
      ? " With --live it is computed from the certificate that the server presents."
      : " This one is of the key that was presented just now: compare it with the server's own."
  }

  /// What a policy of mode testing would hold back: it is reported.
  private var testing: [ExplanationFinding] {
    guard case .inForce(let known, _)? = host.policy?.evidence.sts, known.policy.mode == .testing,
      let name = host.name.name, let domain = explanation.account.domain.name
    else { return [] }
    guard known.policy.pattern(matching: name) != nil else {
      return [
        finding(
          .note, "The MTA-STS policy doesn't list \(name): under mode enforce no mail would go there.",
          "RFC 8461 §4.1, §5", "Add it to the file.", explanation.policyPublications(domain),
          report: .validationFailure)
      ]
    }
    guard case .failed(let fault)? = visit?.tls?.peerCertificate?.verification,
      let reading = host.policy?.evidence.reading(of: .certificate(fault))
    else { return [] }
    return [
      finding(
        .note, "Under mode enforce no mail would go to \(name): \(reading.grounds.opened)", "RFC 8461 §4.2, §5",
        reading.remedy, report: reading.report)
    ]
  }

  // MARK: What a visit showed

  private var visited: [ExplanationFinding] {
    guard let visit else { return [] }
    switch host.judgement(of: visit) {
    case .met: return unproven(visit)
    case .metInClear(let reading, let words):
      return [
        finding(
          .gap, "\(words.sentence) \(reading.grounds.opened)", "RFC 3207 §4", reading.remedy,
          report: isReported ? reading.report : nil)
      ]
    case .fellShort(let reading, let words):
      return [
        finding(
          .obstacle, "\(words.sentence) \(reading.grounds.opened)", proofSource, reading.remedy + mismatchAdvice(visit),
          isMismatch(visit) ? tlsa : [], report: reading.report)
      ]
    case .lacksRequireTLS:
      return [
        finding(
          .obstacle, "The sender asks for REQUIRETLS, and \(host.name) doesn't offer it.", "RFC 8689 §4.2.1",
          "Let \(host.name) offer REQUIRETLS inside TLS.")
      ]
    case .unreached(let words):
      return [
        finding(
          .obstacle, "No session with \(host.name): \(words).", "RFC 5321 §4.5.4.1",
          "See that the server runs and that port \(explanation.account.port) is let through, here and there.")
      ]
    }
  }

  /// Nobody asks for a proof, and there would be none.
  private func unproven(_ visit: HostVisit) -> [ExplanationFinding] {
    guard case .failed(let fault)? = visit.tls?.peerCertificate?.verification, !host.attacks.isEmpty, !isTesting,
      let reading = host.policy?.evidence.reading(of: .certificate(fault))
    else { return [] }
    return [
      finding(
        .gap, "A sender that asks for a proven certificate couldn't deliver: \(reading.grounds.opened)", "RFC 9525 §6",
        reading.remedy)
    ]
  }

  private var isTesting: Bool {
    guard case .inForce(let known, _)? = host.policy?.evidence.sts else { return false }
    return known.policy.mode == .testing
  }

  /// Reports are of policies (RFC 8460 §4): without one there is nobody to count for but a domain that asks for them.
  private var isReported: Bool {
    if case .published = explanation.account.reporting { return true }
    return isTesting
  }

  private func isMismatch(_ visit: HostVisit) -> Bool {
    guard case .failed(.tlsaMismatch)? = visit.tls?.peerCertificate?.dane else { return false }
    return true
  }

  private func mismatchAdvice(_ visit: HostVisit) -> String { isMismatch(visit) ? compare : "" }

  private var proofSource: String {
    switch host.policy?.decision.verdict {
    case .authenticate(.dane): "RFC 7672 §2.2"
    case .authenticate(.pkix), .authenticate(.pkixAndDANE): "RFC 8461 §4.2"
    case .encrypt, .opportunistic, .tryLater, .refuse, nil: "RFC 3207 §4.1"
    }
  }
}

extension TLSARecord {
  /// Usage, selector and matching type.
  fileprivate var numbers: String {
    parts.map { "\($0.usage) \($0.selector) \($0.matchingType)" } ?? ""
  }
}
