import DNSRecords
import MailSyntax
import Testing
import TransportSecurity

@Suite("What a failure of TLS says")
struct TLSFailureTests {
  private static func evidence(
    _ tlsa: Int = 0, _ sts: Int = 0, history: Int = 0, exchangers: DNSSECState = .insecure
  ) -> TLSEvidence {
    EvidenceCatalogue.evidence(
      .opportunistic, .unstated, exchangers, EvidenceCatalogue.tlsa[tlsa].value, EvidenceCatalogue.sts[sts].value,
      EvidenceCatalogue.histories[history].value)
  }

  @Test(
    "STARTTLS that is missing looks like an attack where the domain promised it, and like nothing where it didn't",
    arguments: [
      (evidence(), TLSFailureReading.Likelihood.unclear), (evidence(4), .attack), (evidence(0, 5), .attack),
      (evidence(0, 3), .unclear), (evidence(history: 1), .attack),
    ])
  func notOffered(evidence: TLSEvidence, likelihood: TLSFailureReading.Likelihood) {
    let reading = evidence.reading(of: .notOffered)
    #expect(reading.likelihood == likelihood && reading.report == .startTLSNotSupported)
  }

  @Test("an expired certificate is rather an accident; a key that no record knows, and no authority, rather an attack")
  func certificates() {
    var evidence = Self.evidence(4)
    #expect(evidence.reading(of: .certificate(.expired)).likelihood == .accident)
    #expect(evidence.reading(of: .certificate(.tlsaMismatch(reason: "none fits"))).likelihood == .attack)
    let vouched = evidence.reading(of: .certificate(.tlsaMismatch(reason: "none fits", isVouchedFor: true)))
    #expect(vouched.likelihood == .accident && vouched.report == .tlsaInvalid)
    #expect(vouched.remedy.contains("_25._tcp.mx.example.net"))
    evidence.port = 2525
    #expect(
      evidence.reading(of: .certificate(.tlsaMismatch(reason: "none fits"))).remedy.contains(
        "_2525._tcp.mx.example.net"))
    let unknown = CertificateFault.notTrusted(reason: "self-signed")
    #expect(Self.evidence().reading(of: .certificate(unknown)).likelihood == .unclear)
    #expect(Self.evidence(history: 2).reading(of: .certificate(unknown)).likelihood == .attack)
  }

  @Test("each failure has grounds, a remedy, and the name that a report would count it under")
  func complete() {
    let obstacle = TLSObstacle("the policy doesn't list it", report: .validationFailure)
    let failures: [TLSFailure] =
      [
        .notOffered, .refused, .refusedBeforeTLS, .handshake, .obsolete, .injected, .certificate(.expired),
        .certificate(.hostMismatch(expected: "mx.example.net", presented: [])),
        .certificate(.notTrusted(reason: "unknown")), .certificate(.tlsaMismatch(reason: "none fits")),
      ] + TLSFinding.Rule.allCases.map { .obstacle(obstacle, rule: $0) }
    for failure in failures {
      let reading = Self.evidence(4, 5).reading(of: failure)
      #expect(reading.grounds.hasSuffix(".") && reading.remedy.hasSuffix(".") && reading.report != nil, "\(failure)")
    }
  }
}
