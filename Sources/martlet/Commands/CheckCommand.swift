import ArgumentParser
import Configuration
import SMTPTransport
import SystemWorld

struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say all that is wrong with a configuration and what it names.",
    discussion: """
      First the file itself, every fault at once with line, column and what to write instead; then, when the file is \
      good, what it names: folders, users, certificates, roots, programs. Nothing is changed and nothing sent. Run it \
      as the user that will run the server, else permissions are judged for the wrong one. Exit code 78 when the \
      server could not start.
      """)

  @OptionGroup var configuration: ConfigurationOptions
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let path = configuration.path
    let report = CheckReport(file: path, findings: CheckCommand.findings(of: path))
    Console.print(try json ? QueueText.json(report) : report.lines.joined(separator: "\n"))
    if !report.isGood { throw ExitStatus.badConfiguration }
  }

  static func findings(of path: String) -> [ConfigurationFinding] {
    do throws(ConfigurationFaults) {
      let file = try ConfigurationFile.load(path: path)
      let surroundings = SurroundingsCheck(
        now: SystemClock().now,
        loadCertificate: { files in
          let identity = try TLSIdentityFiles(chain: files.chain, key: files.key).load()
          return CertificateFacts(
            dnsNames: identity.dnsNames, notValidBefore: identity.notValidBefore,
            notValidAfter: identity.notValidAfter)
        },
        loadTrustRoots: { _ = try TrustRoots.files($0.map { [$0] } ?? []) })
      return file.warnings + surroundings.findings(for: file)
    } catch {
      return error.findings
    }
  }
}

/// What `check` has found.
struct CheckReport: Encodable {
  let file: String
  let findings: [ConfigurationFinding]

  /// The server could start.
  var isGood: Bool { !findings.contains { $0.severity == .error } }

  var lines: [String] {
    findings.map { QueueText.printableLines($0.description) } + [summary]
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
