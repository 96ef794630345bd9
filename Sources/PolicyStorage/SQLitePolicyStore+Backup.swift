import GRDB
public import QueueStorage

/// How much of what must not be forgotten a policy store has.
public struct PolicyCounts: Hashable, Sendable {
  public let policies: Int
  public let overrides: Int
}

extension SQLitePolicyStore {
  /// Copies the store as it stands at one moment into a new file, for its owner alone, durable when this returns.
  public func backup(to path: String) async throws(StoreOpenError) -> PolicyCounts {
    try await onOwnThread { database in
      do {
        // SQLite fills an empty file, which so has its permissions from the start.
        let file = try self.fileSystem.open(path, .create)
        defer { self.fileSystem.close(file) }
        try database.vacuum(into: path)
        try self.fileSystem.syncData(file)
        return .success(try SQLitePolicyStore.counts(inBackup: path))
      } catch let fault as StoreOpenError {
        return .failure(fault)
      } catch let fault as SystemFault {
        return .failure(.system(fault))
      } catch {
        return .failure(.database("\(error)", file: SQLitePolicyStore.fileName))
      }
    }
  }

  /// What a copy has, once all of it was looked at: a damaged one is no backup.
  public static func counts(inBackup path: String) throws(StoreOpenError) -> PolicyCounts {
    do {
      var configuration = Configuration()
      configuration.readonly = true
      let database = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? database.close() }
      return try database.read { db in
        try PolicySchema.steps.expectKnown(db)
        let verdict = try String.fetchOne(db, sql: "PRAGMA integrity_check(1)")
        guard verdict == "ok" else {
          throw StoreOpenError.database("the copy is damaged: \(verdict ?? "it says nothing")", file: fileName)
        }
        return PolicyCounts(
          policies: try Int.fetchOne(db, sql: "SELECT count(*) FROM sts_policies") ?? 0,
          overrides: try Int.fetchOne(db, sql: "SELECT count(*) FROM floor_overrides") ?? 0)
      }
    } catch let fault as StoreOpenError {
      throw fault
    } catch {
      throw .database("\(error)", file: fileName)
    }
  }
}
