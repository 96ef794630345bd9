import GRDB
public import MailQueue
import MailSyntax
public import Relay

/// What came in whose name. Bounds: `recordDays`, `maximumRecordsOfADay`.
extension SQLitePolicyStore: AuthenticationRecordStore {
  /// Older days are forgotten: a report is of the day before.
  public static let recordDays = 14
  /// Different records of one day; of more only those that are there already are counted on.
  public static let maximumRecordsOfADay = 20_000

  public func add(_ records: [CountedRecord]) async throws(StoreFault) -> Int {
    let oldest = Int(clock.now.seconds / 86_400) - SQLitePolicyStore.recordDays
    return try await run { db in
      try db.execute(sql: "DELETE FROM authentication_records WHERE day < ?", arguments: [oldest])
      var counts: [Int: Int] = [:]
      var leftOut = 0
      for counted in records {
        let record = counted.record
        try db.execute(
          sql: "UPDATE authentication_records SET count = count + ? WHERE \(Self.isTheSame)",
          arguments: [counted.count] + Self.values(record))
        guard db.changesCount == 0 else { continue }
        let present =
          try counts[record.day]
          ?? Int.fetchOne(
            db, sql: "SELECT count(*) FROM authentication_records WHERE day = ?", arguments: [record.day]) ?? 0
        counts[record.day] = present
        guard present < SQLitePolicyStore.maximumRecordsOfADay else {
          leftOut += counted.count
          continue
        }
        try db.execute(
          sql: """
            INSERT INTO authentication_records (day, policy_domain, policy, author_domain, client, reverse_path_domain, spf,
              dkim, spf_aligned, dkim_aligned, disposition, override, count)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: Self.values(record) + [counted.count])
        counts[record.day] = present + 1
      }
      return leftOut
    }
  }

  public func authenticationRecords(of day: Int, limit: Int) async throws(StoreFault) -> [CountedRecord] {
    try await run { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT * FROM authentication_records WHERE day = ?
          ORDER BY policy_domain, count DESC, author_domain, client LIMIT ?
          """,
        arguments: [day, limit]
      ).compactMap(Self.record)
    }
  }

  private static let isTheSame = """
    day = ? AND policy_domain = ? AND policy = ? AND author_domain = ? AND client = ? AND reverse_path_domain = ?
      AND spf = ? AND dkim = ? AND spf_aligned = ? AND dkim_aligned = ? AND disposition = ? AND override = ?
    """

  private static func values(_ record: AuthenticationRecord) -> StatementArguments {
    [
      record.day, record.policyDomain.folded, record.policy, record.authorDomain.folded, record.client.description,
      record.reversePathDomain, record.spf, record.dkim, record.isSPFAligned, record.isDKIMAligned,
      record.disposition.rawValue, record.override,
    ]
  }

  /// Nil where the row was changed by somebody else.
  private static func record(_ row: Row) -> CountedRecord? {
    guard let policyDomain = try? DomainName(row["policy_domain"] as String),
      let authorDomain = try? DomainName(row["author_domain"] as String),
      let client = IPAddress(row["client"] as String),
      let disposition = AuthenticationRecord.Disposition(rawValue: row["disposition"])
    else { return nil }
    return CountedRecord(
      record: AuthenticationRecord(
        day: row["day"], policyDomain: policyDomain, policy: row["policy"], authorDomain: authorDomain, client: client,
        reversePathDomain: row["reverse_path_domain"], spf: row["spf"], dkim: row["dkim"],
        isSPFAligned: row["spf_aligned"], isDKIMAligned: row["dkim_aligned"], disposition: disposition,
        override: row["override"]),
      count: row["count"])
  }
}
