import DNSRecords
import MailSyntax
import Simulation
import Testing

@testable import Relay

@Suite("ExchangerSelection")
struct ExchangerSelectionTests {
  static let domain = constantName("example.org")
  static let own: Set<DomainName> = [constantName("mx.example.com")]

  static func records(_ entries: [(UInt16, String)]) -> DNSAnswer<MailExchanger> {
    let records = entries.map { preference, host in
      MailExchanger(
        preference: preference,
        exchange: host == "." ? .null : (try? DomainName(host)).map { .host($0) } ?? .unusable(host))
    }
    return .records(
      DNSRecordSet(records: records, canonicalName: domain, security: .insecure, timeToLive: .seconds(60)))
  }

  static func choose(_ answer: DNSAnswer<MailExchanger>, seed: UInt64 = 1) -> ExchangerSelection {
    var generator = RandomSourceGenerator(SeededRandom(seed: seed))
    return ExchangerSelection.choose(from: answer, for: domain, own: own, using: &generator)
  }

  static func names(_ selection: ExchangerSelection) -> [String] {
    guard case .hosts(let hosts, _, _) = selection else { return [] }
    return hosts.map(\.description)
  }

  @Test("SMTP-050: the lower preference first")
  func order() {
    #expect(
      Self.names(Self.choose(Self.records([(20, "b.example"), (10, "a.example"), (30, "c.example")])))
        == ["a.example", "b.example", "c.example"])
  }

  @Test("SMTP-050: hosts of equal preference are shuffled, each order as often as another")
  func shuffled() {
    var counts: [[String]: Int] = [:]
    let answer = Self.records([(10, "a.example"), (10, "b.example"), (10, "c.example"), (20, "d.example")])
    for seed in 0..<1_200 { counts[Self.names(Self.choose(answer, seed: UInt64(seed))), default: 0] += 1 }
    #expect(counts.count == 6)
    #expect(counts.keys.allSatisfy { $0.last == "d.example" })
    // Chi-square with 5 degrees of freedom: 20.5 is passed by chance once in a thousand.
    let expected = 200.0
    let deviation = counts.values.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    #expect(deviation < 20.5, "\(counts)")
  }

  @Test("a host named twice counts once, by its best preference")
  func twice() {
    #expect(
      Self.names(Self.choose(Self.records([(30, "A.example"), (20, "b.example"), (10, "a.example")])))
        == ["A.example", "b.example"])
  }

  @Test(
    "SMTP-048: without MX records the domain itself is its mail host; NXDOMAIN is for good, all else is asked again")
  func withoutRecords() {
    #expect(
      Self.choose(.none(.secure))
        == .hosts(
          [
            ExchangerHost(name: .name(Self.domain), preference: 0, isImplicit: true, security: .secure)
          ], names: [Self.domain], leftOut: 0))
    #expect(Self.choose(.noSuchName(.insecure)) == .fault(.noSuchDomain(Self.domain)))
    #expect(Self.choose(.failed(reason: "SERVFAIL")) == .fault(.lookupFailed(Self.domain, reason: "SERVFAIL")))
    #expect(Self.choose(.bogus(reason: "expired")) == .fault(.bogus(Self.domain, reason: "expired")))
  }

  @Test("NMX-002: a null MX alone takes no mail; NMX-001: beside others it is a mistake, and they count")
  func nullExchanger() {
    #expect(Self.choose(Self.records([(0, ".")])) == .fault(.takesNoMail(Self.domain)))
    #expect(Self.names(Self.choose(Self.records([(0, "."), (10, "a.example")]))) == ["a.example"])
  }

  @Test("SMTP-049: MX records that name nothing usable don't make the domain its own mail host")
  func unusable() {
    #expect(Self.choose(Self.records([(10, "not a name")])) == .fault(.noUsableHost(Self.domain)))
  }

  @Test("SMTP-051: our own name and all that is no better are left out; with nobody left mail would circle")
  func ourselves() {
    #expect(
      Self.names(
        Self.choose(
          Self.records([(10, "a.example"), (20, "MX.example.com"), (20, "b.example"), (30, "c.example")]))) == [
          "a.example"
        ])
    #expect(
      Self.choose(Self.records([(10, "mx.example.com"), (20, "a.example")])) == .fault(.onlyOurselves(Self.domain)))
    var generator = RandomSourceGenerator(SeededRandom(seed: 1))
    let own = constantName("mx.example.com")
    #expect(
      ExchangerSelection.choose(from: .none(.insecure), for: own, own: Self.own, using: &generator)
        == .fault(.onlyOurselves(own)))
  }

  @Test("of a domain with very many hosts the best are looked at")
  func bounded() {
    let many = (0..<500).map { (UInt16($0), "h\($0).example") }
    #expect(
      Self.names(Self.choose(Self.records(many))) == (0..<ExchangerSelection.maximumHosts).map { "h\($0).example" })
  }
}
