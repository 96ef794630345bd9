import DNSRecords
import MailSyntax
import Testing

@Suite("Zone files")
struct ZoneFileTests {
  private func resolver(_ text: String, failing: [String] = []) throws -> ZoneResolver {
    try ZoneFile(Array(text.utf8)).resolver(failing: try failing.map { try DomainName($0) })
  }

  private func text(_ zone: String, at name: String = "example.org") async throws -> String? {
    guard case .records(let found) = try await resolver(zone).texts(of: try DomainName(name)) else { return nil }
    return found.records.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "|")
  }

  @Test(
    "RFC 1035 §5.1: names, times, classes, comments, parentheses, strings and escapes",
    arguments: [
      ("example.org TXT a", "a"), ("example.org. 300 IN TXT a", "a"), ("example.org IN 1h TXT a", "a"),
      ("$ORIGIN example.org.\n@ TXT a", "a"), ("$ORIGIN org\nexample TXT a ; why", "a"),
      ("example.org TXT \"a;b\" \"c d\"", "a;bc d"), ("example.org TXT ( \"a\"\n  \"b\" ; more\n )", "ab"),
      ("example.org TXT \"\\\"\\065\\\\\"", "\"A\\"), ("example.org TXT a\n TXT b", "a|b"),
      ("example.org TXT \"\"", ""), ("\\$x A 192.0.2.1\nexample.org TXT a", "a"),
      ("$ORIGIN example.org.\n\\@ TXT b\n@ TXT a", "a"), ("$ORIGIN org.\nexample TXT a\n\"@\" TXT b", "a"),
      ("$TTL 300\r\nexample.org TXT a\r\n", "a"), ("alias.org TXT x\nexample.org CNAME alias.org", "x"),
    ])
  func grammar(_ zone: String, _ expected: String) async throws {
    #expect(try await text(zone) == expected)
  }

  @Test(
    "what can't be read is said with its line",
    arguments: [
      ("a.org TXT a\nb.org TXT", 2), ("a.org A 1.2.3", 1), ("a.org AAAA 192.0.2.1", 1), ("a.org MX mail", 1),
      ("a.org MX 70000 mail", 1), ("a.org", 1), (" TXT a", 1), ("a.org TXT \"a\nb\"", 1), ("a.org TXT ( a", 1),
      ("a.org TXT a )", 1), ("a.org TXT (( a ))", 1), ("$INCLUDE x", 1), ("$ORIGIN", 1), ("a..org TXT a", 1),
      ("a.org TXT \\30", 1), ("a.org TXT \\999", 1), ("a.org !! x", 1), ("a.org CNAME", 1),
      ("a.org TXT " + String(repeating: "x", count: 256), 1), ("a.org TXT a\n\u{1f}", 2), ("a.org TXT a\u{7}b", 1),
    ])
  func faults(_ zone: String, _ line: Int) {
    let fault = #expect(throws: ZoneFileFault.self, "\(zone)") { try ZoneFile(Array(zone.utf8)) }
    #expect(fault?.line == line)
  }

  @Test("a fault is one line, whatever escapes make of a name", arguments: ["a\\010b A x", "a A\\027 x", "$\u{7f}x"])
  func words(_ zone: String) throws {
    let fault = try #require(throws: ZoneFileFault.self) { try ZoneFile(Array(zone.utf8)) }
    #expect(fault.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f..<0xa0).contains($0.value) })
  }

  @Test("each type is answered, and behind a CNAME under the name that it leads to")
  func types() async throws {
    let zone = try resolver(
      """
      example.org A 192.0.2.1
      example.org AAAA 2001:db8::1
      example.org MX 10 mail.example.org
      null.example MX 0 .
      www.example.org CNAME example.org
      1.2.0.192.in-addr.arpa PTR example.org
      example.org CAA 0 issue "x"
      """)
    let name = try DomainName("www.example.org")
    guard case .records(let found) = await zone.addresses(of: name, family: .v6) else {
      Issue.record("no address")
      return
    }
    #expect(found.records == [try #require(IPAddress("2001:db8::1"))])
    #expect(found.canonicalName.description == "example.org" && found.security == .insecure)
    guard case .records(let names) = await zone.names(of: .v4(0xc000_0201)) else {
      Issue.record("no name")
      return
    }
    #expect(names.records.map(\.description) == ["example.org"])
    guard case .records(let exchangers) = await zone.mailExchangers(of: try DomainName("null.example")) else {
      Issue.record("no exchanger")
      return
    }
    #expect(exchangers.records.first?.exchange == .null)
  }

  @Test("RFC 8020 §2: a name stands where one below it does, and a failing one says nothing of what it lacks")
  func absence() async throws {
    let zone = try resolver("a.b.example.org TXT x\nhalf.example TXT y", failing: ["half.example", "gone.example"])
    #expect(await zone.texts(of: try DomainName("b.example.org")) == .none(.insecure))
    #expect(await zone.texts(of: try DomainName("c.example.org")) == .noSuchName(.insecure))
    for name in ["half.example", "gone.example"] {
      guard case .failed = await zone.addresses(of: try DomainName(name), family: .v4) else {
        Issue.record("\(name) answers")
        return
      }
    }
    guard case .records = await zone.texts(of: try DomainName("half.example")) else {
      Issue.record("what it has is gone")
      return
    }
  }

  @Test("CNAMEs that lead to each other come to an end")
  func loop() async throws {
    let zone = try resolver("a.org CNAME b.org\nb.org CNAME a.org")
    #expect(await zone.texts(of: try DomainName("a.org")) == .none(.insecure))
  }

  @Test("where the names of an address stand")
  func reverse() throws {
    #expect(IPAddress("192.0.2.1")?.reverseName?.description == "1.2.0.192.in-addr.arpa")
    #expect(
      IPAddress("2001:db8::567:89ab")?.reverseName?.description
        == "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
  }
}
