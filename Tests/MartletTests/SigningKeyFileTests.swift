import DNSRecords
import Foundation
import MailAuthentication
import MailSyntax
import Relay
import Testing

@testable import martlet

@Suite("Signing keys of the command line")
struct SigningKeyFileTests {
  @Test("are kept with mode 0600, come back as they were, and an edit that fails leaves them")
  func edits() throws {
    let folder = try TestFolder()
    let file = SigningKeyFile(dataFolder: folder.path)
    #expect(try file.load().selectors.isEmpty)
    var made: [DKIMSelector] = []
    for (number, kind) in DKIMKey.Kind.allCases.enumerated() {
      made.append(
        DKIMSelector(
          domain: try DomainName("example.org"), name: try DomainName("s\(number)"), key: try DKIMKey.generate(kind),
          standing: DKIMSelector.Standing.allCases[number], since: UTCInstant(seconds: 1_700_000_000)))
    }
    _ = try file.change { keyring in
      for selector in made { try? keyring.add(selector) }
    }
    var facts = stat()
    #expect(stat(file.path, &facts) == 0)
    #expect(facts.st_mode & 0o777 == 0o600)
    let read = try file.load().selectors
    #expect(read.map(\.name) == made.map(\.name))
    #expect(read.map(\.key.record) == made.map(\.key.record))
    #expect(read.map(\.standing) == made.map(\.standing))
    #expect(read.map(\.since) == made.map(\.since))
    let text = try String(contentsOfFile: file.path, encoding: .utf8)
    #expect(text.contains("PRIVATE KEY"))
  }

  @Test("a file that can't be believed is an error that names it, and is left as it is")
  func faulty() throws {
    let folder = try TestFolder()
    let file = SigningKeyFile(dataFolder: folder.path)
    let key =
      #"{"domain":"example.org","selector":"s","standing":"signing","since":"2026-11-02T10:00:00.000Z","key":"none"}"#
    for text in [
      "", "nonsense", "{}", #"{"version":2,"keys":[]}"#, #"{"version":1}"#, #"{"version":1,"keys":[\#(key)]}"#,
      #"{"version":1,"keys":[{"domain":"example.org"}]}"#,
    ] {
      try text.write(toFile: file.path, atomically: true, encoding: .utf8)
      let fault = #expect(throws: DKIMKeyStoreFault.self) { try file.load() }
      #expect(fault?.description.hasPrefix(file.path) == true)
      #expect(throws: DKIMKeyStoreFault.self) { try file.change { _ in } }
      #expect(try String(contentsOfFile: file.path, encoding: .utf8) == text)
    }
  }

  @Test("a record is printed as lines of a zone file that say what is to be published, 80 columns wide at the most")
  func zoneLines() async throws {
    for kind in DKIMKey.Kind.allCases {
      let held = DKIMSelector(
        domain: try DomainName("example.org"), name: try DomainName("2026-11-02-\(kind.rawValue)"),
        key: try DKIMKey.generate(kind), standing: .waiting, since: UTCInstant(seconds: 1_700_000_000))
      let facts = SigningKeyFacts(held, afterlife: .zero, now: held.since)
      #expect(facts.zoneLines.allSatisfy { $0.count <= 80 })
      let zone = try ZoneFile(Array((facts.zoneLines.joined(separator: "\n") + "\n").utf8))
      #expect(await held.publication(by: zone.resolver()) == .published)
    }
  }

  @Test("the list keeps to 80 columns, and says what a key waits for and when a record may go")
  func table() throws {
    let now = UTCInstant(seconds: 1_700_000_000)
    let facts = try DKIMSelector.Standing.allCases.flatMap { standing in
      try [Duration.zero, .seconds(3_600)].map { age in
        SigningKeyFacts(
          DKIMSelector(
            domain: try DomainName("a-rather-long-name.example.org"),
            name: try DomainName("2026-11-02-ed25519-\(age.components.seconds)"),
            key: try DKIMKey.generate(.ed25519), standing: standing,
            since: UTCInstant(seconds: now.seconds - age.components.seconds)),
          afterlife: .seconds(3_600), now: now)
      }
    }
    let lines = SigningKeyFacts.table(facts)
    #expect(lines.allSatisfy { QueueText.displayWidth($0) <= 80 })
    #expect(lines.filter { $0.contains("waits for its record") }.count == 2)
    #expect(lines.filter { $0.contains("is needed until") }.count == 1)
    #expect(lines.filter { $0.contains("its record may go") }.count == 1)
    #expect(SigningKeyFacts.table([]).joined().contains("martlet dkim generate"))
  }
}
