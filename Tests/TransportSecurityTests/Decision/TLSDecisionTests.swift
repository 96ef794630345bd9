import DNSRecords
import Foundation
import MailSyntax
import Testing
import TransportSecurity

@Suite("TLSDecision")
struct TLSDecisionTests {
  @Test("every combination of evidence decides as the golden table says")
  func golden() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Corpus/policy/decisions.txt")
    if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try DecisionTableText.render().write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == DecisionTableText.render())
  }

  @Test("every rule is among the findings, in its order, and the verdict is at least as strict as each")
  func strictest() {
    for evidence in EvidenceCatalogue.all {
      let decision = decide(evidence)
      #expect(decision.findings.map(\.rule) == TLSFinding.Rule.allCases)
      for finding in decision.findings {
        #expect(decision.verdict.joined(with: finding.verdict) == decision.verdict, "\(finding)")
      }
    }
  }

  @Test("the floor always counts: no evidence and no wish takes anything from it")
  func floor() {
    for evidence in EvidenceCatalogue.all {
      switch (evidence.floor.floor, decide(evidence).verdict) {
      case (.opportunistic, _), (_, .tryLater), (_, .refuse): break
      case (.encrypt, let verdict): #expect(verdict != .opportunistic)
      case (.verified, let verdict):
        guard case .authenticate = verdict else { Issue.record("\(evidence)"); continue }
      case (.dane, let verdict):
        #expect(verdict == .authenticate(.dane) || verdict == .authenticate(.pkixAndDANE), "\(evidence)")
      }
    }
  }

  @Test("STS-032, DANE-031: with usable TLSA records no policy and no wish but TLS-Required: No does without them")
  func daneIsNeverRescued() {
    for evidence in EvidenceCatalogue.all {
      guard case .published(let set) = evidence.tlsa, !set.usable.isEmpty, evidence.wish != .notRequired else {
        continue
      }
      switch decide(evidence).verdict {
      case .authenticate(.dane), .authenticate(.pkixAndDANE), .tryLater, .refuse: break
      case .opportunistic, .encrypt, .authenticate(.pkix): Issue.record("\(evidence)")
      }
    }
  }

  @Test("DANE-004: a TLSA look-up that failed rules the host out, whatever else is known")
  func failedLookUp() {
    for evidence in EvidenceCatalogue.all {
      guard case .failed = evidence.tlsa, evidence.wish != .notRequired else { continue }
      guard case .tryLater = decide(evidence).verdict else { Issue.record("\(evidence)"); continue }
    }
  }

  @Test("a forged MX record that leads to an attacker's own DANE host doesn't get around an enforce policy")
  func forgedExchanger() {
    let listed = EvidenceCatalogue.evidence(
      .opportunistic, .unstated, .insecure, EvidenceCatalogue.tlsa[4].value, EvidenceCatalogue.sts[5].value)
    let unlisted = EvidenceCatalogue.evidence(
      .opportunistic, .unstated, .insecure, EvidenceCatalogue.tlsa[4].value, EvidenceCatalogue.sts[6].value)
    #expect(decide(listed).verdict == .authenticate(.pkixAndDANE))
    guard case .tryLater(let obstacle) = decide(unlisted).verdict else {
      Issue.record("it may be used")
      return
    }
    #expect(obstacle.report == .validationFailure)
  }

  @Test("DANE-026: under the floor dane mail waits by what is missing: the proof of the MX record, or usable records")
  func mandatoryDANE() {
    func reason(_ exchangers: DNSSECState, _ tlsa: TLSAEvidence) -> String? {
      let evidence = EvidenceCatalogue.evidence(.dane, .unstated, exchangers, tlsa, .absent)
      guard case .tryLater(let obstacle) = decide(evidence).verdict else { return nil }
      #expect(obstacle.report == .daneRequired)
      return obstacle.reason
    }
    let (unusable, usable) = (EvidenceCatalogue.tlsa[3].value, EvidenceCatalogue.tlsa[4].value)
    for tlsa in [.absent, unusable, usable] {
      #expect(reason(.insecure, tlsa) == "the MX record isn't proven by DNSSEC, and the floor is dane")
    }
    for tlsa in [.absent, unusable] {
      #expect(reason(.secure, tlsa) == "no usable TLSA record, and the floor is dane")
    }
    #expect(reason(.secure, usable) == nil)
  }

  @Test("RTLS-010: TLS-Required: No waives what the recipient's domain publishes, and no floor")
  func waived() {
    for evidence in EvidenceCatalogue.all where evidence.wish == .notRequired {
      var bare = evidence
      (bare.tlsa, bare.sts, bare.history) = (.absent, .absent, nil)
      guard evidence.floor.floor == .opportunistic || evidence.floor.floor == .encrypt else { continue }
      #expect(decide(evidence).verdict == decide(bare).verdict)
    }
  }

  @Test("RTLS-002: REQUIRETLS wants the MX host's name proven by DNSSEC or a policy, and refuses a host without")
  func required() {
    for evidence in EvidenceCatalogue.all where evidence.wish == .required {
      let decision = decide(evidence)
      #expect(decision.asksNextHop)
      switch decision.verdict {
      case .opportunistic, .encrypt: Issue.record("\(evidence)")
      case .authenticate, .tryLater, .refuse: break
      }
      guard evidence.exchangers == .insecure, case .authenticate = decision.verdict else { continue }
      guard case .inForce(let known, _) = evidence.sts, known.policy.mode != .none,
        known.policy.pattern(matching: EvidenceCatalogue.host) != nil
      else { Issue.record("\(evidence)"); continue }
    }
  }

  @Test("RTLS-002: a policy of mode none proves no host to REQUIRETLS, though it lists it")
  func requiredUnderModeNone() {
    func verdict(_ mode: STSPolicy.Mode) -> TLSVerdict {
      let policy = STSPolicy(
        mode: mode, maxAge: .seconds(604_800), patterns: [STSPattern("\(EvidenceCatalogue.host)")])
      let known = KnownSTSPolicy(policy: policy, recordID: "1", fetchedAt: UTCInstant(seconds: 0))
      return decide(EvidenceCatalogue.evidence(.opportunistic, .required, .insecure, .absent, .inForce(known))).verdict
    }
    #expect(verdict(.testing) == .authenticate(.pkix))
    guard case .refuse = verdict(.none) else {
      Issue.record("\(verdict(.none))")
      return
    }
  }

  /// Whoever forges the MX record has a certificate for the host that it leads to.
  @Test(
    "TLSB-012: of a host from an unproven MX record no certificate is proof enough, unless a policy lists it; the operator's floor alone goes by its name"
  )
  func namesFromUnprovenRecords() {
    var listed = 0
    for evidence in EvidenceCatalogue.all where evidence.exchangers == .insecure && evidence.history == nil {
      switch (evidence.floor.floor, decide(evidence).verdict) {
      case (.verified, _), (_, .opportunistic), (_, .encrypt), (_, .tryLater), (_, .refuse): continue
      // Of a key in a signed zone nothing is told to the domain's credit, and the wrong one keeps the mail back.
      case (_, .authenticate(.dane)): #expect(evidence.wish != .required, "\(evidence)")
      case (_, .authenticate(.pkix)), (_, .authenticate(.pkixAndDANE)):
        guard case .inForce(let known, _) = evidence.sts, known.policy.mode != .none,
          known.policy.pattern(matching: EvidenceCatalogue.host) != nil
        else { Issue.record("\(evidence)"); continue }
        listed += 1
      }
    }
    #expect(listed > 0)
  }

  @Test("a policy that was never fetched for want of room of ours makes the mail wait; one that can't be had doesn't")
  func ownTrouble() {
    func verdict(isOurs: Bool, _ wish: TLSWish = .unstated) -> TLSVerdict {
      let trouble = STSTrouble(.stsPolicyFetchError, "too many", isOurs: isOurs)
      return decide(EvidenceCatalogue.evidence(.opportunistic, wish, .insecure, .absent, .unavailable(trouble))).verdict
    }
    #expect(verdict(isOurs: false) == .opportunistic && verdict(isOurs: true, .notRequired) == .opportunistic)
    guard case .tryLater = verdict(isOurs: true) else {
      Issue.record("it goes")
      return
    }
  }

  @Test("RTLS-006: while nobody can say whether a policy proves the MX host, REQUIRETLS waits and isn't refused")
  func requiredUnsure() {
    let trouble = STSTrouble(.stsPolicyFetchError, "SERVFAIL")
    guard case .inForce(let known, _) = EvidenceCatalogue.sts[4].value else { return }
    for sts in [STSEvidence.unavailable(trouble), .inForce(known, trouble: trouble)] {
      let evidence = EvidenceCatalogue.evidence(.opportunistic, .required, .insecure, .absent, sts)
      guard case .tryLater = decide(evidence).verdict else {
        Issue.record("\(sts)")
        continue
      }
    }
  }

  @Test("a verdict is as strict as both of any two, in either order")
  func joining() {
    let verdicts: [TLSVerdict] =
      [.opportunistic, .encrypt] + PeerProof.allCases.map { .authenticate($0) } + [
        .tryLater(TLSObstacle("x")), .refuse(TLSObstacle("y")),
      ]
    for one in verdicts {
      #expect(one.joined(with: one) == one)
      for other in verdicts { #expect(one.joined(with: other) == other.joined(with: one)) }
    }
    #expect(TLSVerdict.authenticate(.pkix).joined(with: .authenticate(.dane)) == .authenticate(.pkixAndDANE))
  }

  // MARK: Channels

  private static func facts(_ verification: CertificateVerification, _ dane: DANEVerification? = nil) -> TLSFacts {
    TLSFacts(
      version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1301), group: nil,
      peerCertificate: CertificateFacts(
        sha256Fingerprint: [], dnsNames: [], verification: verification, dane: dane))
  }

  @Test("a channel meets a verdict by what its handshake left, and a name only by proof of that very name")
  func met() {
    let channels: [TLSFacts?] = [
      nil, Self.facts(.failed(.expired)), Self.facts(.verified(hostName: "mx.example")),
      Self.facts(.verified(hostName: "other.example")),
    ]
    let met = [TLSVerdict.opportunistic, .encrypt, .authenticate(.pkix), .tryLater(TLSObstacle("x"))].map { verdict in
      channels.map { verdict.isMet(by: $0, hostName: "mx.example") }
    }
    #expect(
      met == [
        [true, true, true, true], [false, true, true, true], [false, false, true, false],
        [false, false, false, false],
      ])
  }

  @Test(
    "TLSB-013: a kept channel meets DANE only by a record that still stands, for a name that counts for this domain")
  func keptUnderDANE() throws {
    guard case .published(let set) = EvidenceCatalogue.tlsa[4].value else { return }
    let record = set.records[0]
    let gone = TLSARecord(usage: 3, selector: 1, matchingType: 1, association: Array(repeating: 9, count: 32))
    let expectation = DANEExpectation(tlsa: set, names: [EvidenceCatalogue.host])
    func isMet(_ dane: DANEVerification?) -> Bool {
      TLSVerdict.authenticate(.dane).isMet(
        by: Self.facts(.failed(.expired), dane), hostName: "mx.example.net", dane: expectation)
    }
    #expect(isMet(.matched(record, name: nil)))
    #expect(isMet(.matched(record, name: "mx.example.net")))
    #expect(!isMet(.matched(record, name: "another.example.net")))
    #expect(!isMet(.matched(gone, name: nil)))
    #expect(!isMet(.failed(.tlsaMismatch(reason: "none fits"))))
    #expect(!isMet(nil))
  }

  @Test("where a policy and TLSA records ask for a proof each, no channel meets them by one of both")
  func bothProofs() {
    guard case .published(let set) = EvidenceCatalogue.tlsa[4].value else { return }
    let expectation = DANEExpectation(tlsa: set, names: [EvidenceCatalogue.host])
    let matched = DANEVerification.matched(set.records[0], name: nil)
    let mismatched = DANEVerification.failed(.tlsaMismatch(reason: "none fits"))
    let verified = CertificateVerification.verified(hostName: "mx.example.net")
    func isMet(_ verification: CertificateVerification, _ dane: DANEVerification) -> Bool {
      TLSVerdict.authenticate(.pkixAndDANE).isMet(
        by: Self.facts(verification, dane), hostName: "mx.example.net", dane: expectation)
    }
    #expect(isMet(verified, matched))
    #expect(!isMet(.failed(.notTrusted(reason: "self-signed")), matched))
    #expect(!isMet(.verified(hostName: "other.example.net"), matched))
    #expect(!isMet(verified, mismatched))
  }
}
