import DNSRecords
import MailSyntax

/// How mail must go to one host, and why.
public struct TLSDecision: Hashable, Sendable {
  public let verdict: TLSVerdict
  /// Every rule, in the order in which it was considered.
  public let findings: [TLSFinding]
  /// The message goes only to a server that takes `REQUIRETLS` with MAIL inside TLS (RFC 8689 §4.2.1).
  public let asksNextHop: Bool
}

/// What a connection to a host must be, or why there is to be none.
public enum TLSVerdict: Hashable, Sendable {
  /// Cleartext only where STARTTLS isn't offered, or has failed on every host and a new connection is made.
  case opportunistic
  case encrypt
  /// The server proves itself.
  case authenticate(PeerProof)
  /// Not this host, and not now: the next one, and later all of them again.
  case tryLater(TLSObstacle)
  /// Not this host, as far as anybody can tell for good. A message that no host may take is returned.
  case refuse(TLSObstacle)
}

/// By what a server proves itself.
public enum PeerProof: String, Hashable, Sendable, CaseIterable {
  /// A certificate of a public authority for the host's name (RFC 5280, RFC 9525).
  case pkix
  /// Its TLSA records (RFC 7672).
  case dane
  case pkixAndDANE = "pkix-and-dane"
}

/// Why a host may not be used.
public struct TLSObstacle: Hashable, Sendable {
  /// A clause for people, without a full stop.
  public let reason: String
  /// How a TLS-RPT report counts it; nil where it is of no concern to the recipient's domain.
  public let report: TLSReportResult?

  public init(_ reason: String, report: TLSReportResult? = nil) {
    self.reason = reason
    self.report = report
  }
}

/// One rule and what it came to.
public struct TLSFinding: Hashable, Sendable {
  /// In the order in which they are considered.
  public enum Rule: String, Hashable, Sendable, CaseIterable {
    /// What holds where nobody asks for anything.
    case baseline
    case operatorFloor = "operator-floor"
    /// REQUIRETLS, or `TLS-Required: No`.
    case sender
    case dane
    case mtaSTS = "mta-sts"
    /// What the domain's hosts have shown before.
    case ratchet
  }

  public let rule: Rule
  public let verdict: TLSVerdict
  /// What was known, as a clause.
  public let evidence: String
  /// The section that says so.
  public let source: String
}

/// Law 6: the one function that decides what TLS a delivery to a host needs. Pure. It is the strictest of all that
/// apply, never a choice of one; only where DANE is proven from the MX record on does it stand for what the public
/// authorities would prove (RFC 8461 §2). Documentation/Decisions/0011 gives the reasons.
public func decide(_ evidence: TLSEvidence) -> TLSDecision {
  let findings = [
    TLSFinding(
      rule: .baseline, verdict: .opportunistic, evidence: "encrypted wherever the host can", source: "RFC 7435 §3"),
    evidence.floorFinding, evidence.senderFinding, evidence.daneFinding, evidence.stsFinding, evidence.ratchetFinding,
  ]
  let strictest = findings.reduce(TLSVerdict.opportunistic) { $0.joined(with: $1.verdict) }
  return TLSDecision(verdict: strictest, findings: findings, asksNextHop: evidence.wish == .required)
}

extension TLSVerdict {
  /// The stricter of both, or what meets both. Later comes before never: nobody is told of a refusal while it isn't sure.
  public func joined(with other: TLSVerdict) -> TLSVerdict {
    if case .authenticate(let mine) = self, case .authenticate(let theirs) = other {
      return .authenticate(mine == theirs ? mine : .pkixAndDANE)
    }
    return other.strictness > strictness ? other : self
  }

  private var strictness: Int {
    switch self {
    case .opportunistic: 0
    case .encrypt: 1
    case .authenticate: 2
    case .refuse: 3
    case .tryLater: 4
    }
  }
}

// MARK: The rules

extension TLSEvidence {
  /// TLSA records that can be used.
  private var usable: [TLSARecord] {
    guard case .published(let set) = tlsa else { return [] }
    return set.usable
  }

  /// Usable TLSA records, proven from the MX record on: they say all that a certificate of a public authority would say,
  /// and whose host this is beside it.
  private var daneStands: Bool { exchangers == .secure && !usable.isEmpty }

  /// Where a proof is asked for, and DANE may give it as well as a public authority.
  private var eitherProof: TLSVerdict { .authenticate(daneStands ? .dane : .pkix) }

  fileprivate var floorFinding: TLSFinding {
    let verdict: TLSVerdict =
      switch floor.floor {
      case .opportunistic: .opportunistic
      case .encrypt: .encrypt
      case .verified: eitherProof
      case .dane: mandatoryDANE
      }
    return TLSFinding(
      rule: .operatorFloor, verdict: verdict, evidence: "the floor is \(floor)",
      source: floor.floor == .dane ? "RFC 7672 §6" : "RFC 3207 §4.1")
  }

  /// RFC 7672 §2.2.1, §6: without proof of the host, or without records to match, the mail waits.
  private var mandatoryDANE: TLSVerdict {
    guard exchangers == .secure else {
      return .tryLater(
        TLSObstacle("the MX record isn't proven by DNSSEC, and the floor is dane", report: .daneRequired))
    }
    guard daneStands else {
      return .tryLater(TLSObstacle("no usable TLSA record, and the floor is dane", report: .daneRequired))
    }
    return .authenticate(.dane)
  }

  fileprivate var senderFinding: TLSFinding {
    switch wish {
    case .unstated:
      return TLSFinding(
        rule: .sender, verdict: .opportunistic, evidence: "the sender asks for nothing", source: "RFC 8689 §2")
    case .notRequired:
      return TLSFinding(
        rule: .sender, verdict: .opportunistic,
        evidence: "TLS-Required: No waives what the recipient's domain publishes, and no floor",
        source: "RFC 8689 §4.2.2")
    case .required:
      return TLSFinding(
        rule: .sender, verdict: requiredVerdict, evidence: "the sender asks for REQUIRETLS", source: "RFC 8689 §4.2.1")
    }
  }

  /// RFC 8689 §4.2.1: the MX host's name is proven by DNSSEC or by an MTA-STS policy, and the server proves that name.
  private var requiredVerdict: TLSVerdict {
    if exchangers == .secure { return eitherProof }
    switch sts {
    case .inForce(let known, let trouble):
      if known.policy.mode != .none, let host, known.policy.pattern(matching: host) != nil {
        return .authenticate(.pkix)
      }
      // What is kept doesn't prove the host; what is published now may.
      if let trouble { return unproven(while: trouble) }
    case .unavailable(let trouble): return unproven(while: trouble)
    case .absent: break
    }
    return .refuse(
      TLSObstacle(
        "the sender asks for REQUIRETLS, and neither DNSSEC nor MTA-STS proves that this is the domain's MX host"))
  }

  private func unproven(while trouble: STSTrouble) -> TLSVerdict {
    .tryLater(
      TLSObstacle(
        "the sender asks for REQUIRETLS, and the policy that could prove the MX host can't be had: \(trouble)"))
  }

  fileprivate var daneFinding: TLSFinding {
    func finding(_ verdict: TLSVerdict, _ evidence: String, _ source: String) -> TLSFinding {
      guard wish != .notRequired else {
        return TLSFinding(
          rule: .dane, verdict: .opportunistic, evidence: "\(evidence); waived by the sender", source: "RFC 8689 §4.2.2"
        )
      }
      return TLSFinding(rule: .dane, verdict: verdict, evidence: evidence, source: source)
    }
    switch tlsa {
    case .notSought(let reason):
      return finding(.opportunistic, "no TLSA records were sought: \(reason)", "RFC 7672 §2.2.2")
    case .absent:
      return finding(.opportunistic, "no proven TLSA records", "RFC 7672 §2.2")
    case .failed(let reason):
      return finding(
        .tryLater(TLSObstacle("its TLSA records can't be had: \(reason)", report: .dnssecInvalid)),
        "TLSA records that can't be had: \(reason)", "RFC 7672 §2.2")
    case .published(let set):
      let count = set.records.count
      guard !usable.isEmpty else {
        return finding(
          .encrypt, "\(count) TLSA record\(count == 1 ? "" : "s") at \(set.base), none that can be used",
          "RFC 7672 §2.2")
      }
      let proof = exchangers == .secure ? "proven from the MX record on" : "though the MX record isn't proven"
      return finding(
        .authenticate(.dane),
        "\(usable.count) usable TLSA record\(usable.count == 1 ? "" : "s") at \(set.base), \(proof)",
        exchangers == .secure ? "RFC 7672 §2.2" : "RFC 7672 §2.2.1")
    }
  }

  fileprivate var stsFinding: TLSFinding {
    func finding(_ verdict: TLSVerdict, _ evidence: String, _ source: String) -> TLSFinding {
      TLSFinding(rule: .mtaSTS, verdict: verdict, evidence: evidence, source: source)
    }
    switch sts {
    case .absent: return finding(.opportunistic, "no policy is announced", "RFC 8461 §3.1")
    case .unavailable(let trouble) where trouble.isOurs && wish != .notRequired:
      return finding(
        .tryLater(TLSObstacle("the domain's MTA-STS policy could not be fetched yet: \(trouble)")),
        "a policy is announced and wasn't fetched yet: \(trouble)", "Documentation/Decisions/0011")
    case .unavailable(let trouble):
      return finding(.opportunistic, "no policy can be had: \(trouble)", "RFC 8461 §3.3")
    case .inForce(let known, let trouble):
      let policy = known.policy
      let isListed = host.map { policy.pattern(matching: $0) != nil } ?? false
      let name = host?.description ?? "the address"
      let match = isListed ? "lists \(name)" : "doesn't list \(name)"
      let kept = trouble.map { ", kept, for it can't be fetched: \($0)" } ?? ""
      switch policy.mode {
      case .none: return finding(.opportunistic, "the policy's mode is none\(kept)", "RFC 8461 §5")
      case .testing: return finding(.opportunistic, "the policy of mode testing \(match)\(kept)", "RFC 8461 §5")
      case .enforce:
        let words = "the policy of mode enforce \(match)\(kept)"
        if wish == .notRequired { return finding(.opportunistic, "\(words); waived by the sender", "RFC 8689 §4.2.2") }
        // The stronger proof says all that the policy would, and fails where it fails.
        if daneStands { return finding(.authenticate(.dane), "\(words); DANE stands for it", "RFC 8461 §2") }
        guard isListed else {
          return finding(
            .tryLater(TLSObstacle("the domain's MTA-STS policy doesn't list \(name)", report: .validationFailure)),
            words,
            "RFC 8461 §4.1, §5")
        }
        return finding(.authenticate(.pkix), words, "RFC 8461 §4.2, §5")
      }
    }
  }

  fileprivate var ratchetFinding: TLSFinding {
    func finding(_ verdict: TLSVerdict, _ evidence: String) -> TLSFinding {
      TLSFinding(rule: .ratchet, verdict: verdict, evidence: evidence, source: "Documentation/Decisions/0012")
    }
    guard let history else { return finding(.opportunistic, "the domain's hosts have no steady record") }
    let known: String
    switch history.level {
    case .encrypted: known = "the domain's hosts have steadily spoken TLS"
    case .verified: known = "the domain's hosts have steadily proven their names"
    }
    if wish == .notRequired { return finding(.opportunistic, "\(known); waived by the sender") }
    switch history.conduct {
    case .alert: return finding(.opportunistic, "\(known); less is said aloud")
    case .hold:
      switch history.level {
      case .encrypted: return finding(.encrypt, "\(known); with less the mail waits")
      // A proof by TLSA records is among what has been seen, whatever the MX record's state.
      case .verified:
        return finding(.authenticate(usable.isEmpty ? .pkix : .dane), "\(known); with less the mail waits")
      }
    }
  }
}
