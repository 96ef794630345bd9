import ControlPlane
import Foundation
import MailQueue
import MailSyntax
import PolicyStorage
import QueueStorage

/// A backup on disk: queue and transport policy as their stores copy them, the users, the signing keys, the key of the
/// SCRAM decoys, and `backup.json`, which is written last.
///
/// Made beside its place and then moved there: a folder of the wanted name is a whole backup, or isn't there.
enum BackupFolder {
  static let recordName = "backup.json"
  static let usersName = "users.json"
  static let keyName = "scram-decoys.key"
  static let signingKeysName = SigningKeyFile.name
  static let policyName = SQLitePolicyStore.fileName
  static let unfinishedSuffix = ".unfinished"

  /// What `backup.json` says.
  struct Record: Codable {
    /// 1 had no transport policy.
    static let currentFormat = 2
    let format: Int
    let program: String
    let madeAt: Timestamp
    let messages: Int
    let bytes: Int
    /// Messages whose stored body was damaged before the backup was made.
    let damaged: [String]
    /// MTA-STS policies and overrides; nil in format 1.
    var policies: Int?
    var overrides: Int?

    private enum CodingKeys: String, CodingKey {
      case format, program, messages, bytes, damaged, policies, overrides
      case madeAt = "made_at"
    }
  }

  /// Copies while mail flows. `folder` is an absolute path where nothing is.
  static func make(
    _ store: SegmentedQueueStore, policy: SQLitePolicyStore, usersFile: String, dataFolder: String, to folder: String,
    at now: UTCInstant
  ) async throws -> Record {
    guard !isThere(folder) else {
      throw ControlFault(.occupied, "\(folder): something is here already; a backup goes into a new folder")
    }
    let workplace = folder + unfinishedSuffix
    // What an interrupted backup left.
    try? FileManager.default.removeItem(atPath: workplace)
    do {
      let summary = try await store.backup(to: workplace)
      let kept = try await policy.backup(to: workplace + "/" + policyName)
      if isThere(usersFile) { try copy(usersFile, to: workplace + "/" + usersName) }
      for name in [keyName, signingKeysName] where isThere(dataFolder + "/" + name) {
        try copy(dataFolder + "/" + name, to: workplace + "/" + name)
      }
      let record = Record(
        format: Record.currentFormat, program: Version.current, madeAt: Timestamp(now), messages: summary.messages,
        bytes: summary.bytes.bytes, damaged: summary.damaged.map(\.description),
        policies: kept.policies, overrides: kept.overrides)
      try SecretFiles.replace(workplace + "/" + recordName, with: Array((try QueueText.json(record) + "\n").utf8))
      try move(workplace, to: folder)
      return record
    } catch {
      try? FileManager.default.removeItem(atPath: workplace)
      throw error
    }
  }

  static func record(of folder: String) throws -> Record {
    guard let data = FileManager.default.contents(atPath: folder + "/" + recordName) else {
      throw FileTrouble("\(folder): no backup is here (no \(recordName))")
    }
    guard let record = try? JSONDecoder().decode(Record.self, from: data) else {
      throw FileTrouble("\(folder)/\(recordName): can't be read; it was changed, or made by a later version")
    }
    guard (1...Record.currentFormat).contains(record.format) else {
      throw FileTrouble(
        "\(folder): the backup has format \(record.format), this version reads up to \(Record.currentFormat); "
          + "use martlet \(record.program)")
    }
    return record
  }

  /// Makes a data folder of a backup, every queued recipient held.
  ///
  /// All is made ready in a folder of its own inside; `queue.sqlite3` is moved into its place last, and without it a
  /// server finds no queue, and refuses to begin an empty one. An interrupted restore is begun again by the same command.
  ///
  /// - Parameter acceptingLoss: messages whose bodies the backup has lost are restored without them.
  /// - Returns: with the record the messages that have no whole body.
  static func restore(
    _ folder: String, to dataFolder: String, usersFile: String, acceptingLoss: Bool = false
  ) throws -> (record: Record, damaged: [QueueID]) {
    let record = try record(of: folder)
    guard isThere(folder + "/queue.sqlite3") else {
      throw FileTrouble("\(folder): the backup has lost its queue.sqlite3; nothing was restored")
    }
    try expectPolicy(in: folder, record)
    let workplace = unfinishedRestore(in: dataFolder)
    try FileManager.default.createDirectory(
      atPath: dataFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try OperatingPlace.becomeOwner(of: dataFolder)
    // Nobody may serve the folder, or restore into it, in the meantime.
    let lock = try FolderLock(folder: dataFolder)
    defer { withExtendedLifetime(lock) {} }
    try clear(dataFolder, workplace: workplace)
    let hasOwnUsersFile = !usersFile.hasPrefix(dataFolder + "/")
    // An interrupted restore may have put it there.
    guard !hasOwnUsersFile || !isThere(usersFile) || isSame(usersFile, folder + "/" + usersName) else {
      throw ControlFault(.occupied, "\(usersFile): a users file is here already; move it away, and restore again")
    }

    try FileManager.default.createDirectory(
      atPath: workplace, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let summary = try SegmentedQueueStore.restore(
      from: folder, to: workplace, damaged: Set(record.damaged.compactMap { QueueID($0) }),
      acceptingLoss: acceptingLoss)
    guard summary.messages == record.messages else {
      throw FileTrouble(
        "\(folder): \(recordName) speaks of \(QueueText.count(record.messages, "message")) and queue.sqlite3 has "
          + "\(summary.messages); they are not of one backup, and nothing was restored")
    }
    // What holds the mail is in the database itself and not in a log beside it, which would stay behind.
    guard !isThere(workplace + "/queue.sqlite3-wal") else {
      throw ControlFault(.failed, "\(workplace): the copied database did not close; nothing was restored")
    }
    for (name, target) in [
      (policyName, dataFolder + "/" + policyName), (usersName, usersFile), (keyName, dataFolder + "/" + keyName),
      (signingKeysName, dataFolder + "/" + signingKeysName),
    ] where isThere(folder + "/" + name) {
      try copy(folder + "/" + name, to: target)
    }
    for name in restoredNames + ["queue.sqlite3"] where isThere(workplace + "/" + name) {
      try move(workplace + "/" + name, to: dataFolder + "/" + name)
    }
    try FileManager.default.removeItem(atPath: workplace)
    return (record, summary.damaged)
  }

  /// Law 2: a restore never forgets a policy or an override in silence.
  private static func expectPolicy(in folder: String, _ record: Record) throws {
    guard record.format > 1 else { return }
    let path = folder + "/" + policyName
    guard isThere(path) else {
      throw FileTrouble("\(folder): the backup has lost its \(policyName); nothing was restored")
    }
    let found = try SQLitePolicyStore.counts(inBackup: path)
    guard found.policies == record.policies, found.overrides == record.overrides else {
      throw FileTrouble(
        "\(folder): \(recordName) speaks of \(record.policies ?? 0) policies and \(record.overrides ?? 0) overrides, and "
          + "\(policyName) has \(found.policies) and \(found.overrides); they are not of one backup, and nothing was "
          + "restored")
    }
  }

  private static func unfinishedRestore(in dataFolder: String) -> String { dataFolder + "/restore" + unfinishedSuffix }

  /// A server that began with an empty queue where a restore was broken off or refused would hide that the mail isn't
  /// there, and stand in the way of the next try.
  static func expectNoUnfinishedRestore(in dataFolder: String) throws {
    let workplace = unfinishedRestore(in: dataFolder)
    guard isThere(workplace), !OperatingPlace.holdsQueue(dataFolder) else { return }
    throw FileTrouble(
      "\(workplace): a restore into this folder was not finished, so its mail is not here; give the same martlet "
        + "restore again, or take this folder away to begin with an empty queue")
  }

  /// What a restore puts into place before the database.
  private static let restoredNames = ["segments", "bodies"]

  /// An empty folder, or one that an interrupted restore has left, is made ready; anything else is refused.
  private static func clear(_ dataFolder: String, workplace: String) throws {
    let mayStay: Set<String> = ["lock", "lost+found"]
    let found = Set(try FileManager.default.contentsOfDirectory(atPath: dataFolder)).subtracting(mayStay)
    guard !found.isEmpty else { return }
    let ours: Set<String> = Set(restoredNames).union([
      policyName, usersName, keyName, signingKeysName, (workplace as NSString).lastPathComponent,
    ])
    guard isThere(workplace), found.isSubset(of: ours), !isThere(dataFolder + "/queue.sqlite3") else {
      let names = found.sorted().prefix(3).joined(separator: ", ")
      throw ControlFault(
        .occupied, "\(dataFolder): this holds something (\(names)); restore into an empty or new folder")
    }
    for name in found { try FileManager.default.removeItem(atPath: dataFolder + "/" + name) }
  }

  private static func isSame(_ one: String, _ other: String) -> Bool {
    FileManager.default.contentsEqual(atPath: one, andPath: other)
  }

  private static func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  private static func copy(_ path: String, to target: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FileTrouble("\(path): can't be read; check its owner and permissions")
    }
    try SecretFiles.replace(target, with: Array(data))
  }

  private static func move(_ path: String, to target: String) throws {
    guard rename(path, target) == 0 else { throw FileTrouble("\(target): \(String(cString: strerror(errno)))") }
    for parent in Set([path, target].map { ($0 as NSString).deletingLastPathComponent }) {
      let folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard folder >= 0 else { continue }
      fsync(folder)
      close(folder)
    }
  }
}
