import DNSRecords
import MailSyntax
import Relay
import TransportSecurity

// What could be better, of the domain as a whole: how that was learned stands in the section named, and what mends it is
// written out as it is to be published.
extension Explanation {
  /// The domain's first, then each host's in their order.
  public var findings: [ExplanationFinding] {
    if let fault = account.fault { return [finding(of: fault)] }
    let hosts = account.hosts.indices.flatMap { HostFindings(self, place: $0).all }
    guard let domain = account.domain.name else { return hosts }
    return exchangerFindings(domain) + announcementFindings(domain) + policyFindings(domain) + reportingFindings(domain)
      + hosts
  }

  // MARK: MX

  private func finding(of fault: DestinationFault) -> ExplanationFinding {
    let place = "\(account.domain)"
    func finding(
      _ source: String, _ remedy: String, _ publications: [Publication] = [], report: TLSReportResult? = nil
    ) -> ExplanationFinding {
      ExplanationFinding(
        weight: .obstacle, place: place, words: "\(fault.description.sentence)", source: source, report: report,
        remedy: remedy, publications: publications)
    }
    let record = Publication.record(owner: place, type: "MX", data: "10 mail.\(place).")
    switch fault {
    case .noSuchDomain: return finding("RFC 5321 §5.1", "Register the domain, or look at how it is spelled.")
    case .noMailHost:
      return finding("RFC 5321 §5.1", "Publish the name of the domain's mail server, which has an address.", [record])
    case .takesNoMail:
      return finding(
        "RFC 7505 §3", "Nothing, where that is meant; else publish the name of the mail server in its place.", [record])
    case .onlyOurselves:
      return finding(
        "RFC 5321 §5.1", "Take the domain into the section domains of this server, or name another server in its MX.")
    case .noUsableHost:
      return finding("RFC 5321 §5.1", "Publish a name there, and no address and no alias.", [record])
    case .noAddress: return finding("RFC 5321 §5.1", "Publish an address of the mail server.")
    case .lookupFailed:
      return finding("RFC 5321 §5.1", "See that the domain's name servers answer, and that this machine can ask them.")
    case .bogus:
      return finding(
        "RFC 4035 §5", "Sign the zone anew, and let the DS record at the parent be of a key that signs it.",
        [.delegation(of: place)], report: .dnssecInvalid)
    }
  }

  private func exchangerFindings(_ domain: DomainName) -> [ExplanationFinding] {
    guard account.attacks.contains(.forgeMX) else { return [] }
    return [
      ExplanationFinding(
        weight: .gap, place: "\(domain)",
        words: "The MX records aren't proven by DNSSEC, and nothing else says which hosts are the domain's.",
        source: "RFC 7672 §2.2.1", report: nil,
        remedy:
          "Sign the zone, and give the digest of its key to the parent zone; an MTA-STS policy of mode enforce does "
          + "the same for whoever has seen it.",
        publications: [.delegation(of: domain.folded)])
    ]
  }

  // MARK: MTA-STS

  /// Under which name a policy is new: letters and digits of the moment.
  private var freshID: String { account.moment.shortText.filter { $0.isLetter || $0.isNumber } }

  private func record(_ domain: DomainName) -> Publication {
    .record(owner: "_mta-sts.\(domain.folded)", type: "TXT", data: "\"v=STSv1; id=\(freshID);\"")
  }

  /// The file as it should be: what it lists already, and every host that it lacks.
  ///
  /// - Parameter known: nil where there is none.
  private func file(_ domain: DomainName, _ known: STSPolicy?) -> Publication {
    let listed = known?.patterns ?? []
    let hosts = account.hosts.compactMap(\.name.name).filter { host in !listed.contains { $0.matches(host) } }
    let age = max(known?.maxAge ?? .zero, Explanation.usefulAge)
    return .file(
      url: "https://mta-sts.\(domain.folded)/.well-known/mta-sts.txt",
      text: ["version: STSv1", "mode: enforce"] + listed.map { "mx: \($0)" } + hosts.map { "mx: \($0.folded)" }
        + ["max_age: \(age.components.seconds)"])
  }

  /// RFC 8461 §3.2 expects weeks or more: for a shorter time an attacker can wait.
  static let usefulAge = Duration.seconds(14 * 86_400)

  func policyPublications(_ domain: DomainName) -> [Publication] {
    var known: STSPolicy?
    if case .inForce(let policy, _) = account.sts { known = policy.policy }
    return [file(domain, known), record(domain)]
  }

  private func announcementFindings(_ domain: DomainName) -> [ExplanationFinding] {
    func finding(
      _ weight: ExplanationFinding.Weight, _ words: String, _ remedy: String, _ publications: [Publication]
    ) -> [ExplanationFinding] {
      [
        ExplanationFinding(
          weight: weight, place: "\(domain)", words: words, source: "RFC 8461 §3.1", report: nil, remedy: remedy,
          publications: publications)
      ]
    }
    switch account.announcement {
    case .notSought: return []
    case .failed(let reason):
      return finding(
        .gap, "The TXT record of an MTA-STS policy can't be looked up: \(reason).",
        "See that the name servers of _mta-sts.\(domain.folded) answer.", [])
    case .published(let texts, _) where texts.count > 1:
      return finding(
        .gap, "\(texts.count) TXT records announce an MTA-STS policy, so none of them counts.", "Keep one of them.",
        [record(domain)])
    case .published:
      guard case .absent = account.sts else { return [] }
      return finding(
        .gap, "The TXT record can't be read as an announcement of an MTA-STS policy.",
        "Write it with an id of letters and digits.", [record(domain)])
    case .absent:
      switch account.sts {
      // Its trouble is told with the policy.
      case .inForce, .unavailable: return []
      case .absent, nil: break
      }
      guard !account.attacks.isEmpty else { return [] }
      return finding(
        .gap, "No MTA-STS policy is announced.",
        "Publish the file first and then the record; with mode: testing in place of enforce nothing is held back while "
          + "you read the reports.", policyPublications(domain))
    }
  }

  private func policyFindings(_ domain: DomainName) -> [ExplanationFinding] {
    func finding(
      _ weight: ExplanationFinding.Weight, _ words: String, _ source: String, _ remedy: String,
      report: TLSReportResult? = nil
    ) -> ExplanationFinding {
      ExplanationFinding(
        weight: weight, place: "\(domain)", words: words, source: source, report: report, remedy: remedy,
        publications: policyPublications(domain))
    }
    switch account.sts {
    case .absent, nil: return []
    case .unavailable(let trouble):
      return [
        finding(
          .gap, "The MTA-STS policy that is announced can't be had, which an attacker can bring about: \(trouble).",
          "RFC 8461 §3.3",
          "Serve the file over HTTPS, with a certificate of a public authority for the name, no "
            + "redirect, and the type text/plain.", report: trouble.result)
      ]
    case .inForce(let known, let trouble):
      var findings: [ExplanationFinding] = []
      if let trouble {
        findings.append(
          finding(
            .note, "The MTA-STS policy is known from before and can't be looked after now: \(trouble).",
            "RFC 8461 §3.3",
            "Serve file and record as they were: the policy that is kept ends at \(known.expiresAt.shortText).",
            report: trouble.result))
      }
      switch known.policy.mode {
      case .enforce: break
      case .testing:
        findings.append(
          finding(
            .gap, "The MTA-STS policy is of mode testing: what fails it is reported and delivered all the same.",
            "RFC 8461 §5", "When the reports are clean, change the mode to enforce and the id of the record."))
      case .none:
        findings.append(
          finding(
            .gap, "The MTA-STS policy is of mode none: it takes an earlier one back.", "RFC 8461 §5",
            "Publish one of mode enforce, where protection is wanted."))
      }
      if known.policy.mode != .none, known.policy.maxAge < Explanation.usefulAge {
        findings.append(
          finding(
            .note,
            "The MTA-STS policy holds for \(known.policy.maxAge.components.seconds) s: so long has an attacker to wait "
              + "who can block the policy host.", "RFC 8461 §3.2, §10.2", "Let it hold for weeks."))
      }
      return findings
    }
  }

  // MARK: Reports

  private func reportingFindings(_ domain: DomainName) -> [ExplanationFinding] {
    func finding(_ words: String, _ remedy: String) -> [ExplanationFinding] {
      [
        ExplanationFinding(
          weight: .note, place: "\(domain)", words: words, source: "RFC 8460 §3", report: nil, remedy: remedy,
          publications: [
            .record(
              owner: "_smtp._tls.\(domain.folded)", type: "TXT",
              data: "\"v=TLSRPTv1; rua=mailto:tls-reports@\(domain.folded)\"")
          ])
      ]
    }
    switch account.reporting {
    case .notSought, .failed: return []
    case .absent:
      return finding(
        "Nobody is told of failures: no record says where reports go.", "Name a mailbox that somebody reads.")
    case .published(let texts, _):
      guard texts.count > 1 else { return [] }
      return finding("\(texts.count) records say where reports go, so none of them counts.", "Keep one of them.")
    }
  }
}

extension Publication {
  /// What the parent zone has of a signed one.
  static func delegation(of domain: String) -> Publication {
    .record(owner: domain, type: "DS", data: "<key tag> <algorithm> 2 <SHA-256 of the zone's key>")
  }

  /// - Parameter key: SHA-256 of the server's public key; nil where it isn't known.
  static func tlsa(at base: DomainName, port: UInt16, key: [UInt8]?) -> Publication {
    let digest = key.map { $0.map { octet in (octet < 16 ? "0" : "") + String(octet, radix: 16) }.joined() }
    return .record(
      owner: "_\(port)._tcp.\(base.folded)", type: "TLSA",
      data: "3 1 1 \(digest ?? "<SHA-256 of the server's public key>")")
  }
}

extension String {
  /// A clause as a sentence. A name keeps its small letter.
  var sentence: String { opened + "." }

  /// With the capital of a sentence, but for a name.
  var opened: String {
    prefix { $0 != " " }.contains(".") ? self : prefix(1).uppercased() + dropFirst()
  }
}
