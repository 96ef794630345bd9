import DNSRecords
import MailSyntax
import Testing

@testable import MailAuthentication

@Suite("The keys that a house signs with")
struct DKIMKeyringTests {
  private static let start = UTCInstant(seconds: 1_700_000_000)
  private static let day = Duration.seconds(86_400)

  private func selector(
    _ name: String, _ domain: String = "example.org", _ kind: DKIMKey.Kind = .ed25519,
    _ standing: DKIMSelector.Standing = .waiting
  ) throws -> DKIMSelector {
    DKIMSelector(
      domain: try DomainName(domain), name: try DomainName(name), key: try SampleKey.of(kind).key, standing: standing,
      since: DKIMKeyringTests.start)
  }

  private func standings(_ keyring: DKIMKeyring) -> [String] {
    keyring.selectors.map { "\($0.name).\($0.domain) \($0.standing.rawValue)" }
  }

  @Test("a key signs as soon as its record is there; the one before it is retired, and forgotten when nobody needs it")
  func rotation() throws {
    var keyring = try DKIMKeyring([
      try selector("old", standing(.signing)), try selector("other", "example.org", .rsa, .signing),
      try selector("new"), try selector("far", "example.net", .ed25519, .signing),
    ])
    let (name, domain) = (try DomainName("new"), try DomainName("example.org"))
    func take(_ publication: DKIMPublication, _ name: DomainName, after time: Duration) -> [DKIMKeyring.Step] {
      keyring.take(publication, of: name, domain, afterlife: DKIMKeyringTests.day, now: DKIMKeyringTests.start + time)
    }
    for publication in [DKIMPublication.absent, .differs("x"), .unanswered("x")] {
      #expect(take(publication, name, after: .seconds(1)).isEmpty)
    }
    #expect(take(.published, name, after: .seconds(60)).map(\.deed) == [.beganSigning, .retired])
    #expect(
      standings(keyring) == [
        "far.example.net signing", "old.example.org retired", "other.example.org signing", "new.example.org signing",
      ])
    #expect(take(.published, name, after: .seconds(70)).isEmpty)

    // What it signed may be on its way until the afterlife is over, and its record may stand longer.
    let old = try DomainName("old")
    #expect(take(.absent, old, after: .seconds(60 + 86_399)).isEmpty)
    #expect(take(.published, old, after: .seconds(60 + 86_400)).isEmpty)
    #expect(take(.unanswered("x"), old, after: .seconds(60 + 86_400)).isEmpty)
    #expect(take(.absent, old, after: .seconds(60 + 86_400)).map(\.deed) == [.forgotten])
    #expect(keyring.selectors.count == 3)
    #expect(take(.absent, name, after: .seconds(999_999)).isEmpty, "a key that signs is kept whatever the DNS has")
  }

  private func standing(_ standing: DKIMSelector.Standing) -> (String, DKIMKey.Kind, DKIMSelector.Standing) {
    ("example.org", .ed25519, standing)
  }

  private func selector(
    _ name: String, _ rest: (String, DKIMKey.Kind, DKIMSelector.Standing)
  ) throws -> DKIMSelector { try selector(name, rest.0, rest.1, rest.2) }

  @Test("mail is signed by its author's domain, or by the nearest above it that has keys, by each kind of key")
  func signers() throws {
    let keyring = try DKIMKeyring([
      try selector("a", "example.org", .rsa, .signing), try selector("b", "example.org", .ed25519, .signing),
      try selector("c", "news.example.org", .ed25519, .signing), try selector("d", "example.net"),
      try selector("e", "example.org", .rsa, .retired), try selector("f", "new.example.org"),
    ])
    func names(_ authors: String...) throws -> [String] {
      keyring.signings(for: try authors.map { try DomainName($0) }).map { "\($0.selector).\($0.domain)" }
    }
    #expect(try names("example.org") == ["a.example.org", "b.example.org"])
    #expect(try names("EXAMPLE.org") == ["a.example.org", "b.example.org"])
    #expect(try names("shop.example.org") == ["a.example.org", "b.example.org"])
    #expect(try names("de.news.example.org") == ["c.news.example.org"])
    #expect(
      try names("new.example.org") == ["a.example.org", "b.example.org"], "its own waits, and the one above signs on")
    #expect(try names("notexample.org").isEmpty, "not below it")
    #expect(try names("example.net").isEmpty, "its key waits")
    #expect(try names("org").isEmpty)
    #expect(try names("example.org", "shop.example.org") == ["a.example.org", "b.example.org"], "each once")
    #expect(try names("news.example.org", "example.org") == ["c.news.example.org", "a.example.org", "b.example.org"])
  }

  @Test("DKIM-010: only the key's own record, alone and usable, lets it sign")
  func publications() async throws {
    for kind in DKIMKey.Kind.allCases {
      let sample = try SampleKey.of(kind)
      let held = try selector("s", "example.org", kind)
      let other = try DKIMKey.generate(.ed25519).record
      let record = sample.key.record
      func found(_ texts: [String]) -> DKIMPublication { held.publication(in: texts.map { Array($0.utf8) }) }
      #expect(found([record]) == .published)
      #expect(found([record.replacing("v=DKIM1; ", with: "")]) == .published)
      #expect(found([record + "; t=y; n=note"]) == .published)
      #expect(found([record + "; h=sha256:sha1"]) == .published)
      for wrong in [
        [other], [record, record], [record + "; h=sha1"], [record + "; s=other"], ["v=DKIM1; p="], ["hello"], [""],
        [record.replacing("v=DKIM1", with: "v=DKIM2")],
      ] {
        guard case .differs = found(wrong) else {
          Issue.record("\(wrong) is no record of this key")
          continue
        }
      }

      let zone = try ZoneFile(Array(SampleKey.zone(record, at: "s._domainkey.example.org").utf8))
      #expect(await held.publication(by: zone.resolver(failing: [])) == .published)
      let empty = try ZoneFile([])
      #expect(await held.publication(by: empty.resolver(failing: [])) == .absent)
      let failing = empty.resolver(failing: [try DomainName("s._domainkey.example.org")])
      guard case .unanswered = await held.publication(by: failing) else {
        Issue.record("nobody could say")
        continue
      }
    }
  }

  @Test("there is one key of a name, and a fresh name is of nobody")
  func names() throws {
    var keyring = DKIMKeyring()
    let domain = try DomainName("example.org")
    #expect(try keyring.freshName(for: domain, .rsa, at: "20261102-100000").description == "20261102-100000-rsa")
    try keyring.add(try selector("20261102-100000-rsa"))
    #expect(try keyring.freshName(for: domain, .rsa, at: "20261102-100000").description == "20261102-100000-rsa-2")
    #expect(
      try keyring.freshName(for: try DomainName("example.net"), .rsa, at: "20261102-100000").description
        == "20261102-100000-rsa")
    #expect(throws: DKIMKeyringFault.self) { try keyring.add(try selector("20261102-100000-RSA", "EXAMPLE.org")) }
    let long = Array(repeating: String(repeating: "a", count: 60), count: 4).joined(separator: ".")
    #expect(throws: DKIMKeyringFault.self) { try keyring.add(try selector("s", long)) }
    #expect(keyring.remove(try DomainName("20261102-100000-rsa"), domain)?.standing == .waiting)
    #expect(keyring.remove(try DomainName("20261102-100000-rsa"), domain) == nil)
  }
}
