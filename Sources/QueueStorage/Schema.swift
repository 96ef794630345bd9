import GRDB

/// `queue.sqlite3`: the truth about the queue. Numbered steps, each in one transaction; `user_version` counts them.
enum Schema {
  static let steps = SchemaSteps(
    file: "queue.sqlite3",
    [
      """
      CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        tenant TEXT,
        account TEXT,
        priority INTEGER NOT NULL,
        reverse_path TEXT,
        envelope_id TEXT,
        report_content TEXT,
        body_type TEXT NOT NULL,
        smtputf8 INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        segment INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        length INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        prefix BLOB NOT NULL
      ) STRICT;
      CREATE INDEX messages_by_place ON messages (segment, offset, length);

      CREATE TABLE recipients (
        message INTEGER NOT NULL,
        number INTEGER NOT NULL,
        address TEXT NOT NULL,
        route TEXT NOT NULL,
        account TEXT NOT NULL,
        priority INTEGER NOT NULL,
        notify INTEGER,
        original_type TEXT,
        original_address TEXT,
        state INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        due INTEGER NOT NULL,
        last_result TEXT,
        delay_reported INTEGER NOT NULL,
        PRIMARY KEY (message, number)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX recipients_queued ON recipients (route, account, priority, due) WHERE state = 0;

      CREATE TABLE attempts (
        sequence INTEGER PRIMARY KEY,
        message INTEGER NOT NULL,
        number INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER NOT NULL,
        host TEXT NOT NULL,
        result TEXT NOT NULL,
        tls TEXT NOT NULL
      ) STRICT;
      CREATE INDEX attempts_by_message ON attempts (message);

      CREATE TABLE outbox (
        sequence INTEGER PRIMARY KEY,
        instant INTEGER NOT NULL,
        message TEXT,
        event TEXT NOT NULL
      ) STRICT;
      CREATE INDEX outbox_by_message ON outbox (message);
      """,
      "ALTER TABLE recipients ADD COLUMN forwarded_from TEXT",
      // Messages of before ask for nothing. NULL is never written: it would be a wish that was lost.
      "ALTER TABLE messages ADD COLUMN tls_wish TEXT NOT NULL DEFAULT 'unstated'",
    ])

  /// Opens the writer and the readers, with every durable setting made and looked at again: a database that came from
  /// elsewhere with others is refused.
  static func open(_ path: String, readers: Int) throws(StoreOpenError) -> DatabasePool {
    do {
      var configuration = Configuration()
      configuration.maximumReaderCount = max(1, readers)
      configuration.busyMode = .timeout(5)
      // Before the first table, where alone they have an effect.
      configuration.prepareDatabase { db in
        guard !db.configuration.readonly else { return }
        try db.execute(sql: "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL")
      }
      // What SQLite needs for a moment stays in memory: a file would need a descriptor, and room on the disk.
      configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA temp_store = MEMORY") }
      let pool = try DatabasePool(path: path, configuration: configuration)
      try pool.writeWithoutTransaction { db in
        // GRDB sets NORMAL with WAL; Law 1 needs every commit synced. Checkpoints have a thread of their own.
        try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -65536")
        try steps.migrate(db)
        try steps.expect(db, "synchronous", 2)
        try steps.expect(db, "auto_vacuum", 2)
      }
      return pool
    } catch let fault as StoreOpenError {
      throw fault
    } catch {
      throw .database("\(error)")
    }
  }

  /// A connection of its own for checkpoints or a backup.
  static func openAside(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    return try DatabaseQueue(path: path, configuration: configuration)
  }
}
