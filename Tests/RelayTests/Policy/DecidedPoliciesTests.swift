import DNSRecords
import MailSyntax
import Testing
import TransportSecurity

@testable import Relay

@Suite("Decided policies")
struct DecidedPoliciesTests {
  private static let domain = MailDomain.name(constantName("far.example"))
  private static let host = MailDomain.name(constantName("mx.far.example"))
  private static let set = TLSASet(
    base: constantName("mx.far.example"),
    records: [TLSARecord(usage: 3, selector: 1, matchingType: 1, association: Array(repeating: 7, count: 32))])

  private static let base: TLSEvidence = {
    var evidence = TLSEvidence(
      host: constantName("mx.far.example"), floor: OperatorFloor(.opportunistic, origin: "outbound.tls.floor"))
    evidence.exchangers = .secure
    evidence.tlsa = .published(set)
    return evidence
  }()

  /// Evidence that differs from `base` in one thing each.
  private static let others: [TLSEvidence] = {
    func changed(_ change: (inout TLSEvidence) -> Void) -> TLSEvidence {
      var evidence = base
      change(&evidence)
      return evidence
    }
    let policy = STSPolicy(mode: .enforce, maxAge: .seconds(60), patterns: [STSPattern("mx.far.example")])
    return [
      changed { $0.wish = .required },
      changed { $0.floor.floor = .verified },
      changed { $0.floor.origin = "an override" },
      changed { $0.exchangers = .insecure },
      changed { $0.tlsa = .absent },
      changed { $0.tlsa = .failed(reason: "SERVFAIL") },
      changed { $0.tlsa = .published(TLSASet(base: set.base, records: set.records + set.records)) },
      changed { $0.port = 2525 },
      changed { $0.sts = .inForce(KnownSTSPolicy(policy: policy, recordID: "1", fetchedAt: UTCInstant(seconds: 0))) },
      changed { $0.sts = .unavailable(STSTrouble(.stsPolicyFetchError, "no answer")) },
      changed { $0.history = SteadyTLS(.verified, since: UTCInstant(seconds: 0), conduct: .hold) },
    ]
  }()

  @Test("are what would be decided anew, whatever changed since the last message", arguments: others)
  func same(_ other: TLSEvidence) {
    let decided = DecidedPolicies()
    for evidence in [Self.base, other, other, Self.base] {
      let found = decided.policy(of: Self.domain, Self.host, evidence, [constantName("far.example")])
      #expect(found == AppliedPolicy(evidence, names: [constantName("far.example")]))
      #expect(found.decision == decide(evidence))
    }
  }

  @Test("are one and the same for equal evidence, and another with other words for any other", arguments: others)
  func shared(_ other: TLSEvidence) {
    let decided = DecidedPolicies()
    func policy(_ evidence: TLSEvidence) -> AppliedPolicy {
      decided.policy(of: Self.domain, Self.host, evidence, [])
    }
    let first = policy(Self.base)
    #expect(policy(Self.base) === first)
    let second = policy(other)
    #expect(second !== first && second != first)
    #expect(second.words == AppliedPolicy(other, names: []).words)
    #expect(policy(other) === second)
  }

  @Test("DANE-016: are decided anew where the next hop has other names")
  func names() {
    let decided = DecidedPolicies()
    for names in [[constantName("far.example")], [constantName("next.example")], []] {
      let found = decided.policy(of: Self.domain, Self.host, Self.base, names)
      #expect(found.dane?.names == [constantName("mx.far.example")] + names)
    }
  }

  @Test("are kept for so many hosts and no more")
  func bound() {
    let decided = DecidedPolicies()
    for number in 0..<(DecidedPolicies.maximumHosts + 5) {
      _ = decided.policy(of: .name(constantName("n\(number).example")), Self.host, Self.base, [])
    }
    #expect(decided.count == DecidedPolicies.maximumHosts)
  }
}
