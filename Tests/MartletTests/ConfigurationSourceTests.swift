import Configuration
import Foundation
import Testing

@testable import martlet

@Suite("The file that a server runs on")
struct ConfigurationSourceTests {
  private func write(_ folder: TestFolder, _ outbound: String, _ rest: String = "") throws -> String {
    let path = folder.path + "/martlet.yaml"
    let text = """
      hostname: mail.example.com
      data: \(folder.path)/data
      listen: {relay: "127.0.0.1:2025"}
      domains:
        example.com:
          recipients: [postmaster]
          deliver: {maildir: "\(folder.path)/not-mounted/%n"}
      outbound: \(outbound)
      \(rest)
      """
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test("is looked at as martlet check does: what can be served with is said, all else is thrown, by its place")
  func remarks() throws {
    let folder = try TestFolder()
    let path = try write(folder, "{route: mx, sources: [{address: 127.0.0.1}], tls: {domains: {example.com: encrypt}}}")
    let remarks = try ConfigurationSource(path: path) { _ in }.load().remarks
    let lines = remarks.compactMap(\.position?.line)
    #expect(lines.contains(7) && lines.contains(8))
    #expect(remarks.contains { $0.text.contains("not-mounted") && $0.severity == .error && $0.allowsServing })
    #expect(
      remarks.contains {
        $0.text.hasPrefix("outbound.tls.domains.example.com: it has no effect") && $0.severity == .warning
      })

    let bad = try write(folder, "{route: mx, sources: [{address: 192.0.2.44}]}")
    let faults = #expect(throws: ConfigurationFaults.self) { try ConfigurationSource(path: bad) { _ in }.load() }
    let fault = try #require(faults?.findings.first { !$0.allowsServing })
    #expect(fault.position?.line == 8 && fault.text.hasPrefix("192.0.2.44: no connection can come from here"))
  }

  @Test("leads operators to the server's data although it has become faulty, and nowhere where that can't be read")
  func faulty() throws {
    let folder = try TestFolder()
    let path = try write(folder, "{route: mx}", "nonsense: 1")
    let place = try OperatingPlace.named(data: nil, config: path)
    #expect(place.dataFolder == folder.path + "/data" && place.usersFile == folder.path + "/data/users.json")
    #expect(place.configuration == nil)
    let broken = try write(folder, "{route: mx}", "broken: [")
    #expect(throws: (any Error).self) { try OperatingPlace.named(data: nil, config: broken) }
  }
}
