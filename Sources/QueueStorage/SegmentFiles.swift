import MailSyntax
import Synchronization

/// The body files of a data folder: `segments/NNNNNN.segment` and `bodies/NNNNNN.body`.
final class SegmentFiles: Sendable {
  let folder: String
  let options: StoreOptions
  let fileSystem: any FileSystem
  private let ledger = Mutex(SegmentLedger())
  private let postponedRemovals = Mutex<[Int]>([])
  private let lastBody = Atomic<Int>(0)

  init(folder: String, options: StoreOptions, fileSystem: any FileSystem) {
    self.folder = folder
    self.options = options
    self.fileSystem = fileSystem
  }

  var segmentsFolder: String { folder + "/segments" }
  var bodiesFolder: String { folder + "/bodies" }
  func segmentPath(_ number: Int) -> String { "\(segmentsFolder)/\(padded(number)).segment" }
  func bodyPath(_ number: Int) -> String { "\(bodiesFolder)/\(padded(number)).body" }
  func path(of place: BodyPlace) -> String {
    place.segment == BodyPlace.ownFile ? bodyPath(place.offset) : segmentPath(place.segment)
  }

  func withLedger<Result>(_ body: (inout SegmentLedger) -> Result) -> Result {
    ledger.withLock { (ledger: inout sending SegmentLedger) -> Result in body(&ledger) }
  }

  /// Learns what is there: `live` are the segments the rows name, `bodies` the files. What no row names is removed or,
  /// when it is a whole segment, kept to be written over.
  func survey(live: [(number: Int, bodies: Int, bytes: Int)], bodies: Set<Int>) throws(SystemFault) {
    for segment in live { withLedger { $0.adopt(segment.number, bodies: segment.bodies, bytes: segment.bytes) } }
    for name in try fileSystem.list(segmentsFolder) {
      guard let number = number(of: name, "segment"), withLedger({ $0.segments[number] == nil }) else { continue }
      if try isWhole(segmentPath(number)) {
        withLedger { $0.adopt(number) }
      } else {
        try fileSystem.remove(segmentPath(number))
      }
    }
    var highest = bodies.max() ?? 0
    for name in try fileSystem.list(bodiesFolder) {
      guard let number = number(of: name, "body") else { continue }
      highest = max(highest, number)
      if !bodies.contains(number) { try fileSystem.remove(bodyPath(number)) }
    }
    lastBody.store(highest, ordering: .relaxed)
  }

  private enum Blocks {
    /// Full of zeros: syncs into it are the fastest there are, but making it takes as long as the disk needs for it.
    case written
    /// Of its full length at once, its blocks only set aside: each sync then has a little of the file system's own
    /// to write.
    case reserved
  }

  /// Makes a segment, durable and not yet in the ledger.
  private func makeSegment(_ blocks: Blocks) throws(SystemFault) -> Int {
    let number = withLedger { $0.nextNumber() }
    let path = segmentPath(number)
    let file = try fileSystem.open(path, .create)
    defer { fileSystem.close(file) }
    do throws(SystemFault) {
      switch blocks {
      case .written: try writeZeros(from: 0, to: options.segmentSize.bytes, of: file, fileSystem, path)
      case .reserved: try reserveBlocks(of: file, path)
      }
    } catch {
      // A half-made segment on a full disk is the first thing to give back.
      try? fileSystem.remove(path)
      throw error
    }
    try fileSystem.syncFolder(segmentsFolder)
    return number
  }

  private func reserveBlocks(of file: Int32, _ path: String) throws(SystemFault) {
    do throws(SystemFault) {
      try fileSystem.allocate(options.segmentSize.bytes, for: file)
      try fileSystem.syncData(file)
    } catch {
      throw error.on(path)
    }
  }

  /// A segment to write from its start, under a number never used before.
  func openFreshSegment() throws(SystemFault) -> (number: Int, file: Int32) {
    let number: Int
    if let old = withLedger({ $0.takeDead() }) {
      number = withLedger { $0.nextNumber() }
      try fileSystem.rename(segmentPath(old), to: segmentPath(number))
      try fileSystem.syncFolder(segmentsFolder)
    } else {
      // While a backup holds the files, or mail comes faster than spares are made, none is dead. Mail waits for this
      // one, so nothing is written to it beforehand.
      number = try makeSegment(.reserved)
    }
    do throws(SystemFault) {
      let file = try fileSystem.open(segmentPath(number), .write)
      withLedger {
        $0.adopt(number)
        $0.makeCurrent(number)
      }
      return (number, file)
    } catch {
      // It is whole and nobody's: the next to need one takes it.
      withLedger { $0.adopt(number) }
      throw error
    }
  }

  /// Removes dead segments past the spares, and makes one ahead of need when the current one is half full.
  func keepSpares(currentIsHalfFull: Bool) throws(SystemFault) {
    for number in withLedger({ $0.takeSurplus(keeping: options.spareSegments) }) {
      try fileSystem.remove(segmentPath(number))
    }
    guard currentIsHalfFull, withLedger({ $0.holds == 0 && $0.deadCount == 0 }) else { return }
    let number = try makeSegment(.written)
    withLedger { $0.adopt(number) }
  }

  func nextBodyNumber() -> Int { lastBody.add(1, ordering: .relaxed).newValue }

  /// Removes the file of a body that no row names any more; after the backup, when one is running. A removal that
  /// fails or is lost leaves garbage that the next open takes away.
  func removeBody(_ number: Int) {
    let isHeld = withLedger { $0.holds > 0 }
    if isHeld { postponedRemovals.withLock { $0.append(number) } } else { try? fileSystem.remove(bodyPath(number)) }
  }

  func hold() { withLedger { $0.hold() } }

  func release() {
    let isFree = withLedger { ledger in
      ledger.release()
      return ledger.holds == 0
    }
    guard isFree else { return }
    let postponed = postponedRemovals.withLock { numbers in
      defer { numbers = [] }
      return numbers
    }
    for number in postponed { removeBody(number) }
  }

  private func isWhole(_ path: String) throws(SystemFault) -> Bool {
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    return try fileSystem.size(file) == options.segmentSize.bytes
  }

  private func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }

  private func number(of name: String, _ kind: String) -> Int? {
    guard name.hasSuffix("." + kind) else { return nil }
    return Int(name.dropLast(kind.count + 1))
  }
}
