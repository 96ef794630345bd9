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
  /// meanwhile keep their bytes until the copy ends: nothing is written over while it runs.
  public func backup(to target: String) async throws(StoreOpenError) -> BackupSummary {
    files.hold()
    defer { files.release() }
    return try await onThread(of: housekeeper) { () -> Result<BackupSummary, StoreOpenError> in
      do {
        try self.standing.checkRunning()
        return .success(try BackupCopy(from: self.files, to: target).run())
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
  /// `folder` is absent or holds no queue.
  public static func restore(
    from backup: String, to folder: String, fileSystem: any FileSystem = POSIXFileSystem()
  ) throws(StoreOpenError) -> BackupSummary {
    do {
      let source = SegmentFiles(folder: backup, options: StoreOptions(), fileSystem: fileSystem)
      try fileSystem.createFolder(folder)
      let lock = try FolderLock(folder: folder)
      let summary = try BackupCopy(from: source, to: folder).run()
      let database = try Schema.open(folder + "/queue.sqlite3", readers: 1)
      try database.write { db in
        try db.execute(
          sql: "UPDATE recipients SET state = ?, last_result = coalesce(last_result, ?) WHERE state = ?",
          arguments: [RowCoding.number(of: .held), "restored from a backup", RowCoding.number(of: .queued)])
      }
      try database.close()
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

/// One copying of a data folder. The source's bodies must stay while it runs.
struct BackupCopy {
  private let source: SegmentFiles
  private let target: SegmentFiles
  private let fileSystem: any FileSystem

  init(from source: SegmentFiles, to folder: String) {
    self.source = source
    fileSystem = source.fileSystem
    target = SegmentFiles(folder: folder, options: source.options, fileSystem: source.fileSystem)
  }

  func run() throws -> BackupSummary {
    for path in [target.folder, target.segmentsFolder, target.bodiesFolder] { try fileSystem.createFolder(path) }
    let copy = target.folder + "/queue.sqlite3"
    guard try !fileSystem.list(target.folder).contains("queue.sqlite3") else {
      throw StoreOpenError.notEmpty(folder: target.folder)
    }
    let original = try Schema.openAside(source.folder + "/queue.sqlite3")
    defer { try? original.close() }
    try original.vacuum(into: copy)
    let summary = try copyBodies(of: copy)
    let file = try fileSystem.open(copy, .write)
    defer { fileSystem.close(file) }
    try fileSystem.syncData(file)
    for path in [target.segmentsFolder, target.bodiesFolder, target.folder] { try fileSystem.syncFolder(path) }
    return summary
  }

  /// Segment by segment, each synced once. What no row names is left as a hole.
  private func copyBodies(of copy: String) throws -> BackupSummary {
    let database = try Schema.openAside(copy)
    defer { try? database.close() }
    var summary = BackupSummary(messages: 0, bytes: 0, damaged: [])
    try database.read { db in
      var open: (number: Int, from: Int32, to: Int32)?
      func finish() throws(SystemFault) {
        guard let files = open else { return }
        open = nil
        defer {
          fileSystem.close(files.from)
          fileSystem.close(files.to)
        }
        try fileSystem.syncData(files.to)
      }
      let rows = try Row.fetchCursor(
        db, sql: "SELECT segment, offset, length, checksum, id FROM messages ORDER BY segment, offset")
      while let row = try rows.next() {
        let place = BodyPlace(segment: row[0], offset: row[1], length: row[2])
        summary.messages += 1
        guard place.isPossible else {
          if let id = QueueID(row[4] as String) { summary.damaged.append(id) }
          continue
        }
        if place.segment == BodyPlace.ownFile || open?.number != place.segment {
          try finish()
          let from = try fileSystem.open(source.path(of: place), .read)
          open = (place.segment, from, try fileSystem.open(target.path(of: place), .write))
          if place.segment != BodyPlace.ownFile, let files = open { try extend(files.to, like: files.from) }
        }
        guard let files = open else { continue }
        let isWhole = try copyBody(place, checksum: row[3] as Int64, from: files.from, to: files.to)
        if !isWhole, let id = QueueID(row[4] as String) { summary.damaged.append(id) }
        summary.bytes = ByteCount(summary.bytes.bytes + place.length)
      }
      try finish()
    }
    return summary
  }

  /// The last byte is written, so that the copy has the length of a segment and can be written over later.
  private func extend(_ file: Int32, like original: Int32) throws(SystemFault) {
    let size = try fileSystem.size(original)
    guard size > 0 else { return }
    let zero = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
    defer { zero.deallocate() }
    zero.initializeMemory(as: UInt8.self, repeating: 0)
    try fileSystem.write(UnsafeRawBufferPointer(zero), to: file, at: size - 1)
  }

  private func copyBody(_ place: BodyPlace, checksum: Int64, from: Int32, to: Int32) throws -> Bool {
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    defer { piece.deallocate() }
    let start = place.segment == BodyPlace.ownFile ? 0 : place.offset
    var sum = CRC32C()
    var done = 0
    while done < place.length {
      let wanted = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, place.length - done)])
      let count = try fileSystem.read(into: wanted, from: from, at: start + done)
      guard count > 0 else { return false }
      let read = UnsafeRawBufferPointer(rebasing: wanted[..<count])
      sum.update(read)
      try fileSystem.write(read, to: to, at: start + done)
      done += count
    }
    return Int64(sum.value) == checksum
  }
}
