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
    _ = try await store.add([
      CountedRecord(record: one, count: 3), CountedRecord(record: other, count: 1),
      CountedRecord(record: try record("old.example", daysAgo: 15), count: 1),
      CountedRecord(record: try record("late.example", daysAgo: 14), count: 7),
    ])
    await store.close()
    store = try await SQLitePolicyStore.open(folder: folder.path, clock: StillClock(), events: EventLog())
    let leftOut = try await store.add([
      CountedRecord(record: one, count: 2), CountedRecord(record: changed, count: 1),
    ])
    #expect(leftOut == 0)
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

  @Test("a day has room for so many that differ: of more only those that are there are counted on, and it is told")
  func bound() async throws {
    let folder = try TestFolder()
    let store = try await SQLitePolicyStore.open(folder: folder.path, clock: StillClock(), events: EventLog())
    let most = SQLitePolicyStore.maximumRecordsOfADay
    func counted(_ number: Int, _ count: Int, daysAgo: Int = 0) throws -> CountedRecord {
      CountedRecord(record: try record("a.example", daysAgo: daysAgo, policy: "v=DMARC1; n=\(number)"), count: count)
    }
    #expect(try await store.add((0..<most - 1).map { try counted($0, 1) }) == 0)
    #expect(try await store.add([counted(0, 1), counted(most, 2), counted(most + 1, 3), counted(most + 2, 4)]) == 7)
    #expect(try await store.add([counted(most, 5), counted(most + 1, 5, daysAgo: 1)]) == 0)
    let today = try counted(0, 0).record.day
    let found = try await store.authenticationRecords(of: today, limit: most + 10)
    #expect(found.count == most && found.prefix(2).map(\.count) == [7, 2])
    await store.close()
  }
}
