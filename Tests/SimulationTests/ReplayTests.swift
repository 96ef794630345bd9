import Foundation
import Simulation
import Subprocess
import Testing

/// The order of everything comes from the seed alone: neither from the process nor from its hashing, which Swift seeds
/// anew in each.
@Suite("Replay")
struct ReplayTests {
  static let seeds: ClosedRange<UInt64> = 1...12
  static let traceFile = ProcessInfo.processInfo.environment["MARTLET_SIMULATION_TRACES"]

  static func traces() -> String {
    seeds.map { "\($0) \(String(MailSimulation.run(seed: $0).trace, radix: 16))\n" }.joined()
  }

  @Test("a seed plays alike twice in one process")
  func sameProcess() { #expect(Self.traces() == Self.traces()) }

  @Test("two seeds play differently")
  func differentSeeds() { #expect(MailSimulation.run(seed: 1).trace != MailSimulation.run(seed: 2).trace) }

  @Test("writes its traces for another process", .enabled(if: traceFile != nil, "the other half of the next test"))
  func writeTraces() throws {
    let file = try #require(Self.traceFile)
    try Self.traces().write(toFile: file, atomically: true, encoding: .utf8)
  }

  #if os(Linux)
    @Test("a seed plays alike in two processes")
    func otherProcess() async throws {
      let file = FileManager.default.temporaryDirectory.appending(path: "martlet-traces-\(UUID().uuidString)")
      defer { try? FileManager.default.removeItem(at: file) }
      let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      _ = try await run(
        .name("env"),
        arguments: [program.path, "--testing-library", "swift-testing", "--filter", "ReplayTests/writeTraces"],
        environment: .inherit.updating(["MARTLET_SIMULATION_TRACES": file.path]), output: .discarded)
      let other = try String(contentsOf: file, encoding: .utf8)
      #expect(other == Self.traces())
    }
  #endif
}
