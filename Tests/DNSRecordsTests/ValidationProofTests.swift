import DNSRecords
import MailSyntax
import Testing

/// Answers from a table; what isn't in it is a question that should not have been asked.
private struct TableResolver: Resolver {
  var answers: [String: DNSAnswer<IPAddress>]

  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    guard let answer = answers[name.folded] else {
      Issue.record("\(name) should not be asked for")
      return .failed(reason: "not in the table")
    }
    return answer
  }
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { .failed(reason: "not in the table") }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { .failed(reason: "not in the table") }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { .failed(reason: "not in the table") }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { .failed(reason: "not in the table") }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { .failed(reason: "not in the table") }
}

/// DANE-001, DANE-002.
@Suite("The proof that a resolver validates")
struct ValidationProofTests {
  static let first = "signed.example", second = "also-signed.example", forged = "forged.example"

  private func answer(_ state: DNSSECState) throws -> DNSAnswer<IPAddress> {
    .records(
      DNSRecordSet(
        records: [.v4(1)], canonicalName: try DomainName("signed.example"), security: state, timeToLive: .seconds(1)))
  }

  private func verdict(
    secure: [String] = [first], bogus: [String] = [forged], _ answers: [String: DNSAnswer<IPAddress>],
    anchors: [TrustAnchor] = RootAnchors.builtIn
  ) async throws -> ValidationProof.Verdict {
    let proof = ValidationProof(
      secure: try secure.map { try DomainName($0) }, bogus: try bogus.map { try DomainName($0) })
    return await proof.run(by: TableResolver(answers: answers), anchors: anchors)
  }

  @Test("a proven answer and a refused forgery are the proof, whatever the proven answer says")
  func validates() async throws {
    for proven in [try answer(.secure), .none(.secure), .noSuchName(.secure)] {
      #expect(
        try await verdict([ValidationProofTests.first: proven, ValidationProofTests.forged: .bogus(reason: "no")])
          == .validates)
    }
  }

  @Test("one of the signed names suffices, and no more are asked")
  func oneSuffices() async throws {
    let names = [ValidationProofTests.first, ValidationProofTests.second]
    #expect(
      try await verdict(
        secure: names, bogus: [],
        [ValidationProofTests.first: .failed(reason: "down"), ValidationProofTests.second: try answer(.secure)])
        == .validates)
    #expect(try await verdict(secure: names, bogus: [], [names[0]: try answer(.secure)]) == .validates)
  }

  @Test("a name server that validates may keep a forgery to itself")
  func upstreamRefuses() async throws {
    let answers = [
      ValidationProofTests.first: try answer(.secure), ValidationProofTests.forged: .failed(reason: "SERVFAIL"),
    ]
    #expect(try await verdict(answers) == .validates)
    #expect(
      try await verdict(secure: [], [ValidationProofTests.forged: .failed(reason: "SERVFAIL")])
        == .fault(.noAnswer(try DomainName(ValidationProofTests.forged), reason: "SERVFAIL")))
  }

  @Test("without names nothing is asked")
  func off() async throws {
    #expect(try await verdict(secure: [], bogus: [], [:]) == .off)
  }

  /// DANE-001, DANE-002: stripped, changed, unproven and forged answers, and none, are five faults.
  @Test("each way not to validate is named")
  func faults() async throws {
    let name = try DomainName(ValidationProofTests.first)
    let stripped = "no signatures from 192.0.2.1", changed = "signature crypto failed"
    let table: [(DNSAnswer<IPAddress>, ValidationFault)] = [
      (.bogus(reason: stripped), .signaturesStripped(name, reason: stripped)),
      (.bogus(reason: changed), .answersBogus(name, reason: changed)),
      (try answer(.insecure), .unproven(name)), (.none(.insecure), .unproven(name)),
      (.noSuchName(.insecure), .unproven(name)), (.failed(reason: "timeout"), .noAnswer(name, reason: "timeout")),
    ]
    for (answer, fault) in table {
      #expect(try await verdict([ValidationProofTests.first: answer]) == .fault(fault))
      #expect(!fault.remedy.isEmpty && fault.description.contains("\(name)"))
    }
  }

  @Test("silence of one name doesn't hide what another shows")
  func silenceComesLast() async throws {
    let names = [ValidationProofTests.first, ValidationProofTests.second]
    for answers in [
      [names[0]: DNSAnswer.failed(reason: "timeout"), names[1]: try answer(.insecure)],
      [names[1]: .failed(reason: "timeout"), names[0]: try answer(.insecure)],
    ] {
      guard case .fault(.unproven) = try await verdict(secure: names, answers) else {
        Issue.record("it should be unproven")
        continue
      }
    }
  }

  @Test("an answered forgery is a fault, proven or not")
  func forgeries() async throws {
    let forged = try DomainName(ValidationProofTests.forged)
    for taken in [try answer(.insecure), try answer(.secure), .none(.insecure), .noSuchName(.insecure)] {
      #expect(
        try await verdict([
          ValidationProofTests.first: try answer(.secure), ValidationProofTests.forged: taken,
        ]) == .fault(.takesForgeries(forged)))
    }
  }

  @Test("anchors of the root's old key alone are a fault of their own")
  func outOfDate() async throws {
    let answers = [ValidationProofTests.first: DNSAnswer<IPAddress>.bogus(reason: "signature crypto failed")]
    #expect(try await verdict(answers, anchors: [RootAnchors.builtIn[0]]) == .fault(.anchorsOutOfDate))
    let other = try await verdict(answers, anchors: [RootAnchors.builtIn[1]])
    #expect(other != .fault(.anchorsOutOfDate))
  }
}
