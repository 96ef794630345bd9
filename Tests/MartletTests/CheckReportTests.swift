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
