import MailSyntax
import NIOCore

/// Appends bodies to the current segment: many copied together, one write, one sync. Used by the writer's thread alone.
///
/// Each batch begins at a page of its own and fills its last page with zeros, so that a page with committed bytes is
/// never written again and no page has to be read to be written.
struct SegmentAppender: ~Copyable {
  static let page = 4096
  static let stagingBytes = 1 << 20

  private let files: SegmentFiles
  private var current: (number: Int, file: Int32)?
  /// Where the staged bytes will be written; a multiple of the page at the start of a batch.
  private var position = 0
  private var staged = 0
  private var isDirty = false
  private let staging = UnsafeMutableRawBufferPointer.allocate(
    byteCount: SegmentAppender.stagingBytes, alignment: SegmentAppender.page)

  init(_ files: SegmentFiles) { self.files = files }

  deinit {
    if let current { files.fileSystem.close(current.file) }
    staging.deallocate()
  }

  var isHalfFull: Bool { position > files.options.segmentSize.bytes / 2 }

  /// Continues after the last live byte of a segment found at open: no row names a byte behind it.
  mutating func resume(_ number: Int, after end: Int) throws(SystemFault) {
    let path = files.segmentPath(number)
    let file = try files.fileSystem.open(path, .write)
    guard try files.fileSystem.size(file) == files.options.segmentSize.bytes else {
      return files.fileSystem.close(file)
    }
    current = (number, file)
    position = (end + SegmentAppender.page - 1) / SegmentAppender.page * SegmentAppender.page
    files.withLedger { $0.makeCurrent(number) }
  }

  /// Takes a body in; it is durable after `sync`. The ledger counts it from now on.
  mutating func append(_ slices: [ByteBuffer], length: Int) throws(SystemFault) -> BodyPlace {
    if current == nil || position + staged + length > files.options.segmentSize.bytes { try change() }
    guard let current else { throw SystemFault(call: "append", path: files.segmentsFolder, errno: 2) }
    let place = BodyPlace(segment: current.number, offset: position + staged, length: length)
    for slice in slices {
      var taken = 0
      while taken < slice.readableBytes {
        let count = min(slice.readableBytes - taken, staging.count - staged)
        slice.withUnsafeReadableBytes { bytes in
          UnsafeMutableRawBufferPointer(rebasing: staging[staged..<(staged + count)])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[taken..<(taken + count)]))
        }
        staged += count
        taken += count
        if staged == staging.count { try flush() }
      }
    }
    files.withLedger { $0.add(place) }
    return place
  }

  /// Writes what is staged and makes all appended bodies durable with one sync.
  mutating func sync() throws(SystemFault) {
    fillPage()
    try flush()
    guard isDirty, let current else { return }
    isDirty = false
    do throws(SystemFault) {
      try files.fileSystem.syncData(current.file)
    } catch {
      throw error.on(files.segmentPath(current.number))
    }
  }

  /// Gives up what was appended since the last sync: its bytes are garbage, and the next batch begins behind them.
  mutating func abandonBatch() {
    fillPage()
    position += staged
    staged = 0
  }

  private mutating func change() throws(SystemFault) {
    try sync()
    if let current { files.fileSystem.close(current.file) }
    current = nil
    files.withLedger { $0.retireCurrent() }
    position = 0
    current = try files.openFreshSegment()
  }

  private mutating func fillPage() {
    let end = (position + staged + SegmentAppender.page - 1) / SegmentAppender.page * SegmentAppender.page
    // The staging buffer is a whole number of pages, and flushed whenever it is full: the rest of a page fits.
    let filler = min(end - position - staged, staging.count - staged)
    guard filler > 0 else { return }
    staging[staged..<(staged + filler)].initializeMemory(as: UInt8.self, repeating: 0)
    staged += filler
  }

  private mutating func flush() throws(SystemFault) {
    guard staged > 0, let current else { return }
    isDirty = true
    do throws(SystemFault) {
      try files.fileSystem.write(
        UnsafeRawBufferPointer(rebasing: staging[..<staged]), to: current.file, at: position)
    } catch {
      throw error.on(files.segmentPath(current.number))
    }
    position += staged
    staged = 0
  }
}
