import DNSRecords
import MailAuthentication
import MailSyntax
import Testing

/// What the published suite of RFC 7208 leaves open; that suite is run whole beside these.
@Suite("SPF")
struct SPFCheckTests {
  @Test("SPF-001: the null reverse path asks about the greeting, and a literal there has no record")
  func nullPath() async throws {
    let stage = try SPFStage(
      "mail.example.org TXT \"v=spf1 exists:%{l}.%{o} -all\"\npostmaster.mail.example.org A 127.0.0.2")
    let outcome = try await stage.outcome(of: "")
    #expect(outcome.result == .pass && outcome.domain == "mail.example.org")
    #expect(try await stage.outcome(of: "", helo: "[192.0.2.3]").result == .none)
    #expect(try await stage.outcome(of: "", helo: "mail").result == .none)
  }

  @Test("SPF-002: ten terms look something up and the eleventh is one too many, in all records together")
  func lookUps() async throws {
    func zone(_ count: Int) -> String {
      let terms = (0..<count).map { "\" include:i\($0).example.org\"" }.joined(separator: " ")
      return "example.org TXT \"v=spf1\" \(terms) \" -all\"\n"
        + (0..<count).map { "i\($0).example.org TXT \"v=spf1 ?all\"" }.joined(separator: "\n")
    }
    #expect(try await SPFStage(zone(10)).outcome().result == .fail)
    let outcome = try await SPFStage(zone(11)).outcome()
    #expect(outcome.result == .permerror && outcome.problem?.contains("more than 10") == true)
  }

  @Test(
    "SPF-002: a record that includes itself, and two that lead to each other, come to an end",
    arguments: ["include:", "redirect="])
  func loops(_ term: String) async throws {
    let stage = try SPFStage("example.org TXT \"v=spf1 \(term)b.example\"\nb.example TXT \"v=spf1 \(term)example.org\"")
    #expect(try await stage.outcome().result == .permerror)
    #expect(stage.questions.count == 11)
  }

  @Test("SPF-002: two look-ups may find nothing, and the third is one too many")
  func voidLookUps() async throws {
    let there = "there.example.org A 198.51.100.1\n"
    let two = try SPFStage(there + "example.org TXT \"v=spf1 a:n1.example a:n2.example a:there.example.org -all\"")
    #expect(try await two.outcome().result == .fail)
    let three = try SPFStage(there + "example.org TXT \"v=spf1 a:n1.example exists:n2.example mx:n3.example +all\"")
    #expect(try await three.outcome().result == .permerror)
  }

  @Test("SPF-002: ten exchangers are looked at, eleven are an error; of the client's names ten count")
  func manyNames() async throws {
    func zone(_ count: Int) -> String {
      (0..<count).map { "example.org MX 10 m\($0).example.org\nm\($0).example.org A 198.51.100.\($0)\n" }.joined()
        + "example.org TXT \"v=spf1 mx -all\"\n"
    }
    #expect(try await SPFStage(zone(10)).outcome(from: "198.51.100.9").result == .pass)
    #expect(try await SPFStage(zone(11)).outcome(from: "198.51.100.10").result == .permerror)

    let names = (0..<30).map { "3.2.0.192.in-addr.arpa PTR h\($0).example.org\n" }.joined()
    let stage = try SPFStage(names + "h20.example.org A 192.0.2.3\nexample.org TXT \"v=spf1 ptr -all\"")
    #expect(try await stage.outcome().result == .fail)
    #expect(stage.questions.filter { $0.hasPrefix("A ") }.count == 10)
  }

  @Test("the client's names are looked up once, and a failure among them makes them fewer")
  func pointers() async throws {
    let stage = try SPFStage(
      """
      3.2.0.192.in-addr.arpa PTR broken.example.org
      3.2.0.192.in-addr.arpa PTR liar.example.org
      3.2.0.192.in-addr.arpa PTR out.example.org
      liar.example.org A 198.51.100.1
      out.example.org A 192.0.2.3
      example.org TXT "v=spf1 ptr:other.example exists:%{p}.seen.example ptr -all"
      """, failing: ["broken.example.org"])
    let outcome = try await stage.outcome()
    #expect(outcome.result == .pass && outcome.directive == "ptr")
    #expect(stage.questions.filter { $0.hasPrefix("PTR") }.count == 1)
    #expect(stage.questions.contains("A out.example.org.seen.example"))
  }

  @Test("SPF-004: a check that takes longer than its time ends, and begins no more look-ups")
  func time() async throws {
    let zone =
      "example.org TXT \"v=spf1 a:a.example.org a:b.example.org a:c.example.org -all\"\n"
      + "abc".map { "\($0).example.org A 198.51.100.1\n" }.joined()
    #expect(try await SPFStage(zone, each: .seconds(4)).outcome().result == .fail)
    let slow = try SPFStage(zone, each: .seconds(8))
    #expect(try await slow.outcome().result == .temperror)
    #expect(slow.questions.count == 3)

    // The names of an address are looked up one by one, too.
    let names = (0..<10).map { "h\($0).other.example" }
    let pointers =
      "example.org TXT \"v=spf1 ptr -all\"\n"
      + names.map { "3.2.0.192.in-addr.arpa PTR \($0)\n\($0) A 192.0.2.3\n" }.joined()
    let named = try SPFStage(pointers, each: .seconds(6))
    #expect(try await named.outcome().result == .temperror)
    #expect(named.questions.count <= 5)
  }

  @Test(
    "what fails to be looked up is a temporary error, and the name is said",
    arguments: ["example.org", "a.example.org"])
  func failures(_ name: String) async throws {
    var zone = "a.example.org A 192.0.2.3\nexample.org TXT \"v=spf1 a:a.example.org -all\""
    zone = zone.split(separator: "\n").filter { !$0.hasPrefix(name + " ") }.joined(separator: "\n")
    let outcome = try await SPFStage(zone, failing: [name]).outcome()
    #expect(outcome.result == .temperror && outcome.problem?.hasPrefix(name) == true)
  }

  @Test("SPF-003: of two records neither counts, beside others that are none of SPF's")
  func severalRecords() async throws {
    let one = "example.org TXT \"v=spf1 -all\"\nexample.org TXT hello\nexample.org TXT v=spf10\n"
    #expect(try await SPFStage(one).outcome().result == .fail)
    #expect(try await SPFStage(one + "example.org TXT \"v=spf1 +all\"").outcome().result == .permerror)
  }

  @Test("an IPv4 client in its IPv6 form is an IPv4 client")
  func mapped() async throws {
    let stage = try SPFStage("example.org TXT \"v=spf1 ip4:192.0.2.3 -all\"")
    #expect(try await stage.outcome(from: "::ffff:192.0.2.3").result == .pass)
  }

  @Test("RFC 8616 §4: with a local part outside ASCII a term that has it in its name never matches")
  func internationalLocalPart() async throws {
    let stage = try SPFStage("example.org TXT \"v=spf1 exists:%{l}.example.org a:%{d} -all\"\nexample.org A 192.0.2.3")
    let outcome = try await stage.outcome(of: "pelé@example.org")
    #expect(outcome.result == .pass && outcome.directive == "a:%{d}")
    #expect(!stage.questions.contains { $0.contains("pel") })
  }

  @Test("a domain outside ASCII is asked for by its A-labels")
  func internationalDomain() async throws {
    let stage = try SPFStage("xn--bcher-kva.example TXT \"v=spf1 ip4:192.0.2.3 -all\"")
    #expect(try await stage.outcome(of: "joe@bücher.example", converter: OneName()).result == .pass)
  }

  private struct OneName: IDNAConverter {
    func asciiForm(of name: DomainName) -> DomainName? {
      name.description == "bücher.example" ? try? DomainName("xn--bcher-kva.example") : nil
    }
  }

  @Test("what a domain has to say is its own record's, of ASCII, bounded, and nothing where anything is wrong")
  func explanations() async throws {
    let good = try SPFStage(
      "example.org TXT \"v=spf1 -all exp=e.example.org\"\ne.example.org TXT \"%{i} is not one of %{d}'s, says %{r}\"")
    #expect(try await good.outcome().explanation == "192.0.2.3 is not one of example.org's, says mx.example.net")
    let long = (0..<8).map { _ in "\"" + String(repeating: "x", count: 200) + "\"" }.joined(separator: " ")
    let stage = try SPFStage("example.org TXT \"v=spf1 -all exp=e.example.org\"\ne.example.org TXT \(long)")
    #expect(try await stage.outcome().explanation?.unicodeScalars.count == 401)
    for text in ["\"a\\010b\"", "\"a\\200b\"", "\"%{x}\"", "\"a\"\ne.example.org TXT \"b\""] {
      let stage = try SPFStage("example.org TXT \"v=spf1 -all exp=e.example.org\"\ne.example.org TXT \(text)")
      let outcome = try await stage.outcome()
      #expect(outcome.result == .fail && outcome.explanation == nil, "\(text)")
    }
  }

  @Test("the steps tell the way to the verdict, deeper within another's record, each with its section")
  func steps() async throws {
    let stage = try SPFStage(
      "example.org TXT \"v=spf1 include:b.example ip4:192.0.2.0/24 -all\"\nb.example TXT \"v=spf1 ip4:198.51.100.0/24 -all\""
    )
    let outcome = try await stage.outcome()
    #expect(
      outcome.steps.map { "\($0.depth) \($0.text) \($0.source)" } == [
        "0 example.org: v=spf1 include:b.example ip4:192.0.2.0/24 -all RFC 7208 §4.5",
        "0 include:b.example: what does the record of b.example say? RFC 7208 §5.2",
        "1 b.example: v=spf1 ip4:198.51.100.0/24 -all RFC 7208 §4.5",
        "1 ip4:198.51.100.0/24: 192.0.2.3 is not in it: no match RFC 7208 §5.6",
        "1 -all: everybody: fail RFC 7208 §5.1",
        "0 include:b.example: it says fail: no match RFC 7208 §5.2",
        "0 ip4:192.0.2.0/24: 192.0.2.3 is in it: pass RFC 7208 §5.6",
      ])
  }

  @Test("a story has no more steps than its bound, whatever the record")
  func manySteps() async throws {
    let strings = (0..<400).map { _ in "\" ip4:198.51.100.1\"" }.joined(separator: " ")
    let stage = try SPFStage("example.org TXT \"v=spf1\" \(strings) \" -all\"")
    let outcome = try await stage.outcome()
    #expect(outcome.result == .fail && outcome.steps.count == 200)
  }
}
