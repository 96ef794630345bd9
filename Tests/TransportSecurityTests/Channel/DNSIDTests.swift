import Testing
import TransportSecurity

@Suite("DNS-IDs")
struct DNSIDTests {
  static let rows: [(presented: String, host: String, isMatch: Bool)] = [
    ("mx.example.com", "mx.example.com", true),
    ("MX.Example.COM", "mx.example.com", true),
    ("mx.example.com", "MX.EXAMPLE.com", true),
    ("xn--bcher-kva.example", "xn--bcher-kva.example", true),
    ("mx.example.com", "example.com", false),
    ("example.com", "mx.example.com", false),
    ("*.example.com", "mx.example.com", true),
    ("*.example.com", "MX.example.com", true),
    ("*.example.com", "a.mx.example.com", false),
    ("*.example.com", "example.com", false),
    ("*.example.com", ".example.com", false),
    ("m*.example.com", "mx.example.com", false),
    ("*x.example.com", "mx.example.com", false),
    ("mx.*.com", "mx.example.com", false),
    ("*.*.com", "mx.example.com", false),
    ("*.com", "example.com", false),
    ("*", "localhost", false),
    ("*", "*", false),
    ("", "", false),
    ("", "mx.example.com", false),
    ("mx.example.com", "", false),
    ("bücher.example", "bücher.example", false),
    ("mx.example.com.", "mx.example.com", false),
  ]

  @Test("STS-025: exact names and a wildcard for one whole left-most label match, nothing else", arguments: rows)
  func table(_ row: (presented: String, host: String, isMatch: Bool)) {
    #expect(DNSID.matches(presented: row.presented, host: row.host) == row.isMatch)
  }

  @Test("one match among many is enough, and none of none")
  func any() {
    #expect(DNSID.anyMatches(presented: ["a.test", "*.b.test"], host: "mx.b.test"))
    #expect(!DNSID.anyMatches(presented: ["a.test", "*.b.test"], host: "b.test"))
    #expect(!DNSID.anyMatches(presented: [], host: "b.test"))
  }
}
