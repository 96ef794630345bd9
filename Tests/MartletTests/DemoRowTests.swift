import Diagnosis
import Foundation
import Testing

@testable import martlet

/// Each row of the file that people review, over real sockets and real TLS, held against what the relay recorded, what
/// lies at the receiver and what the attacker could read. The program's own table and judgement have no say in it.
@Suite(
  "The demonstration, row by row", .timeLimit(.minutes(5)),
  .enabled(if: DemoRow.canBePlayed, "each server of the small internet needs a loopback address of its own"))
struct DemoRowTests {
  @Test("the file of expectations is read whole, and the play has no destination that it lacks")
  func complete() async throws {
    #expect(DemoRow.all.count == DemoRow.read.count)
    #expect(Set(DemoRow.all.map(\.description)).count == DemoRow.all.count)
    let crossings = try await DemoPerformance.whole().relay.crossings
    #expect(
      crossings.map { "\($0.destination.promise.rawValue) \($0.destination.attack.rawValue)" }
        == DemoRow.all.map(\.description))
  }

  @Test(
    "STS-013, STS-017, STS-018, STS-025, STS-026, STS-027, DANE-004, DANE-013, DANE-015, DANE-016, STLS-014: with real TLS each promise is kept under each attack",
    arguments: DemoRow.all)
  func row(row: DemoRow) async throws {
    let performance = try await DemoPerformance.whole()
    let crossing = try #require(
      performance.relay.crossings.first {
        $0.destination.promise.rawValue == row.promise && $0.destination.attack.rawValue == row.attack
      }, "the play didn't reach it: \(performance.relay)")
    let record = try #require(crossing.record, "nothing was told of it: \(crossing.fault?.description ?? "")")

    // What Martlet did, and asked for.
    #expect((record.isDelivered ? "delivered" : "waits") == row.conduct, "\(record.result)")
    #expect(DemoExpectation.Demand(rawValue: record.policy)?.word == row.demand, "\(record.policy)")
    #expect(DemoRowTests.channel(of: record) == row.channel, "\(record.tls) \(record.dane)")

    // What lies at the receiver, by the receiver's own word.
    #expect((crossing.hop != nil) == record.isDelivered)
    if let hop = crossing.hop {
      #expect(hop.host == crossing.destination.promise.server.hostName)
      #expect(hop.suite.isEmpty == (row.channel == "clear"))
    }

    // What the attacker could read.
    let seen = crossing.attacker
    #expect(seen.credentials == 0)
    switch row.attacker {
    case "unread": #expect(seen.envelopeCommands == 0 && seen.bodyOctets == 0, "\(seen)")
    case "read": #expect(seen.envelopeCommands > 0 && seen.bodyOctets > 0, "\(seen)")
    case _: Issue.record("nobody knows what \(row.attacker) means")
    }

    // That the attack was real.
    #expect((seen.strikes > 0) == (row.attack != "listening" && row.demand != "another MX"), "\(seen)")
    #expect((seen.connections > 0) == (row.demand != "another MX"), "\(seen)")

    #expect(crossing.fault == nil, "\(crossing.fault?.description ?? "")")
  }

  /// As the file names it, read from the relay's record.
  private static func channel(of record: DemoEars.Report) -> String {
    guard record.isDelivered else { return "none" }
    guard record.tls.hasPrefix("TLSv1.3 ") else { return record.tls.hasPrefix("none (") ? "clear" : record.tls }
    if record.tls.hasSuffix(" dane") { return record.dane.hasPrefix("matched ") ? "dane" : "no TLSA record" }
    if record.tls.contains(" verified ") { return "verified" }
    return record.tls.contains(" unverified ") ? "unproven" : record.tls
  }
}
