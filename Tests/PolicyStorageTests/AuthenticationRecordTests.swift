import MailSyntax
import PolicyStorage
import QueueStorage
import Relay
import Testing

@Suite("What came in whose name, on disk")
struct AuthenticationRecordTests {
  private func record(
    _ domain: String, daysAgo: Int = 0, policy: String = "v=DMARC1; p=reject",
    _ disposition: AuthenticationRecord.Disposition = .none
  ) throws -> AuthenticationRecord {
    AuthenticationRecord(
      day: Int(StillClock.start.seconds / 86_400) - daysAgo, policyDomain: try DomainName(domain), policy: policy,
      authorDomain: try DomainName("news.\(domain)"), client: .v4(0xc000_0201), reversePathDomain: "x.example",
      spf: "fail x.example", dkim: "pass y.example/s\nfail z.example/t", isSPFAligned: false, isDKIMAligned: true,
      disposition: disposition, override: "")
  }

  @Test("is counted up over restarts, one row for each that differs, and forgotten after its days")
  func counts() async throws {
    let folder = try TestFolder()
    let (one, other) = (try record("a.example"), try record("a.example", .reject))
    let changed = try record("a.example", policy: "v=DMARC1; p=none")
    let today = one.day
    var store = try await SQLitePolicyStore.open(folder: folder.path, clock: StillClock(), events: EventLog())
    try await store.add([
      CountedRecord(record: one, count: 3), CountedRecord(record: other, count: 1),
      CountedRecord(record: try record("old.example", daysAgo: 15), count: 1),
      CountedRecord(record: try record("late.example", daysAgo: 14), count: 7),
    ])
    await store.close()
    store = try await SQLitePolicyStore.open(folder: folder.path, clock: StillClock(), events: EventLog())
    try await store.add([CountedRecord(record: one, count: 2), CountedRecord(record: changed, count: 1)])
    let found = try await store.authenticationRecords(of: today, limit: 10)
    #expect(
      Set(found) == [
        CountedRecord(record: one, count: 5), CountedRecord(record: other, count: 1),
        CountedRecord(record: changed, count: 1),
      ])
    #expect(found.map(\.count) == [5, 1, 1], "what came most often stands first")
    #expect(try await store.authenticationRecords(of: today, limit: 2).count == 2)
    #expect(try await store.authenticationRecords(of: today - 15, limit: 10).isEmpty)
    #expect(try await store.authenticationRecords(of: today - 14, limit: 10).map(\.count) == [7])
    await store.close()
  }
}
