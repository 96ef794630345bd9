import DNSRecords
import MailSyntax
import Testing
import TransportSecurity

@Suite("Where TLSA records are looked for")
struct TLSABaseTests {
  private static let host = name("mx.example.test")
  private static let end = name("real.example.net")

  private static func name(_ text: String) -> DomainName {
    guard let name = try? DomainName(text) else { preconditionFailure("\(text) is no name") }
    return name
  }

  private static func at(_ name: DomainName, _ security: DNSSECState) -> DNSAnswer<IPAddress> {
    .records(
      DNSRecordSet(records: [.v4(1)], canonicalName: name, security: security, timeToLive: .seconds(60)))
  }

  private static func alias(_ security: DNSSECState) -> DNSAnswer<DomainName> {
    .records(
      DNSRecordSet(records: [name("between.example.org")], canonicalName: host, security: security, timeToLive: .zero))
  }

  private typealias Answers = [DNSAnswer<IPAddress>]

  /// What the two families' answers come to, in words.
  private func words(_ addresses: Answers, _ alias: DNSAnswer<DomainName>? = nil) -> String {
    switch TLSABase(of: Self.host, addresses: addresses, alias: alias) {
    case .ask(let bases): "ask \(bases.map(\.description).joined(separator: ", "))"
    case .askAlias: "ask for the alias"
    case .settled(.notSought(let reason)): "not sought: \(reason)"
    case .settled(.failed(let reason)): "failed: \(reason)"
    case .settled(.absent): "absent"
    case .settled(.published): "published"
    }
  }

  @Test("DANE-008: TLSA records are asked for where an address is proven, and not where none is or there is none")
  func plain() {
    let insecure = "not sought: its addresses aren't proven by DNSSEC"
    let table: [(Answers, String)] = [
      ([Self.at(Self.host, .secure), Self.at(Self.host, .secure)], "ask mx.example.test"),
      ([.none(.secure), Self.at(Self.host, .secure)], "ask mx.example.test"),
      ([.none(.insecure), Self.at(Self.host, .insecure)], insecure),
      ([Self.at(Self.host, .insecure)], insecure),
      // A proof that there is no IPv6 address proves nothing of the IPv4 address.
      ([.none(.secure), Self.at(Self.host, .insecure)], insecure),
      ([.none(.secure), .none(.secure)], "not sought: it has no address"),
      ([.noSuchName(.secure), .noSuchName(.secure)], "not sought: it has no address"),
      ([], "not sought: it has no address"),
    ]
    for (addresses, expected) in table { #expect(words(addresses) == expected) }
  }

  @Test("DANE-003: beside a proven family one that fails leaves the question open; with no address at all it fails")
  func partialFailure() {
    for failure in [DNSAnswer<IPAddress>.failed(reason: "SERVFAIL"), .bogus(reason: "expired")] {
      #expect(words([failure, Self.at(Self.host, .secure)]) == "ask mx.example.test")
      #expect(words([Self.at(Self.host, .secure), failure]) == "ask mx.example.test")
      #expect(words([failure, .none(.secure)]).hasPrefix("failed: its addresses can't be had"))
      #expect(words([failure, failure]).hasPrefix("failed: its addresses can't be had"))
    }
  }

  @Test("DANE-010: of a proven chain of aliases its end is asked first, then the host, never a name in between")
  func securedChain() {
    #expect(
      words([.none(.secure), Self.at(Self.end, .secure)]) == "ask real.example.net, mx.example.test")
  }

  @Test("DANE-005, DANE-010: of a chain that isn't proven as a whole the host alone is asked, where its own step is")
  func partlySecuredChain() {
    let chain = [Self.at(Self.end, .insecure)]
    let neither = "not sought: neither its addresses nor its alias are proven by DNSSEC"
    #expect(words(chain) == "ask for the alias")
    #expect(words(chain, Self.alias(.secure)) == "ask mx.example.test")
    #expect(words(chain, Self.alias(.insecure)) == neither)
    #expect(words(chain, DNSAnswer.none(.secure)) == neither)
    #expect(words(chain, .noSuchName(.secure)) == neither)
    #expect(words(chain, .failed(reason: "SERVFAIL")) == "failed: its alias can't be had: SERVFAIL")
    #expect(words(chain, .bogus(reason: "expired")) == "failed: its alias can't be had: expired")
  }
}
