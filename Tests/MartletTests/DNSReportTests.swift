import ArgumentParser
import DNSRecords
import MailSyntax
import Testing

@testable import martlet

/// Gives one answer to each type of question.
private struct FixedResolver: Resolver {
  var exchangers: DNSAnswer<MailExchanger> = .none(.insecure)
  var addresses: DNSAnswer<IPAddress> = .none(.insecure)
  var texts: DNSAnswer<[UInt8]> = .none(.insecure)
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { exchangers }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> { addresses }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { texts }
}

@Suite("dns")
struct DNSReportTests {
  private let name: DomainName
  init() throws { name = try DomainName("example.org") }

  private func report(
    _ exchangers: DNSAnswer<MailExchanger>
  ) async -> DNSReport { await DNSReport(of: name, .mx, by: FixedResolver(exchangers: exchangers)) }

  private func set<Record>(_ records: [Record], at canonical: String) throws -> DNSAnswer<Record> {
    .records(
      DNSRecordSet(
        records: records, canonicalName: try DomainName(canonical), security: .secure, timeToLive: .seconds(300)))
  }

  @Test("tells the records by preference, their state, the alias and the TTL")
  func records() async throws {
    let report = await report(
      try set(
        [
          MailExchanger(preference: 20, exchange: .host(try DomainName("b.example.net"))),
          MailExchanger(preference: 5, exchange: .unusable("192.0.2.1")),
        ], at: "example.net"))
    #expect(report.exitCode == .success)
    #expect(
      report.lines == [
        "example.org MX: 2 records, secure", "  5 192.0.2.1", "  20 b.example.net", "It is an alias of example.net.",
        "It may be kept for 300 s.",
      ])
    #expect(
      try QueueText.json(report)
        == #"{"answer":"records","canonicalName":"example.net","name":"example.org","records":"#
        + #"[{"exchange":"192.0.2.1","preference":5},{"exchange":"b.example.net","preference":20}],"#
        + #""security":"secure","timeToLiveSeconds":300,"type":"MX"}"#)
  }

  @Test("a text's control characters don't reach the terminal")
  func text() async throws {
    let resolver = FixedResolver(texts: try set([Array("v=spf1\u{1b}[2J\n-all".utf8)], at: "example.org"))
    let report = await DNSReport(of: name, .txt, by: resolver)
    #expect(report.lines[1] == "  v=spf1<U+001B>[2J<U+000A>-all")
  }

  /// SMTP-048, DANE-001: five ends, five codes.
  @Test("each end has its words and its code")
  func ends() async {
    let table: [(DNSAnswer<MailExchanger>, String, Int32)] = [
      (.none(.secure), "example.org MX: no such record, secure", 68),
      (.noSuchName(.insecure), "example.org: no such name, insecure", 68),
      (.failed(reason: "SERVFAIL"), "example.org MX: no answer: SERVFAIL", 75),
      (.bogus(reason: "expired"), "example.org MX: bogus: expired", 65),
    ]
    for (answer, line, code) in table {
      let report = await report(answer)
      #expect(report.lines == [line])
      #expect(report.exitCode.rawValue == code)
    }
  }

  @Test(
    "what can't be asked is refused before anything is",
    arguments: [
      (["a..b"], "a..b"), (["example.org", "--type", "ns"], "--type"),
      (["example.org", "--server", "ns1"], "--server"),
      (["example.org", "--config", "m.yaml", "--server", "192.0.2.1"], "--config"),
      (["example.org", "--timeout", "0"], "--timeout"),
    ])
  func refused(_ arguments: [String], _ words: String) {
    let error = #expect(throws: (any Error).self) { try DNSCommand.parseAsRoot(arguments) }
    guard let error else { return }
    #expect(DNSCommand.exitCode(for: error) == .validationFailure)
    #expect(DNSCommand.fullMessage(for: error).contains(words))
  }
}
