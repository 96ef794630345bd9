import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite("The author that DMARC asks about")
struct DMARCAuthorTests {
  static let good: [(from: String, domains: [String])] = [
    ("a@example.com", ["example.com"]),
    ("A <a@Example.COM>", ["example.com"]),
    ("\"ceo@bank.example\" <a@example.com>", ["example.com"]),
    ("a@example.com (b@bank.example)", ["example.com"]),
    ("a@example.com, b@example.com", ["example.com"]),
    ("a@example.com,\r\n\tb@bank.example, c@EXAMPLE.com", ["example.com", "bank.example"]),
    ("Team: a@example.com, b@bank.example;", ["example.com", "bank.example"]),
    ("=?utf-8?q?a=40bank.example?= <a@example.com>", ["example.com"]),
    ("\"a@bank.example\\\" <x@bank.example>\" <a@example.com>", ["example.com"]),
    ("a@[192.0.2.1], b@example.com", ["example.com"]),
    ("a@bücher.example", ["xn--bcher-kva.example"]),
    ("a@bücher.example, b@XN--bcher-kva.example", ["xn--bcher-kva.example"]),
    ("a@1.example, b@2.example, c@3.example, d@4.example", ["1.example", "2.example", "3.example", "4.example"]),
  ]

  @Test(
    "DMARC-004: the author's domains are those of the From field's addresses, as A-labels, each once", arguments: good)
  func domains(_ row: (from: String, domains: [String])) throws {
    let header = try MailFixture.section("From: \(row.from)\r\nSender: x@other.example\r\n\r\n")
    #expect(try DMARCAuthors(header, converter: OneIDNA()).domains.map(\.folded) == row.domains)
  }

  static let bad: [(header: String, fault: DMARCAuthorFault)] = [
    ("To: a@example.com\r\n\r\n", .noFrom),
    ("From: a@example.com\r\nFrom: b@bank.example\r\n\r\n", .severalFields(2)),
    ("From: a@example.com\r\nfrom : a@example.com\r\n\r\n", .severalFields(2)),
    ("From: \r\n\r\n", .unreadable(.empty)),
    ("From: nobody\r\n\r\n", .unreadable(.missingDomain)),
    ("From: a@example.com b@bank.example\r\n\r\n", .unreadable(.badDomain)),
    ("From: <a@example.com\r\n\r\n", .unreadable(.unclosedAngle)),
    ("From: a@example..com\r\n\r\n", .unreadable(.badDomain)),
    ("From: undisclosed:;\r\n\r\n", .noDomain),
    ("From: a@[192.0.2.1]\r\n\r\n", .noDomain),
    ("From: a@1.example, b@2.example, c@3.example, d@4.example, e@5.example\r\n\r\n", .tooManyDomains),
  ]

  @Test(
    "DMARC-004: without one author that can be told, the result is permerror, and the message is quarantined",
    arguments: bad)
  func faults(_ row: (header: String, fault: DMARCAuthorFault)) async throws {
    let header = try MailFixture.section(row.header)
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=none"]])
    let outcome = await DMARCEvaluation(resolver: zone).evaluate(header, try .passing(spf: "example.com"))
    #expect(outcome.result == .permerror && outcome.authorFault == row.fault && outcome.requested == .none)
    #expect(zone.names.isEmpty)
    let steps = outcome.steps.map(\.text).joined(separator: "\n")
    #expect(steps.contains(row.fault.description))
    let direct = MailPath.direct
    #expect(LocalPolicy.disposition(of: outcome, path: direct, mode: .monitor) == .accept)
    guard case .quarantine = LocalPolicy.disposition(of: outcome, path: direct, mode: .enforce) else {
      Issue.record("not quarantined")
      return
    }
  }

  @Test("DMARC-004: a name with neither ASCII nor an ASCII form is asked nobody about")
  func noASCIIForm() async throws {
    let zone = try AskedZone([:])
    let outcome = try await zone.evaluate(from: "a@höhle.example", DMARCInput(spf: nil, dkim: []), converter: OneIDNA())
    #expect(outcome.authorFault == .noASCIIForm(try DomainName("höhle.example")))
    #expect(try await zone.evaluate(from: "a@höhle.example", DMARCInput(spf: nil, dkim: [])).result == .permerror)
    #expect(zone.names.isEmpty)
  }

  @Test("DMARC-005: identifiers are compared in their ASCII form too")
  func internationalIdentifier() async throws {
    let zone = try AskedZone(["xn--bcher-kva.example": ["v=DMARC1; p=reject; aspf=s"]])
    let outcome = try await zone.evaluate(
      from: "a@xn--bcher-kva.example", try .passing(spf: "bücher.example"), converter: OneIDNA())
    #expect(outcome.result == .pass)
    let other = try AskedZone(["xn--bcher-kva.example": ["v=DMARC1; p=reject"]])
    let below = try await other.evaluate(
      from: "a@xn--bcher-kva.example", try .passing(dkim: "höhle.xn--bcher-kva.example"), converter: OneIDNA())
    #expect(below.result == .fail)
    #expect(other.names.allSatisfy { name in name.utf8.allSatisfy { $0 < 0x80 } })
  }

  static let records = [
    "pass.example": ["v=DMARC1; p=reject"], "none.example": ["v=DMARC1; p=none"],
    "quarantine.example": ["v=DMARC1; p=quarantine"], "reject.example": ["v=DMARC1; p=reject"],
    "broken.example": ["v=DMARC1; p=x"],
  ]

  static let several: [(domains: [String], result: DMARCResult, decisive: String, requested: DMARCDisposition)] = [
    (["pass.example", "none.example"], .fail, "none.example", .none),
    (["none.example", "quarantine.example", "pass.example"], .fail, "quarantine.example", .quarantine),
    (["quarantine.example", "reject.example"], .fail, "reject.example", .reject),
    (["reject.example", "quarantine.example", "none.example", "pass.example"], .fail, "reject.example", .reject),
    (["pass.example", "nobody.example"], .none, "nobody.example", .none),
    (["nobody.example", "none.example"], .fail, "none.example", .none),
    (["failing.example", "reject.example"], .fail, "reject.example", .reject),
    (["quarantine.example", "failing.example"], .temperror, "failing.example", .none),
    (["pass.example", "failing.example"], .temperror, "failing.example", .none),
    (["pass.example", "broken.example"], .permerror, "broken.example", .none),
  ]

  @Test(
    "DMARC-006: of several authors each is asked about, and the strictest policy that fails decides", arguments: several
  )
  func strictest(_ row: (domains: [String], result: DMARCResult, decisive: String, requested: DMARCDisposition))
    async throws
  {
    let zone = try AskedZone(DMARCAuthorTests.records, failing: ["_dmarc.failing.example"])
    let from = row.domains.map { "a@\($0)" }.joined(separator: ", ")
    let outcome = try await zone.evaluate(from: from, try .passing(dkim: "pass.example"))
    #expect(outcome.verdicts.map(\.authorDomain.description) == row.domains)
    #expect(outcome.result == row.result)
    #expect(outcome.decisive?.authorDomain.description == row.decisive)
    #expect(outcome.requested == row.requested)
  }

  @Test(
    "DMARC-004: a From field cut off anywhere, or with any octet in it, gives a verdict, and steps that are printable")
  func hostile() async throws {
    let zone = try AskedZone(DMARCAuthorTests.records)
    let input = try DMARCInput.passing(dkim: "pass.example")
    for text in DMARCAuthorTests.good.map(\.from)
      + DMARCAuthorTests.bad.map({ String($0.header.dropFirst(6).dropLast(4)) })
    {
      let octets = Array(text.utf8)
      for place in octets.indices {
        for octet: UInt8? in [nil, 0, 0x22, 0x28, 0x2c, 0x3a, 0x3b, 0x3c, 0x40, 0x5b, 0x5c, 0x80, 0xff] {
          var changed = Array(octets[..<place])
          if let octet { changed += [octet] + octets[(place + 1)...] }
          let bytes = ByteBuffer(bytes: Array("From: ".utf8) + changed + Array("\r\n\r\n".utf8))
          guard let header = try? MailFixture.section(bytes) else { continue }
          let outcome = await DMARCEvaluation(resolver: zone, converter: OneIDNA()).evaluate(header, input)
          #expect(outcome.steps.allSatisfy { $0.text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } })
          #expect(outcome.verdicts.count <= DMARCAuthors.maximumDomains)
        }
      }
    }
  }
}
