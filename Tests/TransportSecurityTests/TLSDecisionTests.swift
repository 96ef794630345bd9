import Testing
import TransportSecurity

@Suite("TLSDecision")
struct TLSDecisionTests {
  @Test(
    "the floor always counts, and every rule is among the findings",
    arguments: [
      (TLSFloor.opportunistic, TLSVerdict.opportunistic), (.encrypt, .encrypt), (.verified, .authenticate),
    ])
  func floors(floor: TLSFloor, verdict: TLSVerdict) {
    let decision = decide(TLSEvidence(floor: floor, floorOrigin: "outbound.tls.floor"))
    #expect(decision.verdict == verdict)
    #expect(decision.findings.map(\.rule) == TLSFinding.Rule.allCases)
    #expect(decision.findings.last?.evidence == "outbound.tls.floor")
  }

  @Test("a channel meets a verdict by what its handshake left, and a name only by proof of that very name")
  func met() {
    func facts(_ verification: CertificateVerification) -> TLSFacts {
      TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1301), group: nil,
        peerCertificate: CertificateFacts(sha256Fingerprint: [], dnsNames: [], verification: verification))
    }
    let channels: [TLSFacts?] = [
      nil, facts(.failed(.expired)), facts(.verified(hostName: "mx.example")),
      facts(.verified(hostName: "other.example")),
    ]
    let met = TLSVerdict.allCases.map { verdict in channels.map { verdict.isMet(by: $0, host: "mx.example") } }
    #expect(
      met == [[true, true, true, true], [false, true, true, true], [false, false, true, false]])
  }
}
