import GRDB
import MailQueue
import MailSyntax

/// One copying of a data folder. The source's bodies must stay while it runs.
///
/// The copied database has another name until all is there and durable; without the right name no store finds it. So a
/// copy that was broken off, wherever, is no queue, and the next into the same folder begins again.
struct BackupCopy {
  static let unfinishedName = "queue.sqlite3.unfinished"
  private static let pieceBytes = 1 << 18

  private let source: SegmentFiles
  private let target: SegmentFiles
  private let fileSystem: any FileSystem
  private let mayGoOn: () throws -> Void

  /// `mayGoOn` is asked before each piece of a body, and ends the copying by what it throws.
  init(from source: SegmentFiles, to folder: String, mayGoOn: @escaping () throws -> Void = {}) {
    self.source = source
    fileSystem = source.fileSystem
    target = SegmentFiles(folder: folder, options: source.options, fileSystem: source.fileSystem)
    self.mayGoOn = mayGoOn
  }

  /// The copied database has the current schema, whatever the source's. `changing` works on it before it gets its name,
  /// once the bodies were looked at.
  func run(changing: (Database, BackupSummary) throws -> Void = { _, _ in }) throws -> BackupSummary {
    for path in [target.folder, target.segmentsFolder, target.bodiesFolder] { try fileSystem.createFolder(path) }
    try clear()
    let unfinished = target.folder + "/" + BackupCopy.unfinishedName
    let original = try Schema.openAside(source.folder + "/queue.sqlite3")
    defer { try? original.close() }
    _ = try original.read { db in try Schema.steps.expectKnown(db) }
    // Made here, it is for its owner alone.
    fileSystem.close(try fileSystem.open(unfinished, .create))
    try original.vacuum(into: unfinished)
    // What is found here from now on is known as an unfinished copy's.
    try fileSystem.syncFolder(target.folder)

    let copy = try Schema.openAside(unfinished)
    defer { try? copy.close() }
    try copy.writeWithoutTransaction { db in try Schema.steps.migrate(db) }
    let summary = try copy.read { db in try copyBodies(named: db) }
    try copy.write { db in try changing(db, summary) }
    try copy.close()

    let file = try fileSystem.open(unfinished, .write)
    defer { fileSystem.close(file) }
    try fileSystem.syncData(file)
    for path in [target.segmentsFolder, target.bodiesFolder] { try fileSystem.syncFolder(path) }
    try fileSystem.rename(unfinished, to: target.folder + "/queue.sqlite3")
    try fileSystem.syncFolder(target.folder)
    try fileSystem.syncFolder(parent(of: target.folder))
    return summary
  }

  /// Takes away what an unfinished copy has left, its mark last. Anything else that is here stays, and nothing is copied.
  private func clear() throws {
    let names = try fileSystem.list(target.folder)
    let marks = names.filter { $0.hasPrefix(BackupCopy.unfinishedName) }
    let left =
      try fileSystem.list(target.segmentsFolder).map { target.segmentsFolder + "/" + $0 }
      + fileSystem.list(target.bodiesFolder).map { target.bodiesFolder + "/" + $0 }
    guard !names.contains(where: { $0.hasPrefix("queue.sqlite3") && !marks.contains($0) }),
      left.isEmpty || !marks.isEmpty
    else { throw StoreOpenError.notEmpty(folder: target.folder) }
    for path in left { try fileSystem.remove(path) }
    for name in marks.reversed() { try fileSystem.remove(target.folder + "/" + name) }
  }

  /// Segment by segment, each synced once. What no row names is left as a hole.
  private func copyBodies(named db: Database) throws -> BackupSummary {
    var summary = BackupSummary(messages: 0, bytes: 0, damaged: [])
    var open: (number: Int, from: Int32, to: Int32)?
    func close() -> Int32? {
      guard let files = open else { return nil }
      open = nil
      fileSystem.close(files.from)
      return files.to
    }
    func finish() throws(SystemFault) {
      guard let to = close() else { return }
      defer { fileSystem.close(to) }
      try fileSystem.syncData(to)
    }
    defer { if let to = close() { fileSystem.close(to) } }

    let rows = try Row.fetchCursor(
      db, sql: "SELECT segment, offset, length, checksum, id FROM messages ORDER BY segment, offset")
    while let row = try rows.next() {
      let place = row.place(0, 1, 2)
      summary.messages += 1
      if place.segment == BodyPlace.ownFile || open?.number != place.segment {
        try finish()
        if place.isPossible, let from = try openIfThere(source.path(of: place)) {
          do throws(SystemFault) {
            open = (place.segment, from, try fileSystem.open(target.path(of: place), .write))
          } catch {
            fileSystem.close(from)
            throw error
          }
          if place.segment != BodyPlace.ownFile, let files = open { try extend(files.to, like: files.from) }
        }
      }
      var isWhole = false
      if place.isPossible, let files = open {
        isWhole = try copyBody(place, checksum: row.integer(3), from: files.from, to: files.to)
        summary.bytes = ByteCount(summary.bytes.bytes + place.length)
      }
      if !isWhole, let id = row.text(4).flatMap({ QueueID($0) }) { summary.damaged.append(id) }
    }
    try finish()
    return summary
  }

  /// Nil when the file is lost, and the bodies in it with it.
  private func openIfThere(_ path: String) throws(SystemFault) -> Int32? {
    do throws(SystemFault) {
      return try fileSystem.open(path, .read)
    } catch {
      guard error.isAbsence else { throw error }
      return nil
    }
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

  private func copyBody(_ place: BodyPlace, checksum: Int64?, from: Int32, to: Int32) throws -> Bool {
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: BackupCopy.pieceBytes, alignment: 16)
    defer { piece.deallocate() }
    let start = place.segment == BodyPlace.ownFile ? 0 : place.offset
    var sum = CRC32C()
    var done = 0
    while done < place.length {
      try mayGoOn()
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

  private func parent(of path: String) -> String {
    let trimmed = path.hasSuffix("/") ? path.dropLast() : path[...]
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }
}
