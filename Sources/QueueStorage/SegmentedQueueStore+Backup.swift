import GRDB
public import MailQueue
public import MailSyntax
import NIOPosix

/// What a backup took.
public struct BackupSummary: Hashable, Sendable {
  public var messages: Int
  public var bytes: ByteCount
  /// Messages whose stored body failed its checksum: their rows are in the copy, their bodies are as damaged there.
  public var damaged: [QueueID]
}

extension SegmentedQueueStore {
  /// Copies the queue as it stands at one moment into `target`, a folder that is empty or absent, while mail flows.
  ///
  /// First the database, in one read transaction; then each body it names, at its place. Bodies that leave the queue
  /// meanwhile keep their bytes until the copy ends: nothing is written over while it runs. Backups have a thread of
  /// their own, one at a time; housekeeping and checkpoints go on.
  public func backup(to target: String) async throws(StoreOpenError) -> BackupSummary {
    files.hold()
    defer { files.release() }
    return try await onThread(of: copier) { () -> Result<BackupSummary, StoreOpenError> in
      do {
        let copy = BackupCopy(from: self.files, to: target) { try self.standing.checkRunning() }
        return .success(try copy.run())
      } catch let fault as StoreOpenError {
        return .failure(fault)
      } catch let fault as SystemFault {
        return .failure(.system(fault))
      } catch {
        return .failure(.database("\(error)"))
      }
    }.get()
  }

  /// Makes a data folder of a backup. Every queued recipient in it is held, so that an old copy sends nothing before
  /// an operator has looked at it and released what is to go.
  ///
  /// `folder` is absent, or holds no queue. Broken off at any step it holds none either, and the same call begins again.
  ///
  /// Every body is compared with its checksum. Those that were `damaged` when the backup was made are so again; where
  /// others are missing or damaged, nothing is restored unless `acceptingLoss`: then their rows are held without a body,
  /// and the summary names them.
  public static func restore(
    from backup: String, to folder: String, damaged: Set<QueueID> = [], acceptingLoss: Bool = false,
    fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(StoreOpenError) -> BackupSummary {
    do {
      let source = SegmentFiles(folder: backup, options: StoreOptions(), fileSystem: fileSystem)
      try fileSystem.createFolder(folder)
      let lock = try FolderLock(folder: folder)
      let summary = try BackupCopy(from: source, to: folder).run { db, summary in
        let lost = summary.damaged.filter { !damaged.contains($0) }
        guard acceptingLoss || lost.isEmpty else {
          throw StoreOpenError.bodiesLost(Array(lost.prefix(StoreOpenError.maximumNamed)), count: lost.count)
        }
        try db.execute(
          sql: """
            UPDATE recipients SET state = ?,
              last_result = ? || iif(typeof(last_result) = 'text', '; before that: ' || last_result, ''),
              \(RowCoding.typedColumns)
            WHERE state = ?
            """,
          arguments: [RowCoding.number(of: .held), "restored from a backup", RowCoding.number(of: .queued)])
      }
      withExtendedLifetime(lock) {}
      return summary
    } catch let fault as StoreOpenError {
      throw fault
    } catch let fault as SystemFault {
      throw .system(fault)
    } catch {
      throw .database("\(error)")
    }
  }
}
