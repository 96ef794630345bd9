import ControlPlane
import MailSyntax
import Relay
import Testing

@testable import martlet

@Suite("What came in whose name, in words")
struct AuthResultsTests {
  private func facts(
    _ count: Int, _ domain: String = "example.org", as author: String? = nil, policy: String = "v=DMARC1; p=reject",
    from client: String = "192.0.2.1", spf: String = "pass example.org", dkim: String = "pass example.org/s1",
    isAligned: (Bool, Bool) = (true, true), _ disposition: AuthenticationRecord.Disposition = .none,
    override: String = ""
  ) throws -> AuthenticationFacts {
    AuthenticationFacts(
      CountedRecord(
        record: AuthenticationRecord(
          day: 20_780, policyDomain: try DomainName(domain), policy: policy,
          authorDomain: try DomainName(author ?? domain), client: try #require(IPAddress(client)),
          reversePathDomain: "example.org", spf: spf, dkim: dkim, isSPFAligned: isAligned.0,
          isDKIMAligned: isAligned.1, disposition: disposition, override: override), count: count))
  }

  private func results(_ facts: [AuthenticationFacts]) -> AuthResults {
    AuthResults(day: UTCDay(number: 20_780), facts: facts)
  }

  @Test("of all domains a line each, whose sums are by what was done")
  func table() throws {
    let results = results([
      try facts(400), try facts(3, from: "2001:db8::1", isAligned: (false, true)),
      try facts(12, spf: "fail example.org", dkim: "", isAligned: (false, false), .reject),
      try facts(
        1, "a-name-that-is-far-too-long-for-one-line.example.net", spf: "none x.example", dkim: "",
        isAligned: (false, false), .quarantine),
      try facts(2, "b.example", spf: "none x.example", dkim: "", isAligned: (false, false)),
      try facts(
        1, "b.example", spf: "none x.example", dkim: "", isAligned: (false, false),
        override: "local_policy: mail is only watched here"),
    ])
    #expect(
      results.lines(of: nil) == [
        "MESSAGES  PASSED REFUSED  MARKED  LET IN  P=NONE  DOMAIN, 2026-11-23 (UTC)",
        "       1       0       0       1       0       0  a-name-that-is-far-too-long-f…",
        "       3       0       0       0       1       2  b.example",
        "     415     403      12       0       0       0  example.org",
      ])
  }

  @Test("of one domain from where and by what, by each policy it had that day")
  func story() throws {
    let results = results([
      try facts(400, isAligned: (true, false)),
      try facts(
        12, as: "news.example.org", from: "203.0.113.7", spf: "softfail bounces.example.org",
        dkim: "fail example.org\npass list.example/2026", isAligned: (false, false),
        override: "local_policy: mail is only watched here"),
      try facts(1, policy: "v=DMARC1; p=none", spf: "none example.org", dkim: "", isAligned: (false, false)),
      try facts(1, policy: "v=DMARC1; p=none", isAligned: (false, true)),
    ])
    #expect(
      results.lines(of: try DomainName("example.org")) == [
        "example.org, 2026-11-23 (UTC): 2 messages, 1 passed, 1 p=none",
        "  v=DMARC1; p=none",
        "       1  p=none   192.0.2.1",
        "                   SPF none example.org; DKIM none; aligned: neither",
        "       1  passed   192.0.2.1",
        "                   SPF pass example.org; DKIM pass example.org/s1; aligned: DKIM",
        "",
        "example.org, 2026-11-23 (UTC): 412 messages, 400 passed, 12 let in",
        "  v=DMARC1; p=reject",
        "     400  passed   192.0.2.1",
        "                   SPF pass example.org; DKIM pass example.org/s1; aligned: SPF",
        "      12  let in   203.0.113.7 as news.example.org",
        "                   SPF softfail bounces.example.org; DKIM fail example.org, pass",
        "                   list.example/2026; aligned: neither; not as the policy asks",
        "                   (local_policy: mail is only watched here)",
      ])
  }

  @Test("what nobody sent is said as that, and what a record says can't steer the terminal")
  func edges() throws {
    let nothing = results([])
    #expect(nothing.lines(of: nil) == ["Nothing came in a name under a DMARC policy on 2026-11-23 (UTC)."])
    #expect(
      nothing.lines(of: try DomainName("a.example")) == [
        "Nothing came in the name of a.example under a DMARC policy on 2026-11-23 (UTC)."
      ])
    let lines = results([try facts(1, policy: "v=DMARC1;\u{1b}[31m p=none")]).lines(of: try DomainName("example.org"))
    #expect(lines[1] == "  v=DMARC1;<U+001B>[31m p=none")
  }

  @Test(
    "a day is written one way", arguments: ["2026-11-23", "1970-01-01", "2024-02-29"])
  func day(_ text: String) throws { #expect(UTCDay(text)?.description == text) }

  @Test(
    "what is no day is refused",
    arguments: ["2026-02-29", "26-11-23", "2026-11-23T00:00Z", "yesterday", "", "2026-13-01", "2026/11/23"])
  func noDay(_ text: String) { #expect(UTCDay(text) == nil) }
}
