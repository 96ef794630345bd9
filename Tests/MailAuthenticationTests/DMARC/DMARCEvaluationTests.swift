import DNSRecords
import MailAuthentication
import MailSyntax
import Testing

@Suite("DMARC's verdict on a message")
struct DMARCEvaluationTests {
  /// RFC 9989 §4.4, §B.1, §4.10.2.
  struct AlignmentRow: CustomTestStringConvertible, Sendable {
    let author: String
    let identifier: String
    var records: [String: [String]] = ["example.com": ["v=DMARC1; p=reject"]]
    let relaxed: Bool
    var strict = false
    var testDescription: String { "\(identifier) for \(author), \(records.keys.sorted())" }
  }

  static let bank = ["giant.bank.example": ["v=DMARC1; p=reject"], "bank.example": ["v=DMARC1; p=reject; psd=y"]]

  static let alignments: [AlignmentRow] = [
    AlignmentRow(author: "example.com", identifier: "example.com", relaxed: true, strict: true),
    AlignmentRow(author: "Example.COM", identifier: "eXAMPLE.com", relaxed: true, strict: true),
    AlignmentRow(author: "example.com", identifier: "child.example.com", relaxed: true),
    AlignmentRow(author: "child.example.com", identifier: "example.com", relaxed: true),
    AlignmentRow(author: "news.example.com", identifier: "foo.example.com", relaxed: true),
    AlignmentRow(author: "child.example.com", identifier: "example.net", relaxed: false),
    AlignmentRow(author: "news.example.com", identifier: "foo.example.net", relaxed: false),
    AlignmentRow(author: "example.com", identifier: "notexample.com", relaxed: false),
    AlignmentRow(author: "example.com", identifier: "example.com.example.net", relaxed: false),
    AlignmentRow(author: "example.com", identifier: "com", relaxed: false),
    // A part of the organization that says it is its own.
    AlignmentRow(
      author: "example.com", identifier: "a.mail.example.com",
      records: ["example.com": ["v=DMARC1; p=reject"], "mail.example.com": ["v=DMARC1; p=none; psd=n"]],
      relaxed: false),
    AlignmentRow(
      author: "a.mail.example.com", identifier: "b.mail.example.com",
      records: ["example.com": ["v=DMARC1; p=reject"], "mail.example.com": ["v=DMARC1; p=reject; psd=n"]],
      relaxed: true),
    // Below a public suffix.
    AlignmentRow(author: "giant.bank.example", identifier: "mail.giant.bank.example", records: bank, relaxed: true),
    AlignmentRow(author: "giant.bank.example", identifier: "mail.mega.bank.example", records: bank, relaxed: false),
    AlignmentRow(author: "giant.bank.example", identifier: "bank.example", records: bank, relaxed: false),
    AlignmentRow(author: "bank.example", identifier: "giant.bank.example", records: bank, relaxed: false),
    AlignmentRow(author: "a.new.bank.example", identifier: "b.new.bank.example", records: bank, relaxed: true),
    // Without psd=y a registry's record makes one organization of all below it: what §11.8 warns of, and psd=n mends.
    AlignmentRow(
      author: "a.test", identifier: "b.test", records: ["test": ["v=DMARC1; p=reject"]], relaxed: true),
    AlignmentRow(
      author: "a.test", identifier: "b.test",
      records: ["test": ["v=DMARC1; p=reject"], "a.test": ["v=DMARC1; p=reject; psd=n"]], relaxed: false),
  ]

  @Test(
    "DMARC-005: an identifier is aligned under relaxed and strict alignment as the table says", arguments: alignments)
  func aligns(_ row: AlignmentRow) async throws {
    for (mode, expected) in [(DMARCRecord.Alignment.relaxed, row.relaxed), (.strict, row.strict)] {
      let tags = mode == .strict ? "; adkim=s; aspf=s" : ""
      let zone = try AskedZone(row.records.mapValues { $0.map { $0 + tags } })
      for input in [try DMARCInput.passing(spf: row.identifier), try DMARCInput.passing(dkim: row.identifier)] {
        let outcome = try await zone.evaluate(row.author, input)
        #expect(outcome.result == (expected ? .pass : .fail))
        #expect(outcome.decisive?.alignments.map(\.standing) == [expected ? .aligned : .notAligned])
        #expect(outcome.decisive?.alignments.map(\.mode) == [mode])
      }
    }
  }

  @Test("DMARC-005: either of SPF and DKIM is enough, each under its own mode, and only what passed counts")
  func eitherIsEnough() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject; adkim=s"]])
    func result(spf: (String, Bool)?, dkim: [(String, Bool)]) async throws -> DMARCOutcome {
      var input = DMARCInput(spf: nil, dkim: [])
      var signatures: [DMARCInput.DKIM] = []
      for (domain, passed) in dkim { signatures.append(.init(domain: try DomainName(domain), passed: passed)) }
      input = DMARCInput(
        spf: try spf.map { .init(domain: try DomainName($0.0), passed: $0.1) }, dkim: signatures)
      return try await zone.evaluate("example.com", input)
    }
    #expect(try await result(spf: nil, dkim: []).result == .fail)
    #expect(try await result(spf: ("example.com", false), dkim: [("example.com", false)]).result == .fail)
    #expect(try await result(spf: ("a.example.com", true), dkim: [("example.com", false)]).result == .pass)
    #expect(try await result(spf: ("example.net", true), dkim: [("a.example.com", true)]).result == .fail)
    let outcome = try await result(
      spf: ("list.example", true), dkim: [("list.example", true), ("example.com", false), ("example.com", true)])
    #expect(outcome.result == .pass)
    #expect(
      outcome.decisive?.alignments.map(\.standing) == [.notAligned, .notAligned, .notAuthenticated, .aligned])
    #expect(outcome.decisive?.alignments.map(\.mechanism) == [.spf, .dkim, .dkim, .dkim])
    #expect(outcome.decisive?.alignments.map(\.mode) == [.relaxed, .strict, .strict, .strict])
  }

  @Test("DMARC-001: the example of RFC 9989 §B.4.1 passes, and no name is asked for twice")
  func simpleExample() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject"], "signing.example.com": ["v=DMARC1; p=none"]])
    let outcome = try await zone.evaluate(
      "example.com", try .passing(spf: "example.com", dkim: "signing.example.com"))
    #expect(outcome.result == .pass && outcome.requested == .none)
    #expect(zone.names == ["_dmarc.example.com", "_dmarc.com", "_dmarc.signing.example.com"])
    #expect(outcome.decisive?.organizationalDomain?.description == "example.com")
    #expect(outcome.decisive?.alignments.map(\.standing) == [.aligned, .aligned])
  }

  @Test("DMARC-001: the example of RFC 9989 §B.4.2 asks for the names it lists, and no others")
  func deepExample() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject"], "signing.example.com": ["v=DMARC1; p=none"]])
    let outcome = try await zone.evaluate(
      "a.b.c.d.e.f.g.h.i.j.k.example.com", try .passing(spf: "example.com", dkim: "signing.example.com"))
    #expect(outcome.result == .pass && outcome.decisive?.policyDomain?.description == "example.com")
    #expect(
      zone.names == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.k.example.com", "_dmarc.g.h.i.j.k.example.com", "_dmarc.h.i.j.k.example.com",
        "_dmarc.i.j.k.example.com", "_dmarc.j.k.example.com", "_dmarc.k.example.com", "_dmarc.example.com",
        "_dmarc.com", "_dmarc.signing.example.com",
      ])
  }

  @Test(
    "DMARC-001: in the example of RFC 9989 §B.4.3 SPF is aligned and DKIM, of another customer of the suffix, is not")
  func suffixExample() async throws {
    let zone = try AskedZone(DMARCEvaluationTests.bank)
    let outcome = try await zone.evaluate(
      "giant.bank.example", try .passing(spf: "mail.giant.bank.example", dkim: "mail.mega.bank.example"))
    #expect(outcome.result == .pass)
    #expect(outcome.decisive?.alignments.map(\.standing) == [.aligned, .notAligned])
    #expect(outcome.decisive?.organizationalDomain?.description == "giant.bank.example")
    // What isn't below the author's organization can't have it for its own, and is not asked about.
    #expect(
      zone.names == ["_dmarc.giant.bank.example", "_dmarc.bank.example", "_dmarc.mail.giant.bank.example"])
  }

  @Test("DMARC-001: where the names are the same, strict, or have no end in common, no walk is made")
  func noNeedlessWalk() async throws {
    for (record, identifier) in [
      ("v=DMARC1; p=reject", "a.example.com"), ("v=DMARC1; p=reject; adkim=s", "b.example.com"),
      ("v=DMARC1; p=reject", "example.net"),
    ] {
      let zone = try AskedZone(["a.example.com": [record]])
      let outcome = try await zone.evaluate("a.example.com", try .passing(dkim: identifier))
      #expect(zone.names == ["_dmarc.a.example.com"])
      #expect(outcome.decisive?.organizationalDomain == nil)
    }
  }

  struct PolicyRow: CustomTestStringConvertible, Sendable {
    let author: String
    let record: String
    var at = "example.com"
    var exists = true
    let requested: DMARCDisposition
    var testDescription: String { "\(author) (\(exists)), \(record) at \(at)" }
  }

  static let policies: [PolicyRow] = [
    PolicyRow(author: "example.com", record: "p=reject; sp=none; np=quarantine", requested: .reject),
    PolicyRow(author: "example.com", record: "p=reject; sp=none; np=quarantine", exists: false, requested: .reject),
    PolicyRow(author: "a.example.com", record: "p=none; sp=quarantine; np=reject", requested: .quarantine),
    PolicyRow(author: "a.example.com", record: "p=none; sp=quarantine; np=reject", exists: false, requested: .reject),
    PolicyRow(author: "a.example.com", record: "p=reject; sp=quarantine", exists: false, requested: .quarantine),
    PolicyRow(author: "a.example.com", record: "p=reject; np=none", requested: .reject),
    PolicyRow(author: "a.example.com", record: "p=reject; np=none", exists: false, requested: .none),
    PolicyRow(author: "a.example.com", record: "p=reject", exists: false, requested: .reject),
    // sp of a sub-domain's own record says nothing of that domain.
    PolicyRow(author: "a.example.com", record: "p=quarantine; sp=reject", at: "a.example.com", requested: .quarantine),
    // The public suffix's record, for a registered domain that has none.
    PolicyRow(author: "a.test", record: "p=none; sp=quarantine; np=reject; psd=y", at: "test", requested: .quarantine),
    PolicyRow(
      author: "a.test", record: "p=none; sp=quarantine; np=reject; psd=y", at: "test", exists: false,
      requested: .reject),
    // t=y: one level lower, whichever tag it came from.
    PolicyRow(author: "example.com", record: "p=reject; t=y", requested: .quarantine),
    PolicyRow(author: "example.com", record: "p=quarantine; t=y", requested: .none),
    PolicyRow(author: "example.com", record: "p=none; t=y", requested: .none),
    PolicyRow(author: "example.com", record: "p=reject; t=n", requested: .reject),
    PolicyRow(author: "a.example.com", record: "p=none; sp=reject; t=y", requested: .quarantine),
    PolicyRow(author: "a.example.com", record: "p=none; np=reject; t=y", exists: false, requested: .quarantine),
    // pct is gone.
    PolicyRow(author: "example.com", record: "p=reject; pct=0", requested: .reject),
    PolicyRow(author: "example.com", record: "p=reject; pct=50", requested: .reject),
    PolicyRow(author: "example.com", record: "p=quarantine; pct=1", requested: .quarantine),
    // Not to be understood, and somebody to tell.
    PolicyRow(author: "example.com", record: "p=rejected; rua=mailto:a@example.com", requested: .none),
    PolicyRow(author: "a.example.com", record: "p=reject; sp=x; rua=mailto:a@example.com", requested: .none),
  ]

  @Test(
    "DMARC-003, DMARC-004: p, sp or np is chosen by where the record stands and whether the domain exists",
    arguments: policies)
  func requests(_ row: PolicyRow) async throws {
    let zone = try AskedZone([row.at: ["v=DMARC1; \(row.record)"]], present: row.exists ? [row.author] : [])
    let outcome = try await zone.evaluate(row.author, DMARCInput(spf: nil, dkim: []))
    #expect(outcome.result == .fail)
    #expect(outcome.requested == row.requested)
    #expect(outcome.decisive?.policyDomain?.description == row.at)
    #expect(!outcome.steps.isEmpty && outcome.steps.allSatisfy { $0.source.hasPrefix("RFC ") })
  }

  @Test("DMARC-004: a record without a policy, and without an address to tell, isn't applied, nor is its parent's")
  func unusable() async throws {
    let zone = try AskedZone(["a.example.com": ["v=DMARC1; p=rejct"], "example.com": ["v=DMARC1; p=reject"]])
    let outcome = try await zone.evaluate("a.example.com", DMARCInput(spf: nil, dkim: []))
    #expect(outcome.result == .permerror && outcome.requested == .none && outcome.authorFault == nil)
    #expect(LocalPolicy.disposition(of: outcome, path: .direct, mode: .enforce) == .accept)
    #expect(zone.names == ["_dmarc.a.example.com"])
  }

  @Test("DMARC-002, DMARC-004: without a record, or with several, DMARC doesn't apply")
  func noRecord() async throws {
    for records in [[:], ["example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=reject"]], ["example.com": ["v=spf1"]]] {
      let outcome = try await AskedZone(records).evaluate("example.com", try .passing(spf: "example.com"))
      #expect(outcome.result == .none && outcome.decisive?.record == nil)
    }
  }

  struct FailureRow: CustomTestStringConvertible, Sendable {
    let failing: [String]
    var author = "a.example.com"
    var spf = "b.example.com"
    var record = "v=DMARC1; p=reject"
    let result: DMARCResult
    var testDescription: String { "\(failing), \(author), \(spf)" }
  }

  static let failures: [FailureRow] = [
    FailureRow(failing: ["_dmarc.a.example.com"], result: .temperror),
    FailureRow(failing: ["_dmarc.example.com"], result: .temperror),
    FailureRow(failing: ["_dmarc.com"], result: .temperror),
    FailureRow(failing: ["_dmarc.b.example.com"], result: .temperror),
    // Of names nobody needs, nobody asks.
    FailureRow(
      failing: ["_dmarc.com", "_dmarc.example.net"], author: "example.com", spf: "example.com", result: .pass),
    FailureRow(failing: ["_dmarc.example.net"], spf: "example.net", result: .fail),
    // np and sp differ, and nobody can say which of them it is.
    FailureRow(
      failing: ["a.example.com"], spf: "example.net", record: "v=DMARC1; p=none; np=reject", result: .temperror),
    FailureRow(failing: ["a.example.com"], record: "v=DMARC1; p=none; np=reject", result: .pass),
  ]

  @Test(
    "DMARC-004, DMARC-007: where a query that counts fails, or its answer is bogus, the result is temperror",
    arguments: failures)
  func failingQueries(_ row: FailureRow) async throws {
    for isBogus in [false, true] {
      let zone = try AskedZone(
        ["example.com": [row.record]], failing: isBogus ? [] : row.failing, bogus: isBogus ? row.failing : [])
      let outcome = try await zone.evaluate(row.author, try .passing(spf: row.spf))
      #expect(outcome.result == row.result)
      #expect(outcome.requested == (row.result == .fail ? .reject : .none))
    }
  }

  @Test(
    "DMARC-004: SPF or DKIM without an answer for now is a temperror where it could have been aligned, else nothing")
  func temporaryIdentifiers() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject"]])
    for (domain, result) in [
      ("example.com", DMARCResult.temperror), ("b.example.com", .temperror), ("example.net", .fail),
    ] {
      let name = try DomainName(domain)
      let spf = DMARCInput(spf: .init(domain: name, passed: false, isTemporaryError: true), dkim: [])
      let dkim = DMARCInput(spf: nil, dkim: [.init(domain: name, passed: false, isTemporaryError: true)])
      #expect(try await zone.evaluate("example.com", spf).result == result)
      #expect(try await zone.evaluate("example.com", dkim).result == result)
      let both = DMARCInput(
        spf: .init(domain: try DomainName("example.com"), passed: true),
        dkim: [.init(domain: name, passed: false, isTemporaryError: true)])
      #expect(try await zone.evaluate("example.com", both).result == .pass)
    }
  }

  @Test("DMARC-001: many signatures of many domains ask for a bounded number of names")
  func boundedQueries() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject"]])
    var signatures: [DMARCInput.DKIM] = []
    for number in 0..<200 {
      signatures.append(.init(domain: try DomainName("z.y.x.w.v.u\(number).evil.example.com"), passed: true))
    }
    let relaxed = try await zone.evaluate("example.com", DMARCInput(spf: nil, dkim: signatures))
    #expect(relaxed.result == .pass, "they are all below the author's organization")
    #expect(relaxed.decisive?.alignments.count == DMARCEvaluation.maximumIdentifiers)
    #expect(zone.names.count <= 60 && Set(zone.names).count == zone.names.count)
    #expect(relaxed.decisive?.alignments.last?.standing == .notEvaluated)
  }

  @Test("RFC 9989 §11.5: one author's signatures use up none of the look-ups for another's policy")
  func lookUpsOfEach() async throws {
    let zone = try AskedZone([
      "attacker.test": ["v=DMARC1; p=none"], "bank.example": ["v=DMARC1; p=reject"],
    ])
    var signatures: [DMARCInput.DKIM] = []
    for number in 0..<16 {
      signatures.append(.init(domain: try DomainName("z.y.x.w.v.u\(number).attacker.test"), passed: true))
    }
    let outcome = try await zone.evaluate(
      from: "a@attacker.test, ceo@bank.example", DMARCInput(spf: nil, dkim: signatures))
    #expect(outcome.result == .fail && outcome.requested == .reject)
    #expect(outcome.decisive?.authorDomain == (try DomainName("bank.example")))
  }
}
