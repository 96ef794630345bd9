import Foundation
import Simulation
import Synchronization
import Testing

/// `MARTLET_SIMULATION_SEEDS` says how many seeds are played, `MARTLET_SIMULATION_SEED` plays one and prints its story.
@Suite("MailSimulation")
struct MailSimulationTests {
  static let environment = ProcessInfo.processInfo.environment
  /// Seeds of one test case, of which as many run at once as there are processors.
  static let batch = 20
  static let seeds = environment["MARTLET_SIMULATION_SEEDS"].flatMap { Int($0) } ?? 200
  /// Seeds that once failed, with what they found; kept for good. A change of the scenario gives a seed another story, so
  /// each find has a test of its own beside the code as well.
  static let regressions: [(seed: UInt64, found: String)] = [
    (182, "the store was asked without end for a lane whose mail an operator had in hand"),
    (236, "a survey that had been short of room was asked for without end while the store was unavailable"),
    (83, "the check itself: a power cut between an operator's delete and the word of the delivery it overtook"),
  ]

  @Test(
    "whatever fails, nothing acknowledged is lost, and the queue drains when the faults stop",
    arguments: Array(stride(from: 1, through: seeds, by: batch)))
  func playSeeds(from first: Int) async {
    for seed in first..<min(first + Self.batch, Self.seeds + 1) {
      play(UInt64(seed))
      // Tests of other suites, which have sockets and deadlines, wait for no more than a seed.
      await Task.yield()
    }
  }

  /// Seeds by which everything must have been met at the latest, however many are played elsewhere.
  static let coveringSeeds: ClosedRange<UInt64> = 1...800

  @Test("every kind of fault is met: each stage with each cause of the golden table, and all that machines do")
  func coversEveryFault() async {
    var missing = Set(InjectedFault.allKinds)
    // The last first: the others play from the front.
    for seed in Self.coveringSeeds.reversed() where !missing.isEmpty {
      missing.subtract(Self.played.report(of: seed).injected.keys)
      await Task.yield()
    }
    #expect(missing == [], "\(missing.count) of \(InjectedFault.allKinds.count) kinds are never met")
    #expect(Set(FaultCatalogue.causes.map(\.name)).count == FaultCatalogue.causes.count)
  }

  @Test("seeds that once failed hold")
  func playRegressions() {
    for (seed, _) in Self.regressions { play(seed) }
  }

  /// What became of the seeds that more than one test looks at, so that each is played once.
  private static let played = PlayedSeeds(keeping: coveringSeeds)

  private func play(_ seed: UInt64) {
    let report = Self.played.report(of: seed)
    #expect(report.violations == [], "seed \(seed): \(report.summary)")
  }

  @Test(
    "one seed, told in full",
    .enabled(if: environment["MARTLET_SIMULATION_SEED"] != nil, "asks for MARTLET_SIMULATION_SEED"))
  func oneSeed() throws {
    let seed = try #require(Self.environment["MARTLET_SIMULATION_SEED"].flatMap { UInt64($0) })
    let report = MailSimulation.run(seed: seed, keepsTrace: true)
    print(report.lines.joined(separator: "\n"))
    print(report.summary)
    #expect(report.violations == [])
  }
}

/// Plays a seed when it is first asked for, and keeps what became of it.
private final class PlayedSeeds: Sendable {
  private let kept: ClosedRange<UInt64>
  private let reports = Mutex<[UInt64: MailSimulation.Report]>([:])
  init(keeping kept: ClosedRange<UInt64>) { self.kept = kept }

  func report(of seed: UInt64) -> MailSimulation.Report {
    if let known = reports.withLock({ $0[seed] }) { return known }
    let report = MailSimulation.run(seed: seed)
    if kept.contains(seed) { reports.withLock { $0[seed] = report } }
    return report
  }
}
