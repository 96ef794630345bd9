import ArgumentParser
import DNSRecords
import Diagnosis
import Foundation
import MailSyntax
import Relay
import SMTPSessions
import Testing
import TransportSecurity

@testable import martlet

@Suite("explain")
struct ExplainReportTests {
  static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Corpus/explanations")

  private func expectGolden(_ produced: String, _ name: String) throws {
    let file = Self.corpus.appending(path: name)
    if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] == "1" { try Data(produced.utf8).write(to: file) }
    let golden = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    #expect(produced == golden, "\(name) differs; MARTLET_REWRITE_GOLDEN=1 rewrites it")
  }

  @Test("each account is told as its golden text and JSON have it", arguments: ExplainCase.all.map(\.name))
  func golden(_ name: String) async throws {
    let one = try #require(ExplainCase.all.first { $0.name == name })
    let report = await one.report()
    let lines = report.lines(.off)
    try expectGolden(lines.joined(separator: "\n") + "\n", "\(name).txt")
    for line in lines { #expect(QueueText.displayWidth(line) <= QueueText.width, "\(line)") }
    let object = try JSONSerialization.jsonObject(with: Data(try QueueText.json(report).utf8))
    let text = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    try expectGolden(String(decoding: text, as: UTF8.self) + "\n", "\(name).json")
  }

  @Test("there are goldens of these accounts and of no others")
  func corpusIsWhole() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path)
    let names = ExplainCase.all.map(\.name)
    #expect(Set(names).count == names.count && names.count >= 12)
    #expect(Set(files) == Set(names.flatMap { ["\($0).txt", "\($0).json"] }))
  }

  @Test(
    "the exit code is 0 where mail would go, 1 where it would wait or come back, 75 where the DNS has no answer",
    arguments: [
      ("bare", 0), ("enforce", 0), ("dane", 0), ("floor-verified", 0), ("live-met", 0), ("testing", 0),
      ("unlisted", 0), ("live-unreached", 0), ("live-unproven", 0), ("tlsa-failing", 1), ("requiretls-unproven", 1),
      ("floor-dane", 1), ("null-mx", 1), ("bogus-mx", 1), ("no-address", 1), ("live-stripped", 1),
      ("live-mismatch", 1), ("live-lacks-requiretls", 1), ("unanswered", 75),
    ] as [(String, Int32)])
  func exitCodes(_ name: String, _ code: Int32) async throws {
    let one = try #require(ExplainCase.all.first { $0.name == name })
    #expect(await one.report().exitCode.rawValue == code)
  }

  @Test(
    "what an attacker could do is what decide leaves open, of each host and of the domain",
    arguments: [
      ("bare", [.stripSTARTTLS, .forgeCertificate, .forgeMX], [.stripSTARTTLS, .forgeCertificate]),
      // Whoever hasn't seen the policy has no protection.
      ("enforce", [.blockPolicy], []),
      (
        "testing", [.stripSTARTTLS, .forgeCertificate, .forgeMX],
        [
          .stripSTARTTLS, .forgeCertificate,
        ]
      ),
      ("dane", [], []), ("dane-forgeable-mx", [.forgeMX], []),
      (
        "unusable-tlsa", [.forgeCertificate],
        [
          .forgeCertificate
        ]
      ),
      ("floor-verified", [.forgeMX], []), ("floor-dane", [], []), ("requiretls-unproven", [], []),
    ] as [(String, [OpenAttack], [OpenAttack])])
  func attacks(_ name: String, _ domain: [OpenAttack], _ host: [OpenAttack]) async throws {
    let one = try #require(ExplainCase.all.first { $0.name == name })
    let account = await one.report().account
    #expect(account.attacks == domain)
    #expect(account.hosts.first?.attacks == host)
  }

  @Test("each fault has the result that a report to the domain would count it as")
  func results() async throws {
    let table: [(String, Set<TLSReportResult>)] = [
      ("unlisted", [.validationFailure]), ("unavailable", [.stsPolicyFetchError]), ("unusable-tlsa", [.tlsaInvalid]),
      ("tlsa-failing", [.dnssecInvalid]), ("floor-dane", [.daneRequired]), ("bogus-mx", [.dnssecInvalid]),
      ("live-stripped", [.startTLSNotSupported]), ("live-mismatch", [.tlsaInvalid]),
      ("testing", [.certificateExpired, .validationFailure]), ("bare", []), ("dane", []), ("enforce", []),
      // TCP failures don't count, nor what nobody asked for.
      ("live-unreached", []), ("live-unproven", []),
    ]
    for (name, results) in table {
      let one = try #require(ExplainCase.all.first { $0.name == name })
      let findings = await one.report().explanation.findings
      #expect(Set(findings.compactMap(\.report)) == results, "\(name)")
    }
  }

  @Test("the survey decides as a delivery does: each host's verdict is that of its own evidence")
  func sameDecision() async {
    for one in ExplainCase.all {
      for host in await one.report().account.hosts {
        guard let policy = host.policy else { continue }
        #expect(policy.decision == decide(policy.evidence), "\(one.name)")
      }
    }
  }

  @Test("a visit's key becomes the TLSA record to publish, and without a visit the form of one does")
  func computedRecord() async throws {
    let live = await ExplainCase.liveUnproven.report().lines(.off)
    #expect(live.contains { $0.trimmingCharacters(in: .whitespaces).hasPrefix("_25._tcp.mx1.example.org. IN TLSA (") })
    #expect(live.contains { $0.contains("3 1 1 \(String(repeating: "cd", count: 32)) )") })
    let dry = await ExplainCase.mandatoryDANE.report().lines(.off)
    #expect(dry.contains { $0.contains("3 1 1 <SHA-256 of the server's public key>") })
  }

  @Test("nothing that strangers publish or say steers the terminal, in text or in JSON")
  func terminal() async throws {
    let evil = "\u{1b}[2J\u{7}\u{202e}"
    var one = ExplainCase("evil")
    one.publish("v=STSv1; id=\(evil)", at: "_mta-sts.example.org")
    one.publish("v=TLSRPTv1; \(evil)", at: "_smtp._tls.example.org")
    one.announce(.enforce, ["\(evil)"], trouble: STSTrouble(.stsPolicyInvalid, evil))
    one.visits = [ExplainCase.visit(.hello, .transport(evil))]
    let report = await one.report()
    for shown in [report.lines(.off).joined(), try QueueText.json(report)] {
      #expect(!shown.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f || $0.value == 0x202e })
    }
  }

  @Test("colour is put round whole lines, and only where it is wanted")
  func colour() async {
    let report = await ExplainCase.liveMet.report()
    let painted = report.lines(Paint(isOn: true))
    #expect(painted.joined().contains("\u{1b}[32m"))
    #expect(painted.map { $0.replacing(/\u{1b}\[\d+m/, with: "") } == report.lines(.off))
  }

  @Test(
    "what can't be asked is refused before anything is",
    arguments: [
      (["a..b"], "a..b"), (["anna@example.org"], "no domain"), ([], "<domain>"),
      (["example.org", "--server", "ns1"], "--server"),
      (["example.org", "--config", "m.yaml", "--server", "192.0.2.1"], "--config"),
      (["example.org", "--timeout", "601"], "--timeout"),
    ])
  func refused(_ arguments: [String], _ words: String) {
    let error = #expect(throws: (any Error).self) { try ExplainCommand.parseAsRoot(arguments) }
    guard let error else { return }
    #expect(ExplainCommand.exitCode(for: error) == .validationFailure)
    #expect(ExplainCommand.fullMessage(for: error).contains(words))
  }

  @Test("a domain may end with its dot, and an address stands in brackets", arguments: ["example.org.", "[192.0.2.1]"])
  func domains(_ text: String) throws {
    _ = try ExplainCommand.parseAsRoot([text, "--live", "--require-tls", "--json"])
  }
}
