import ArgumentParser
import Configuration
import Foundation
import Testing

@testable import martlet

@Suite("check")
struct CheckReportTests {
  private let position = FilePosition(line: 3, column: 5)

  @Test("of a good file is one line")
  func good() {
    let report = CheckReport(file: "martlet.yaml", findings: [])
    #expect(report.isGood)
    #expect(report.lines == ["martlet.yaml: good"])
  }

  @Test("exits 66 where the file isn't there, 78 where it is bad (sysexits)")
  func exitCode() throws {
    let folder = try TestFolder()
    let finding = ConfigurationFinding(.error, file: "m.yaml", position: nil, text: "bad")
    let path = folder.path + "/m.yaml"
    #expect(CheckReport(file: path, findings: [finding]).exitCode == ExitStatus.noInput)
    try Data().write(to: URL(filePath: path))
    #expect(CheckReport(file: path, findings: [finding]).exitCode == ExitStatus.badConfiguration)
    #expect(CheckReport(file: path, findings: []).exitCode == .success)
  }

  @Test("names every finding with its place, and counts them")
  func findings() throws {
    let report = CheckReport(
      file: "m.yaml",
      findings: [
        ConfigurationFinding(
          .error, file: "m.yaml", position: position, text: "\"hostnam\" is no key", remedy: "hostname?"),
        ConfigurationFinding(.warning, file: "m.yaml", position: nil, text: "odd\u{1b}"),
      ])
    #expect(!report.isGood)
    #expect(
      report.lines == [
        "m.yaml:3:5: error: \"hostnam\" is no key\n  hostname?", "m.yaml: warning: odd<U+001B>",
        "m.yaml: 1 error, 1 warning",
      ])
    #expect(
      try QueueText.json(report)
        == #"{"file":"m.yaml","findings":[{"column":5,"line":3,"remedy":"hostname?","severity":"error","#
        + #""text":"\"hostnam\" is no key"},{"severity":"warning","text":"odd\u001b"}],"good":false}"#)
  }

  @Test("with warnings alone is good, for the server could start")
  func warnings() {
    let report = CheckReport(
      file: "m.yaml", findings: [ConfigurationFinding(.warning, file: "m.yaml", position: position, text: "odd")])
    #expect(report.isGood)
  }

  @Test("of a file that isn't there is an error about it")
  func missing() async throws {
    let folder = try TestFolder()
    let findings = await CheckCommand.findings(of: folder.path + "/martlet.yaml")
    #expect(findings.map(\.severity) == [.error])
    #expect(findings.first?.description.contains("no such file") == true)
  }
}
