import ControlPlane
import MailQueue
import Testing

@testable import martlet

@Suite("Metrics of a server", .timeLimit(.minutes(2)))
struct MetricsTests {
  @Test("what is recorded is counted once on its way to the log, beside what stands at the moment of asking")
  func house() async throws {
    try await DemoHouse.withOne { house, _ in
      house.log.record(
        MailEvent(.alarm, [.init("what", .text("a-test")), .init("until-cleared", .flag(true))]))
      let lines = try await house.metrics().split(separator: "\n").map(String.init)
      for expected in [
        "martlet_info{version=\"\(Version.current)\"} 1", "martlet_alarms_standing{what=\"a-test\"} 1",
        "martlet_alarms_total{what=\"a-test\"} 1", "martlet_store_accepting 1", "martlet_queue_messages 0",
        "martlet_queue_recipients{state=\"queued\"} 0", "martlet_destinations_waiting{reason=\"insecure\"} 0",
      ] {
        #expect(lines.contains(expected), "\(expected)")
      }
    }
  }
}
