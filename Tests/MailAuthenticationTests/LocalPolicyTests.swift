import MailAuthentication
import MailSyntax
import Testing

@Suite("What is done with a message after DMARC")
struct LocalPolicyTests {
  enum Done: String, Sendable { case accept, quarantine, reject, tryLater }

  static func done(_ disposition: LocalPolicy.Disposition) -> Done {
    switch disposition {
    case .accept: .accept
    case .quarantine: .quarantine
    case .reject: .reject
    case .tryLater: .tryLater
    }
  }

  static let direct = MailPath.direct
  static let indirect = MailPath.indirect(because: "a list sent it on")

  static let rows: [(record: String, passes: Bool, path: MailPath, done: Done)] = [
    ("v=DMARC1; p=reject", true, direct, .accept),
    ("v=DMARC1; p=reject", false, direct, .reject),
    ("v=DMARC1; p=reject", false, indirect, .quarantine),
    ("v=DMARC1; p=reject; t=y", false, direct, .quarantine),
    ("v=DMARC1; p=quarantine", false, direct, .quarantine),
    ("v=DMARC1; p=quarantine", false, indirect, .quarantine),
    ("v=DMARC1; p=quarantine; t=y", false, direct, .accept),
    ("v=DMARC1; p=none", false, direct, .accept),
    ("v=spf1 -all", false, direct, .accept),
  ]

  @Test("DMARC-006: p=reject alone refuses nothing, p=none changes nothing, and to monitor is to look", arguments: rows)
  func table(_ row: (record: String, passes: Bool, path: MailPath, done: Done)) async throws {
    let zone = try AskedZone(["example.com": [row.record]])
    let outcome = try await zone.evaluate("example.com", try .passing(spf: row.passes ? "example.com" : "example.net"))
    let policy = LocalPolicy.disposition(of: outcome, path: row.path, mode: .enforce)
    #expect(LocalPolicyTests.done(policy) == row.done)
    #expect(LocalPolicy.disposition(of: outcome, path: row.path, mode: .monitor) == .accept)
  }

  @Test("DMARC-007: a refusal is 550 5.7.1 and names DMARC and the domain")
  func refusal() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject"]])
    let outcome = try await zone.evaluate("example.com", DMARCInput(spf: nil, dkim: []))
    let policy = LocalPolicy.disposition(of: outcome, path: LocalPolicyTests.direct, mode: .enforce)
    guard case .reject(let reply) = policy else {
      Issue.record("not refused")
      return
    }
    #expect(reply.code == ReplyCode(550) && reply.status == EnhancedStatusCode(.permanent, 7, 1))
    #expect(reply.lines == ["Message rejected per DMARC policy for example.com"])
  }

  @Test("DMARC-007: without an answer of the DNS the sender is asked to come again, by a 4xy")
  func deferral() async throws {
    let zone = try AskedZone([:], failing: ["_dmarc.example.com"])
    let outcome = try await zone.evaluate("example.com", try .passing(spf: "example.com"))
    let policy = LocalPolicy.disposition(of: outcome, path: .direct, mode: .enforce)
    guard case .tryLater(let reply) = policy else {
      Issue.record("not deferred")
      return
    }
    #expect(reply.code == ReplyCode(451) && reply.status == EnhancedStatusCode(.persistentTransient, 4, 3))
    #expect(reply.lines[0].contains("DMARC") && reply.lines[0].contains("example.com"))
    #expect(LocalPolicy.disposition(of: outcome, path: .direct, mode: .monitor) == .accept)
  }

  static let paths: [(header: String, isIndirect: Bool)] = [
    ("From: a@example.com\r\n\r\n", false),
    ("From: a@example.com\r\nList-Id: <list.example.org>\r\n\r\n", true),
    ("LIST-POST: <mailto:list@example.org>\r\nFrom: a@example.com\r\n\r\n", true),
    ("From: a@example.com\r\nList-Unsubscribe: <mailto:u@example.com>\r\n\r\n", false),
    ("Resent-From: b@example.org\r\nFrom: a@example.com\r\n\r\n", true),
  ]

  @Test(
    "DMARC-006: mail that says that a list or somebody sent it on is quarantined and not refused",
    arguments: paths)
  func path(_ row: (header: String, isIndirect: Bool)) async throws {
    let header = try MailFixture.section(row.header)
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject"]])
    let outcome = await DMARCEvaluation(resolver: zone).evaluate(header, DMARCInput(spf: nil, dkim: []))
    let path = MailPath(header)
    let policy = LocalPolicy.disposition(of: outcome, path: path, mode: .enforce)
    #expect(LocalPolicyTests.done(policy) == (row.isIndirect ? .quarantine : .reject))
  }
}

extension LocalPolicy {
  /// Of a message that SPF and signatures say nothing of beside DMARC.
  static func disposition(of outcome: DMARCOutcome, path: MailPath, mode: Mode) -> Disposition {
    disposition(spf: nil, dkim: [], dmarc: outcome, path: path, client: .v4(0xc000_0201), mode: mode)
  }
}
