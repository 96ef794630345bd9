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
  var tlsa: DNSAnswer<TLSARecord> = .none(.insecure)
  var alias: DNSAnswer<DomainName> = .none(.insecure)
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { exchangers }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> { addresses }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { texts }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { tlsa }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> { .none(.insecure) }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> { alias }
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

  @Test("DANE-019, DANE-020: of each TLSA record is told why it doesn't count")
  func tlsa() async throws {
    let strong = TLSARecord(usage: 3, selector: 1, matchingType: 2, association: Array(repeating: 1, count: 64))
    let outdone = TLSARecord(usage: 3, selector: 1, matchingType: 1, association: Array(repeating: 2, count: 32))
    let records = [
      strong, TLSARecord(usage: 1, selector: 1, matchingType: 1, association: []), TLSARecord(data: [3]), outdone,
    ]
    var resolver = FixedResolver(tlsa: try set(records, at: "_25._tcp.example.org"))
    let lines = [
      "  1 1 1  (doesn't count: usage 1 has no meaning for mail servers)",
      "  1 octets, too few for a TLSA record (doesn't count: it has 1 octets)",
      "  3 1 1 \(String(repeating: "02", count: 32)) (doesn't count: a stronger digest stands beside it)",
      "  3 1 2 \(String(repeating: "01", count: 64))",
    ]
    let report = await DNSReport(of: try DomainName("_25._tcp.example.org"), .tlsa, by: resolver)
    #expect(
      report.lines == ["_25._tcp.example.org TLSA: 4 records, secure"] + lines + ["It may be kept for 300 s."])
    resolver.addresses = try set([.v4(1)], at: "example.org")
    let host = await DNSReport(of: name, .dane, by: resolver)
    #expect(host.lines == ["example.org DANE: 4 records, secure"] + lines + ["They stand at example.org."])
    resolver.tlsa = try set([outdone], at: "_25._tcp.example.org")
    #expect(
      try QueueText.json(await DNSReport(of: name, .dane, by: resolver))
        == #"{"answer":"records","base":"example.org","name":"example.org","records":"#
        + #"[{"record":"3 1 1 \#(String(repeating: "02", count: 32))"}],"security":"secure","type":"DANE"}"#)
  }

  @Test(
    "DANE-004, DANE-011: for a host without TLSA records, and for one whose records nobody can give, the end is told")
  func daneEnds() async throws {
    var resolver = FixedResolver()
    let words = "example.org DANE: no such record"
    #expect(await DNSReport(of: name, .dane, by: resolver).lines == ["\(words): it has no address"])
    resolver.addresses = try set([.v4(1)], at: "example.org")
    let absent = await DNSReport(of: name, .dane, by: resolver)
    #expect(absent.lines.first == words && absent.exitCode.rawValue == 68)
    resolver.tlsa = .bogus(reason: "expired")
    let failed = await DNSReport(of: name, .dane, by: resolver)
    #expect(failed.lines == ["example.org DANE: no answer: _25._tcp.example.org: expired"])
    #expect(failed.exitCode.rawValue == 75)
    resolver.alias = try set([try DomainName("example.net")], at: "example.org")
    #expect(
      await DNSReport(of: name, .cname, by: resolver).lines
        == ["example.org CNAME: 1 record, secure", "  example.net", "It may be kept for 300 s."])
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

  @Test("says what was probably meant where a question for TLSA records finds nothing")
  func hints() async throws {
    let signed = FixedResolver(addresses: try set([IPAddress.v4(1)], at: "example.org"), tlsa: .none(.secure))
    func text(_ name: String, _ question: DNSQuestion) async throws -> String {
      let report = await DNSReport(of: try DomainName(name), question, by: signed)
      expectFits(report.lines)
      return report.lines.joined(separator: " ")
    }
    #expect(try await text("mx.example.org", .tlsa).contains("martlet dns _25._tcp.mx.example.org --type tlsa"))
    #expect(try await text("_25._tcp.mx.example.org", .tlsa) == "_25._tcp.mx.example.org TLSA: no such record, secure")
    #expect(try await text("example.org", .dane).contains("ask its hosts: martlet dns example.org"))
    #expect(try await text("example.org", .aaaa).contains("martlet") == false)
  }
}
