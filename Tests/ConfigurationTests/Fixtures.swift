import Foundation
import Testing

@testable import Configuration

enum Repository {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
  }
}

/// Compares with a file of the repository, or rewrites it under MARTLET_REWRITE_GOLDEN=1.
func expectGolden(_ path: String, _ produced: String, _ location: SourceLocation = #_sourceLocation) throws {
  if ProcessInfo.processInfo.environment["MARTLET_REWRITE_GOLDEN"] == "1" {
    try Data(produced.utf8).write(to: Repository.root.appending(path: path))
  }
  let golden = try Repository.text(path)
  #expect(produced == golden, "\(path) differs; MARTLET_REWRITE_GOLDEN=1 rewrites it", sourceLocation: location)
}

/// The least that is a configuration, with more behind it.
func configuration(_ more: String = "", without key: String? = nil) -> String {
  let base: [(key: String, lines: [String])] = [
    ("hostname", ["hostname: mail.example.com"]),
    ("data", ["data: /var/lib/martlet"]),
    ("listen", ["listen:", "  submissions: :465"]),
    ("tls", ["tls:", "  certificates:", "    - chain: c.pem", "      key: k.pem"]),
    ("outbound", ["outbound:", "  route: discard"]),
  ]
  let lines = base.filter { $0.key != key }.flatMap(\.lines)
  return (lines + [more]).joined(separator: "\n") + "\n"
}

/// Where `more` begins in `configuration(more)`.
let firstLine = 11

func parse(_ text: String) throws(ConfigurationFaults) -> ConfigurationFile {
  try ConfigurationFile.parse(text: text, fileName: "m.yaml", folder: "/etc/martlet")
}

/// All findings, of a file that is taken and of one that isn't.
func findings(_ text: String) -> [ConfigurationFinding] {
  do {
    return try parse(text).warnings
  } catch {
    return error.findings
  }
}
