import MailAuthentication
import MailSyntax
import Testing

@Suite("The DNS Tree Walk of DMARC")
struct DMARCTreeWalkTests {
  struct Row: CustomTestStringConvertible, Sendable {
    let start: String
    var records: [String: [String]] = [:]
    /// The domains asked about, in their order.
    let asked: [String]
    let organization: String
    var policy: String?
    var testDescription: String { "\(start), \(records.keys.sorted())" }
  }

  static let plain = ["v=DMARC1; p=reject"]
  static let suffix = ["v=DMARC1; p=reject; psd=y"]
  static let own = ["v=DMARC1; p=reject; psd=n"]

  static let rows: [Row] = [
    // RFC 9989 §4.10: thirteen labels, eight queries.
    Row(
      start: "a.b.c.d.e.f.g.h.i.j.mail.example.com",
      asked: [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com", "h.i.j.mail.example.com",
        "i.j.mail.example.com", "j.mail.example.com", "mail.example.com", "example.com", "com",
      ], organization: "a.b.c.d.e.f.g.h.i.j.mail.example.com"),
    // §B.4.2
    Row(
      start: "a.b.c.d.e.f.g.h.i.j.k.example.com", records: ["example.com": plain, "signing.example.com": plain],
      asked: [
        "a.b.c.d.e.f.g.h.i.j.k.example.com", "g.h.i.j.k.example.com", "h.i.j.k.example.com", "i.j.k.example.com",
        "j.k.example.com", "k.example.com", "example.com", "com",
      ], organization: "example.com", policy: "example.com"),
    // Eight labels, and seven: none is left out.
    Row(
      start: "a.b.c.d.e.f.example.com",
      asked: [
        "a.b.c.d.e.f.example.com", "b.c.d.e.f.example.com", "c.d.e.f.example.com", "d.e.f.example.com",
        "e.f.example.com", "f.example.com", "example.com", "com",
      ], organization: "a.b.c.d.e.f.example.com"),
    Row(
      start: "b.c.d.e.f.example.com",
      asked: [
        "b.c.d.e.f.example.com", "c.d.e.f.example.com", "d.e.f.example.com", "e.f.example.com", "f.example.com",
        "example.com", "com",
      ], organization: "b.c.d.e.f.example.com"),
    Row(start: "com", asked: ["com"], organization: "com"),
    // §B.4.1
    Row(
      start: "signing.example.com", records: ["example.com": plain, "signing.example.com": plain],
      asked: ["signing.example.com", "example.com", "com"], organization: "example.com", policy: "signing.example.com"),
    // §B.4.3
    Row(
      start: "giant.bank.example", records: ["giant.bank.example": plain, "bank.example": suffix],
      asked: ["giant.bank.example", "bank.example"], organization: "giant.bank.example", policy: "giant.bank.example"),
    Row(
      start: "mail.giant.bank.example", records: ["giant.bank.example": plain, "bank.example": suffix],
      asked: ["mail.giant.bank.example", "giant.bank.example", "bank.example"], organization: "giant.bank.example",
      policy: "giant.bank.example"),
    Row(
      start: "mail.mega.bank.example", records: ["giant.bank.example": plain, "bank.example": suffix],
      asked: ["mail.mega.bank.example", "mega.bank.example", "bank.example"], organization: "mega.bank.example",
      policy: "bank.example"),
    // §4.10.2's three.
    Row(
      start: "a.mail.example.com", records: ["mail.example.com": plain, "example.com": plain],
      asked: ["a.mail.example.com", "mail.example.com", "example.com", "com"], organization: "example.com",
      policy: "example.com"),
    Row(
      start: "a.mail.example.com", records: ["mail.example.com": own, "example.com": plain],
      asked: ["a.mail.example.com", "mail.example.com"], organization: "mail.example.com", policy: "mail.example.com"),
    Row(
      start: "a.mail.example.com", records: ["com": suffix],
      asked: ["a.mail.example.com", "mail.example.com", "example.com", "com"], organization: "example.com",
      policy: "com"),
    // psd=n at the start, psd=y at the start, psd=y right above it.
    Row(
      start: "example.com", records: ["example.com": own], asked: ["example.com"], organization: "example.com",
      policy: "example.com"),
    Row(
      start: "bank.example", records: ["bank.example": suffix, "example": plain], asked: ["bank.example"],
      organization: "bank.example", policy: "bank.example"),
    Row(
      start: "example.com", records: ["com": suffix], asked: ["example.com", "com"], organization: "example.com",
      policy: "com"),
    // A record between the author and the domain below the suffix is nobody's.
    Row(
      start: "a.b.c.bank.example", records: ["b.c.bank.example": plain, "bank.example": suffix],
      asked: ["a.b.c.bank.example", "b.c.bank.example", "c.bank.example", "bank.example"],
      organization: "c.bank.example",
      policy: "bank.example"),
    // psd=y found right behind the shortcut: what lies one label below it was not asked about.
    Row(
      start: "a.b.c.d.e.f.g.h.example.com", records: ["d.e.f.g.h.example.com": suffix],
      asked: ["a.b.c.d.e.f.g.h.example.com", "d.e.f.g.h.example.com"], organization: "c.d.e.f.g.h.example.com",
      policy: "d.e.f.g.h.example.com"),
    // Several records, or none of the kind: as if there were none.
    Row(
      start: "a.example.com",
      records: [
        "a.example.com": ["v=DMARC1; p=none; psd=n", "v=DMARC1; p=reject; psd=n"],
        "example.com": ["v=spf1 -all", "hello", "v=DMARC1; p=reject; psd=n", "v=dmarc1; p=none"],
      ], asked: ["a.example.com", "example.com"], organization: "example.com", policy: "example.com"),
    Row(
      start: "a.example.com",
      records: ["a.example.com": ["v=DMARC1; p=none; p=reject; psd=n"], "example.com": ["v=DMARC2; psd=n"]],
      asked: ["a.example.com", "example.com", "com"], organization: "a.example.com"),
  ]

  @Test(
    "DMARC-001, DMARC-002: the walk asks for exactly these names, and finds organization and policy", arguments: rows)
  func walks(_ row: Row) async throws {
    let zone = try AskedZone(row.records)
    let start = try DomainName(row.start)
    let walk = await DMARCTreeWalk.walk(from: start, resolver: zone)
    #expect(zone.names == row.asked.map { "_dmarc.\($0)" })
    #expect(zone.names.count <= DMARCTreeWalk.maximumQueries)
    #expect(walk.organizationalDomain == (try DomainName(row.organization)))
    #expect(walk.policy?.domain.description == row.policy)
    #expect(walk.failure == nil)
    #expect(DMARCTreeWalk.targets(from: start).prefix(row.asked.count).map(\.description) == row.asked)
  }

  @Test("DMARC-001: names of every number of labels take eight queries at most, and end at the top")
  func bounded() throws {
    for labels in 1...127 {
      let start = try DomainName(Array(repeating: "a", count: labels).joined(separator: "."))
      let targets = DMARCTreeWalk.targets(from: start)
      #expect(targets.count == min(labels, 8))
      #expect(targets.first == start && targets.last?.description == "a")
    }
  }

  @Test("DMARC-002: a query that fails ends the walk, and nothing is made of what was found before")
  func failure() async throws {
    let zone = try AskedZone(["a.example.com": DMARCTreeWalkTests.plain], failing: ["_dmarc.example.com"])
    let walk = await DMARCTreeWalk.walk(from: try DomainName("a.example.com"), resolver: zone)
    #expect(walk.failure == .temporary("SERVFAIL"))
    #expect(zone.names == ["_dmarc.a.example.com", "_dmarc.example.com"])
  }

  @Test("DMARC-001: a domain so long that nothing fits in front of it has no record, and its walk goes on")
  func longName() async throws {
    let label = String(repeating: "x", count: 59)
    let start = try DomainName("\(label).\(label).\(label).\(label).example.com")
    let zone = try AskedZone(["example.com": DMARCTreeWalkTests.plain])
    let walk = await DMARCTreeWalk.walk(from: start, resolver: zone)
    #expect(zone.names.count == 5 && walk.policy?.domain.description == "example.com")
  }
}
