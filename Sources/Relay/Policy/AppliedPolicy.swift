import DNSRecords
import MailSyntax
import SMTPSessions
public import TransportSecurity

/// What was asked of the channel to one host, and on what evidence: kept with every attempt. It never changes, so that
/// all mail that is decided alike shares one (`DecidedPolicies`), and what follows from it is worked out once.
public final class AppliedPolicy: Sendable {
  public let evidence: TLSEvidence
  public let decision: TLSDecision
  /// What the host's TLSA records expect, where some can be used.
  public let dane: DANEExpectation?
  /// By whose word mail goes so: whoever asks for more than whatever can be had; an override and a sender that waives
  /// TLS, also where they ask for nothing, for the mail may go weaker by their word; and where it is nobody else's, the
  /// floor that is configured. Never empty.
  let words: [String]

  /// - Parameter names: of the next hop, as `EvidenceGatherer.OfDomain` has them.
  convenience init(_ evidence: TLSEvidence, names: [DomainName]) {
    guard case .published(let set) = evidence.tlsa, !set.usable.isEmpty else {
      self.init(evidence, dane: nil)
      return
    }
    var expected = [set.base]
    // RFC 8689 §4.2.1 asks for the MX host's own name.
    let others = evidence.exchangers == .secure && evidence.wish != .required ? names : []
    for name in [evidence.host].compactMap({ $0 }) + others where !expected.contains(name) { expected.append(name) }
    self.init(evidence, dane: DANEExpectation(tlsa: set, names: expected))
  }

  init(_ evidence: TLSEvidence, dane: DANEExpectation?) {
    self.evidence = evidence
    self.dane = dane
    decision = decide(evidence)
    words = AppliedPolicy.words(of: decision, evidence)
  }

  /// Who asks for more than whatever can be had, and for what: `the floor is verified (outbound.tls.floor)`. Nil where
  /// nobody does.
  public var demand: String? {
    decision.demands.isEmpty ? nil : decision.demands.joined(separator: "; ")
  }

  private static func words(of decision: TLSDecision, _ evidence: TLSEvidence) -> [String] {
    let words = decision.findings.filter { finding in
      switch finding.rule {
      case .operatorFloor where evidence.floor.override != nil: true
      case .sender where evidence.wish == .notRequired: true
      case .baseline, .operatorFloor, .sender, .dane, .mtaSTS, .ratchet: finding.verdict != .opportunistic
      }
    }
    guard words.isEmpty else { return words.map(\.evidence) }
    return decision.findings.filter { $0.rule == .operatorFloor }.map(\.evidence)
  }

  /// Whoever asks for more, for a stranger's eyes: what our own operators have written is their business.
  var demandsForReports: [String] {
    decision.findings.filter { $0.verdict != .opportunistic }.map { finding in
      finding.rule == .operatorFloor
        ? "the floor of this mail system is \(evidence.floor.floor.rawValue)" : finding.evidence
    }
  }

  /// Without the floor a host of this kind would do sooner.
  var dependsOnFloor: Bool {
    var without = evidence
    without.floor = OperatorFloor(.opportunistic, origin: evidence.floor.origin)
    let verdict = decide(without).verdict
    switch verdict {
    case .opportunistic, .encrypt, .authenticate: return verdict != decision.verdict
    case .tryLater, .refuse: return false
    }
  }

  /// Nobody but the sender asks for what the channel fell short of: that is the answer to the sender, and not a state of
  /// the domain that others' mail would meet too (RFC 8689 §4.2.1).
  func isOfTheSenderAlone(_ fault: SecurityFault) -> Bool {
    guard evidence.wish == .required else { return false }
    // Where the domain's hosts have always had TLS, less of it is rather somebody's hand on the way than the answer.
    if evidence.history != nil, fault.isSaidInClear { return false }
    var without = evidence
    without.wish = .unstated
    switch decide(without).verdict {
    case .opportunistic: return true
    // Whoever asks for TLS alone is content with any certificate.
    case .encrypt: if case .certificate = fault { return true } else { return false }
    case .authenticate, .tryLater, .refuse: return false
    }
  }
}

extension AppliedPolicy: Hashable {
  /// What is asked follows from the evidence, and from the names beside it.
  public static func == (left: AppliedPolicy, right: AppliedPolicy) -> Bool {
    left === right || (left.evidence == right.evidence && left.dane == right.dane)
  }
  public func hash(into hasher: inout Hasher) {
    hasher.combine(evidence)
    hasher.combine(dane)
  }
}
