import DNSRecords
import Diagnosis
import MailSyntax
import Relay
import SMTPSessions
import TransportSecurity

extension ExplainReport: Encodable {
  private struct Policy: Encodable {
    var mode: String?
    var id: String?
    var maxAgeSeconds: Int64?
    var mx: [String] = []
    var fetched: String?
    var expires: String?
    var trouble: String?
    private enum CodingKeys: String, CodingKey {
      case mode, id, mx, fetched, expires, trouble
      case maxAgeSeconds = "max_age_seconds"
    }
  }
  private struct Announcement: Encodable {
    var state: String
    var records: [String] = []
    var security: String?
    var reason: String?
  }
  private struct Address: Encodable { let address, security: String }
  private struct TLSA: Encodable {
    struct Record: Encodable {
      let record: String
      let usable: Bool
      let use: String
    }
    var state: String
    var base: String?
    var records: [Record] = []
    var reason: String?
  }
  private struct Rule: Encodable { let rule, verdict, evidence, source: String }
  private struct Live: Encodable {
    var peer, channel, fault, verification, dane, judgement, words: String?
    var names: [String] = []
    var requireTLS: Bool
    var fingerprint: String?
    var publicKey: String?
    private enum CodingKeys: String, CodingKey {
      case peer, channel, fault, verification, dane, judgement, words, names
      case requireTLS = "requiretls"
      case fingerprint = "certificate_sha256"
      case publicKey = "public_key_sha256"
    }
  }
  private struct Host: Encodable {
    var host: String
    var preference: UInt16
    var implicit: Bool
    var security: String
    var addresses: [Address]
    var fault: String?
    var tlsa: TLSA?
    /// The pattern that lists it.
    var listedAs: String?
    var verdict: String?
    var rules: [Rule] = []
    var attacks: [String]
    var live: Live?
    private enum CodingKeys: String, CodingKey {
      case host, preference, implicit, security, addresses, fault, tlsa, verdict, rules, attacks, live
      case listedAs = "listed_as"
    }
  }
  private struct Finding: Encodable {
    let weight, place, words, source: String
    let report: String?
    let remedy: String
    let publish: [[String]]
    private enum CodingKeys: String, CodingKey {
      case weight, place, words, source, remedy, publish
      case report = "tls_rpt_result"
    }
  }
  private enum CodingKeys: String, CodingKey {
    case domain, at, wish, floor, outcome, reason, verdict, alias, mx, policy, reporting, hosts, attacks, findings
    case kept
    case floorOrigin = "floor_origin"
    case announcement = "mta_sts_record"
  }

  /// One object: the outcome, what it follows from, what an attacker could do, and what to mend.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("\(account.domain)", forKey: .domain)
    try container.encode(account.moment.shortText, forKey: .at)
    try container.encode(account.wish.rawValue, forKey: .wish)
    try container.encode(account.floor.floor.rawValue, forKey: .floor)
    try container.encode(account.floor.origin, forKey: .floorOrigin)
    try container.encodeIfPresent(kept?.code, forKey: .kept)
    let (outcome, reason, verdict) = words
    try container.encode(outcome, forKey: .outcome)
    try container.encodeIfPresent(reason, forKey: .reason)
    try container.encodeIfPresent(verdict, forKey: .verdict)
    try container.encodeIfPresent(account.alias?.description, forKey: .alias)
    try container.encodeIfPresent(account.exchangers?.rawValue, forKey: .mx)
    try container.encodeIfPresent(record(account.announcement), forKey: .announcement)
    try container.encodeIfPresent(policy, forKey: .policy)
    try container.encodeIfPresent(record(account.reporting), forKey: .reporting)
    try container.encode(account.hosts.indices.map(host), forKey: .hosts)
    try container.encode(account.attacks.map(\.rawValue), forKey: .attacks)
    try container.encode(explanation.findings.map(record), forKey: .findings)
  }

  private var words: (outcome: String, reason: String?, verdict: String?) {
    switch explanation.outcome {
    case .goes(let verdict): ("goes", nil, verdict.description)
    case .waits(let reason): ("waits", reason, nil)
    case .returned(let reason): ("returned", reason, nil)
    case .unanswered(let reason): ("unanswered", reason, nil)
    }
  }

  private func record(_ announcement: TextAnnouncement) -> Announcement? {
    switch announcement {
    case .notSought: nil
    case .absent: Announcement(state: "absent")
    case .published(let texts, let state): Announcement(state: "published", records: texts, security: state.rawValue)
    case .failed(let reason): Announcement(state: "failed", reason: reason)
    }
  }

  private var policy: Policy? {
    switch account.sts {
    case .absent, nil: return nil
    case .unavailable(let trouble): return Policy(trouble: trouble.description)
    case .inForce(let known, let trouble):
      return Policy(
        mode: known.policy.mode.rawValue, id: known.recordID, maxAgeSeconds: known.policy.maxAge.components.seconds,
        mx: known.policy.patterns.map(\.description), fetched: known.fetchedAt.shortText,
        expires: known.expiresAt.shortText, trouble: trouble?.description)
    }
  }

  private func host(_ place: Int) -> Host {
    let host = account.hosts[place]
    var record = Host(
      host: "\(host.name)", preference: host.preference, implicit: host.isImplicit, security: host.security.rawValue,
      addresses: host.addresses.map { Address(address: "\($0.address)", security: $0.security.rawValue) },
      fault: host.fault?.description, attacks: host.attacks.map(\.rawValue))
    if let policy = host.policy {
      record.tlsa = self.record(policy.evidence.tlsa)
      if case .inForce(let known, _) = policy.evidence.sts {
        record.listedAs = host.name.name.flatMap { known.policy.pattern(matching: $0)?.description }
      }
      record.verdict = policy.decision.verdict.description
      record.rules = policy.decision.findings.map {
        Rule(rule: $0.rule.rawValue, verdict: $0.verdict.description, evidence: $0.evidence, source: $0.source)
      }
    }
    record.live = explanation.visit(place).map { live($0, host) }
    return record
  }

  private func record(_ evidence: TLSAEvidence) -> TLSA {
    switch evidence {
    case .notSought(let reason): TLSA(state: "not-sought", reason: reason)
    case .absent: TLSA(state: "absent")
    case .failed(let reason): TLSA(state: "failed", reason: reason)
    case .published(let set):
      TLSA(
        state: "published", base: set.base.description,
        records: set.records.sorted { $0.description < $1.description }.map {
          TLSA.Record(
            record: $0.description, usable: set.usable.contains($0), use: ExplainReport.use(of: $0, in: set))
        })
    }
  }

  private func live(_ visit: HostVisit, _ host: HostAccount) -> Live {
    let certificate = visit.tls?.peerCertificate
    var live = Live(
      peer: visit.peer?.description, channel: visit.tls?.channel, fault: visit.fault?.description,
      verification: certificate?.verification.description, dane: certificate?.dane?.description,
      names: certificate?.dnsNames ?? [], requireTLS: visit.offersRequireTLS,
      fingerprint: certificate.map { SendDialogue.hexadecimal($0.sha256Fingerprint) },
      publicKey: certificate?.sha256OfPublicKey.map(SendDialogue.hexadecimal))
    switch host.judgement(of: visit) {
    case .met: live.judgement = "met"
    case .metInClear(_, let words): (live.judgement, live.words) = ("met-in-clear", words)
    case .fellShort(_, let words): (live.judgement, live.words) = ("fell-short", words)
    case .lacksRequireTLS: live.judgement = "lacks-requiretls"
    case .unreached(let words): (live.judgement, live.words) = ("unreached", words)
    }
    return live
  }

  private func record(_ finding: ExplanationFinding) -> Finding {
    Finding(
      weight: finding.weight.rawValue, place: finding.place, words: finding.words, source: finding.source,
      report: finding.report?.rawValue, remedy: finding.remedy, publish: finding.publications.map(\.lines))
  }
}
