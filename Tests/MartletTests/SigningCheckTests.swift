import DNSRecords
import MailAuthentication
import MailSyntax
import Testing

@testable import martlet

@Suite("What check says of signing")
struct SigningCheckTests {
  private static let now = UTCInstant(seconds: 1_800_000_000)

  private func findings(
    _ standing: DKIMSelector.Standing?, age: Duration = .zero, _ zone: (DKIMSelector) -> String
  ) async throws -> [String] {
    let selector = DKIMSelector(
      domain: try DomainName("example.org"), name: try DomainName("s"), key: try DKIMKey.generate(.ed25519),
      standing: standing ?? .waiting, since: SigningCheckTests.now + (.zero - age))
    let check = SigningCheck(
      keyring: try DKIMKeyring(standing == nil ? [] : [selector]), afterlife: .seconds(3_600),
      now: SigningCheckTests.now,
      resolver: try ZoneFile(Array(zone(selector).utf8)).resolver())
    return await check.findings(of: [try DomainName("example.org")]).map(\.text)
  }

  private func record(_ selector: DKIMSelector) -> String {
    "s._domainkey.example.org TXT \"\(selector.key.record)\"\n"
  }

  @Test("a record that a key needs and the DNS lacks is named, with what follows")
  func keys() async throws {
    for (standing, words) in [
      (DKIMSelector.Standing.waiting, "signs nothing"), (.signing, "verifies nowhere"), (.retired, "on its way"),
    ] {
      #expect(try await findings(standing, record).isEmpty)
      let missing = try await findings(standing) { _ in "" }
      #expect(missing.count == 1 && missing[0].contains(words) && missing[0].contains("s._domainkey.example.org"))
      let other = try DKIMKey.generate(.ed25519).record
      let foreign = try await findings(standing) { _ in "s._domainkey.example.org TXT \"\(other)\"\n" }
      #expect(foreign.count == 1 && foreign[0].contains("of another key"))
    }
    #expect(try await findings(.retired, age: .seconds(3_600)) { _ in "" }.isEmpty, "nobody needs it any more")
  }

  @Test("of records that can't be looked up one finding tells, with the first and how many more")
  func unanswered() async throws {
    for count in 1...3 {
      let selectors = try (1...count).map { number in
        DKIMSelector(
          domain: try DomainName("example.org"), name: try DomainName("s\(number)"),
          key: try DKIMKey.generate(.ed25519), standing: .waiting, since: SigningCheckTests.now)
      }
      let check = SigningCheck(
        keyring: try DKIMKeyring(selectors), afterlife: .seconds(3_600), now: SigningCheckTests.now,
        resolver: try ZoneFile([]).resolver(failing: selectors.compactMap(\.recordName)))
      let found = await check.findings(of: []).map(\.text)
      #expect(found.count == 1 && found[0].contains("can't be known for now: s1._domainkey.example.org: "))
      #expect(found[0].contains("more key") == (count > 1) && found[0].hasSuffix("2 more keys") == (count == 3))
    }
  }

  @Test("DMARC-008: a domain that asks for rejection signs, and who has a policy hears what comes of it")
  func policies() async throws {
    func dmarc(_ text: String) -> String { "_dmarc.example.org TXT \"\(text)\"\n" }
    let reports = "; rua=mailto:dmarc@example.org"
    #expect(try await findings(nil) { _ in dmarc("v=DMARC1; p=none\(reports)") }.isEmpty)
    let unsigned = try await findings(nil) { _ in dmarc("v=DMARC1; p=reject\(reports)") }
    #expect(unsigned.count == 1 && unsigned[0].contains("no key signs its mail here"))
    #expect(try await findings(.signing) { record($0) + dmarc("v=DMARC1; p=reject\(reports)") }.isEmpty)
    let deaf = try await findings(.signing) { record($0) + dmarc("v=DMARC1; p=reject") }
    #expect(deaf.count == 1 && deaf[0].contains("no rua"))
    let waiting = try await findings(.waiting) { record($0) + dmarc("v=DMARC1; p=reject\(reports)") }
    #expect(waiting.count == 1, "a key that waits signs nothing")
    for nothing in ["", dmarc("v=spf1 -all"), dmarc("v=DMARC1; p=reject") + dmarc("v=DMARC1; p=none")] {
      #expect(try await findings(nil) { _ in nothing }.isEmpty)
    }
  }
}
