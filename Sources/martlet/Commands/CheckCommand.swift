import ArgumentParser
import Configuration
import DNSRecords
import DNSTransport
import Foundation
import InternationalDomainNames
import MailAuthentication
import MailSyntax
import Relay
import SMTPTransport
import SystemWorld

struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say all that is wrong with a configuration and what it names.",
    discussion: """
      First the file itself, every fault at once with line, column and what to write instead; then, when the file is \
      good, what it names: folders, users, certificates, roots, programs, and with a section dns whether the \
      resolver validates, which asks the names of dns.probe, of lists in inbound whether they pass their test, and whether the records \
      of signing keys are published and DMARC is served by them. Nothing else is sent, and nothing changed. Run it as \
      the user that will run the server, else permissions are judged for the wrong one. Exit code 66 when there is \
      no such file, 78 when the server could not start.
      """)

  @OptionGroup var configuration: ConfigurationOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let path = configuration.path
    let report = CheckReport(file: path, findings: await CheckCommand.findings(of: path))
    Console.print(try json ? QueueText.json(report) : report.lines.joined(separator: "\n"))
    if !report.isGood { throw report.exitCode }
  }

  static func findings(of path: String) async -> [ConfigurationFinding] {
    do throws(ConfigurationFaults) {
      let file = try ConfigurationFile.load(path: path)
      let findings = file.warnings + SurroundingsCheck.ofThisMachine().findings(for: file)
      guard !findings.contains(where: { $0.severity == .error }) else { return findings }
      return findings + (await validation(of: file)) + (await signing(of: file))
    } catch {
      return error.findings
    }
  }
}

extension CheckCommand {
  /// A check is waited for by a person.
  static let lookUpTime: Duration = .seconds(5)

  /// What the proof finds that the resolver validates. A server whose resolver doesn't still starts: it is a warning.
  static func validation(of file: ConfigurationFile) async -> [ConfigurationFinding] {
    guard file.configuration.needsResolver else { return [] }
    let dns = file.configuration.dns ?? Configuration.DNS()
    func finding(_ severity: ConfigurationFinding.Severity, _ text: String, _ remedy: String) -> ConfigurationFinding {
      ConfigurationFinding(
        severity, file: file.fileName, position: file.position(of: "dns"), text: text, remedy: remedy)
    }
    do {
      var settings = try UnboundResolver.Settings(dns)
      settings.bounds.lookUpTime = lookUpTime
      let resolver = try UnboundResolver(settings, converter: LibraryIDNAConverter())
      let lists = await lists(of: file, by: resolver)
      switch await dns.probe.run(by: resolver, anchors: settings.anchors) {
      case .off: return await silence(of: resolver, in: file).map { [$0] + lists } ?? lists
      // That the anchors are out of date was said of their file.
      case .validates, .fault(.anchorsOutOfDate): return lists
      case .fault(let fault):
        return [finding(.warning, "the resolver does not validate: \(fault)", fault.remedy)] + lists
      }
    } catch {
      return [finding(.error, "\(error)", "change dns.servers or dns.trust_anchors")]
    }
  }

  /// What the DNS lacks of the domains that are signed for. Where nothing needs a resolver and no key is there, nothing is
  /// asked.
  private static func signing(of file: ConfigurationFile) async -> [ConfigurationFinding] {
    let configuration = file.configuration
    func finding(
      _ severity: ConfigurationFinding.Severity, _ text: String, _ remedy: String?
    ) -> ConfigurationFinding {
      ConfigurationFinding(
        severity, file: file.fileName, position: file.position(of: "data"), text: text, remedy: remedy)
    }
    let keyring: DKIMKeyring
    do throws(DKIMKeyStoreFault) {
      keyring = try SigningKeyFile(dataFolder: configuration.dataFolder).load()
    } catch {
      return [
        finding(.error, error.description, "restore it from a backup, or move it away to send without signatures")
      ]
    }
    guard configuration.needsResolver || !keyring.isEmpty,
      var settings = try? UnboundResolver.Settings(configuration.dns ?? Configuration.DNS())
    else { return [] }
    settings.bounds.lookUpTime = lookUpTime
    guard let resolver = try? UnboundResolver(settings, converter: LibraryIDNAConverter()) else { return [] }
    let converter = LibraryIDNAConverter()
    let check = SigningCheck(
      keyring: keyring, afterlife: DKIMSelector.afterlife(ofQueue: configuration.queue.giveUpAfter),
      now: SystemClock().now, resolver: resolver)
    return await check.findings(of: configuration.domains.map { converter.canonicalForm(of: $0.name) }).map {
      finding(.warning, $0.text, $0.remedy)
    }
  }

  /// Where the proof is turned off, that the resolver answers at all is found by asking for the server's own name.
  private static func silence(
    of resolver: some DNSRecords.Resolver, in file: ConfigurationFile
  ) async -> ConfigurationFinding? {
    let name = file.configuration.hostName
    let trouble: String
    switch await resolver.addresses(of: name, family: .v4) {
    case .failed(let reason): trouble = reason
    case .bogus(let reason): trouble = "what it has is bogus: \(reason)"
    case .records, .none, .noSuchName: return nil
    }
    return ConfigurationFinding(
      .warning, file: file.fileName, position: file.position(of: "dns"),
      text: "the resolver has no answer for \(name): \(trouble)",
      remedy: "change dns.servers, or let port 53 out, UDP and TCP")
  }

  /// Lists that don't pass their test (RFC 5782 §5). The server starts, and goes by the others.
  private static func lists(
    of file: ConfigurationFile, by resolver: UnboundResolver
  ) async -> [ConfigurationFinding] {
    var findings: [ConfigurationFinding] = []
    for (number, list) in file.configuration.inbound.lists.lists.enumerated() {
      let proof = await DNSListProof.run(of: list) { await resolver.addresses(of: $0, family: .v4) }
      guard let fault = proof.fault else { continue }
      findings.append(
        ConfigurationFinding(
          .warning, file: file.fileName, position: file.position(of: "inbound.dns_lists[\(number)].zone"),
          text: "the list \(list.name) is not gone by: \(fault)", remedy: fault.remedy))
    }
    return findings
  }
}

/// What `check` has found.
struct CheckReport: Encodable {
  let file: String
  let findings: [ConfigurationFinding]

  /// The server could start.
  var isGood: Bool { !findings.contains { $0.severity == .error } }

  var exitCode: ExitCode { isGood ? .success : ConfigurationSource.exitCode(ofFaultsIn: file) }

  var lines: [String] {
    findings.map { Console.folded(QueueText.printableLines($0.description), Console.columns(of: STDOUT_FILENO)) } + [
      summary
    ]
  }

  private var summary: String {
    let errors = findings.count { $0.severity == .error }
    let warnings = findings.count - errors
    guard !findings.isEmpty else { return "\(file): good" }
    let parts = [
      errors > 0 ? QueueText.count(errors, "error") : nil, warnings > 0 ? QueueText.count(warnings, "warning") : nil,
    ]
    return "\(file): " + parts.compactMap { $0 }.joined(separator: ", ")
  }

  private enum CodingKeys: String, CodingKey { case file, good, findings }

  private struct Finding: Encodable {
    let severity: String
    let line, column: Int?
    let text: String
    let remedy: String?
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(file, forKey: .file)
    try container.encode(isGood, forKey: .good)
    try container.encode(
      findings.map {
        Finding(
          severity: $0.severity.rawValue, line: $0.position?.line, column: $0.position?.column, text: $0.text,
          remedy: $0.remedy)
      }, forKey: .findings)
  }
}
