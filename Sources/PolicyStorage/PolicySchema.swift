import GRDB
import QueueStorage

/// `policy.sqlite`. Domains, hosts and addresses stand in the one form they are looked up by; moments are nanoseconds
/// since 1970, spans nanoseconds.
enum PolicySchema {
  static let steps = SchemaSteps(
    file: SQLitePolicyStore.fileName,
    [
      """
      CREATE TABLE sts_policies (
        domain TEXT PRIMARY KEY NOT NULL,
        mode TEXT NOT NULL,
        max_age INTEGER NOT NULL,
        patterns TEXT NOT NULL,
        record_id TEXT NOT NULL,
        fetched_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE floor_overrides (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        domain TEXT NOT NULL,
        subdomains INTEGER NOT NULL,
        floor TEXT NOT NULL,
        begins_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL,
        reason TEXT NOT NULL,
        author TEXT NOT NULL
      ) STRICT;

      CREATE TABLE policy_audit (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        instant INTEGER NOT NULL,
        deed TEXT NOT NULL,
        domain TEXT NOT NULL,
        author TEXT NOT NULL,
        reason TEXT NOT NULL,
        number INTEGER,
        floor TEXT,
        ends_at INTEGER
      ) STRICT;
      CREATE TRIGGER policy_audit_keeps BEFORE DELETE ON policy_audit
        BEGIN SELECT RAISE(ABORT, 'the audit is never shortened'); END;
      CREATE TRIGGER policy_audit_stands BEFORE UPDATE ON policy_audit
        BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;

      CREATE TABLE steady_tls (
        domain TEXT NOT NULL,
        host TEXT NOT NULL,
        address TEXT NOT NULL,
        level TEXT NOT NULL,
        successes INTEGER NOT NULL,
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        PRIMARY KEY (domain, host, address)
      ) STRICT, WITHOUT ROWID;
      """,
      "ALTER TABLE policy_audit ADD COLUMN weaker_than TEXT",
      // Of the drop that stands for the row's domain; null where none does.
      """
      ALTER TABLE steady_tls ADD COLUMN dropped_at INTEGER;
      ALTER TABLE steady_tls ADD COLUMN weak_at INTEGER;
      """,
      // What came in whose name, by day, for aggregate reports.
      """
      CREATE TABLE authentication_records (
        day INTEGER NOT NULL,
        policy_domain TEXT NOT NULL,
        policy TEXT NOT NULL,
        author_domain TEXT NOT NULL,
        client TEXT NOT NULL,
        reverse_path_domain TEXT NOT NULL,
        spf TEXT NOT NULL,
        dkim TEXT NOT NULL,
        spf_aligned INTEGER NOT NULL,
        dkim_aligned INTEGER NOT NULL,
        disposition TEXT NOT NULL,
        override TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (day, policy_domain, policy, author_domain, client, reverse_path_domain, spf, dkim, spf_aligned,
          dkim_aligned, disposition, override)
      ) STRICT, WITHOUT ROWID;
      """,
    ])

  /// One connection, of the store's one thread, with every durable setting made and looked at again.
  static func open(_ path: String) throws(StoreOpenError) -> DatabaseQueue {
    do {
      var configuration = Configuration()
      configuration.journalMode = .wal
      configuration.busyMode = .timeout(5)
      configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA temp_store = MEMORY") }
      let database = try DatabaseQueue(path: path, configuration: configuration)
      try database.writeWithoutTransaction { db in
        // GRDB sets NORMAL with WAL; Law 1 needs every commit synced.
        try db.execute(sql: "PRAGMA synchronous = FULL")
        try steps.migrate(db)
        try steps.expect(db, "synchronous", 2)
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
        guard mode == "wal" else {
          throw StoreOpenError.database("journal_mode is \(mode ?? "unset") and must be wal", file: steps.file)
        }
      }
      return database
    } catch let fault as StoreOpenError {
      throw fault
    } catch {
      throw .database("\(error)", file: steps.file)
    }
  }
}
