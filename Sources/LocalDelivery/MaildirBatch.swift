import MailSyntax
import NIOCore

/// One message on its way into several Maildirs at once: written to `tmp`, synced, moved to `new`, and at the end each
/// `new` folder synced once, however many messages went into it. Blocking: it lives on a thread pool.
///
/// A value that goes from one step to the next; exactly one of `finish` and `abandon` ends it.
struct MaildirBatch: Sendable {
  struct Target: Sendable {
    let recipient: Int
    let folder: (existing: String, made: [String])
    /// What stands in front of the message for this recipient alone.
    let head: ByteBuffer
    let name: String

    var path: String { ([folder.existing == "/" ? "" : folder.existing] + folder.made).joined(separator: "/") }
  }

  enum Ending: Sendable {
    case delivered(name: String)
    case fault(FileFault)
  }

  private struct Item: Sendable {
    let target: Target
    var descriptor: Int32?
    /// Its file lies in `tmp`.
    var isInTemporary = false
    var size = 0
    var fault: FileFault?

    var temporaryPath: String { "\(target.path)/tmp/\(target.name)" }
    var newFolder: String { "\(target.path)/new" }
    var finalName: String { "\(target.name),S=\(size)" }
  }
  private var items: [Item]

  init(_ targets: [Target]) { items = targets.map { Item(target: $0) } }

  var isHopeless: Bool { items.allSatisfy { $0.fault != nil } }

  /// Appends the pieces to every file, making folders and files at the first call.
  mutating func write(_ pieces: [ByteBuffer]) {
    for index in items.indices {
      attempt(&items[index]) { item throws(FileFault) in
        if item.descriptor == nil { try MaildirBatch.begin(&item) }
        for piece in pieces { try MaildirBatch.append(piece, to: &item) }
      }
    }
  }

  /// The message is whole. What is delivered when this returns survives a power cut.
  mutating func finish() -> [(recipient: Int, ending: Ending)] {
    for index in items.indices {
      attempt(&items[index]) { item throws(FileFault) in
        guard let descriptor = item.descriptor else { return }
        try Files.synchronise(descriptor, item.temporaryPath)
        Files.shut(descriptor)
        item.descriptor = nil
        try Files.move(item.temporaryPath, to: "\(item.newFolder)/\(item.finalName)")
        item.isInTemporary = false
      }
    }
    synchroniseFolders()
    return items.map { item in
      (item.target.recipient, item.fault.map(Ending.fault) ?? .delivered(name: item.finalName))
    }
  }

  /// Leaves nothing behind.
  mutating func abandon() {
    for index in items.indices { MaildirBatch.clear(&items[index]) }
  }

  /// A folder that can't be synced fails all that went into it; a later attempt may then make a second copy, which is
  /// the lesser harm.
  private mutating func synchroniseFolders() {
    var faults: [String: FileFault] = [:]
    for folder in Set(items.filter { $0.fault == nil }.map(\.newFolder)).sorted() {
      do throws(FileFault) { try Files.synchronise(folder: folder) } catch { faults[folder] = error }
    }
    for index in items.indices where items[index].fault == nil { items[index].fault = faults[items[index].newFolder] }
  }

  private func attempt(_ item: inout Item, _ step: (inout Item) throws(FileFault) -> Void) {
    guard item.fault == nil else { return }
    do throws(FileFault) {
      try step(&item)
    } catch {
      item.fault = error
      MaildirBatch.clear(&item)
    }
  }

  private static func begin(_ item: inout Item) throws(FileFault) {
    try prepare(item.target)
    item.descriptor = try Files.create(item.temporaryPath)
    item.isInTemporary = true
    try append(item.target.head, to: &item)
  }

  private static func append(_ piece: ByteBuffer, to item: inout Item) throws(FileFault) {
    guard let descriptor = item.descriptor else { return }
    let path = item.temporaryPath
    let result = piece.withUnsafeReadableBytes { octets -> Result<Int, FileFault> in
      do throws(FileFault) {
        try Files.write(octets, to: descriptor, path)
        return .success(octets.count)
      } catch {
        return .failure(error)
      }
    }
    item.size += try result.get()
  }

  /// The Maildir with its three folders. A folder that is new is synced into the one above it.
  private static func prepare(_ target: Target) throws(FileFault) {
    guard
      !Files.isFolder("\(target.path)/tmp") || !Files.isFolder("\(target.path)/new")
        || !Files.isFolder("\(target.path)/cur")
    else { return }
    var above = target.folder.existing
    for component in target.folder.made {
      let path = above == "/" ? "/\(component)" : "\(above)/\(component)"
      if try Files.makeFolder(path) { try Files.synchronise(folder: above) }
      above = path
    }
    for component in ["cur", "new", "tmp"] { _ = try Files.makeFolder("\(above)/\(component)") }
    try Files.synchronise(folder: above)
  }

  private static func clear(_ item: inout Item) {
    if let descriptor = item.descriptor { Files.shut(descriptor) }
    if item.isInTemporary { Files.remove(item.temporaryPath) }
    item.descriptor = nil
    item.isInTemporary = false
  }
}
