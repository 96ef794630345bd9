import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Synchronization

/// Reads one body in pieces of 64 KiB on a pool's threads; the segment stays pinned until the reader goes away.
final class StoredBodyReader: BodyReader {
  static let longestPiece = 65_536

  private struct State {
    var offset = 0
    var checksum = CRC32C()
    var first: ByteBuffer?
  }

  private let id: QueueID
  private let place: BodyPlace
  private let checksum: UInt32
  private let file: Int32
  private let files: SegmentFiles
  private let standing: StoreStanding
  private let threads: NIOThreadPool
  private let foundCorrupt: @Sendable () async -> Void
  private let state = Mutex(State())

  /// The caller has pinned the segment; the reader unpins it. Throws when the file can't be opened or read.
  init(
    _ id: QueueID, at place: BodyPlace, checksum: UInt32, files: SegmentFiles, standing: StoreStanding,
    threads: NIOThreadPool, foundCorrupt: @escaping @Sendable () async -> Void
  ) throws(SystemFault) {
    self.id = id
    self.place = place
    self.checksum = checksum
    self.files = files
    self.standing = standing
    self.threads = threads
    self.foundCorrupt = foundCorrupt
    file = try files.fileSystem.open(files.path(of: place), .read)
  }

  deinit {
    files.fileSystem.close(file)
    if place.segment != BodyPlace.ownFile { files.withLedger { $0.unpin(place.segment) } }
  }

  /// Called on a pool's thread: a short body is then read with one change of threads.
  func readAhead() throws(StoreFault) {
    let piece = try readPiece()
    state.withLock { $0.first = piece }
  }

  func next() async throws(StoreFault) -> ByteBuffer? {
    try standing.checkRunning()
    let (first, isAtEnd) = state.withLock { state in
      defer { state.first = nil }
      return (state.first, state.offset >= place.length)
    }
    if let first { return first }
    guard !isAtEnd else { return nil }
    let result = await onThread(of: threads) { () -> Result<ByteBuffer, StoreFault> in
      do throws(StoreFault) { return .success(try self.readPiece()) } catch { return .failure(error) }
    }
    if case .failure(.corrupt) = result { await foundCorrupt() }
    return try result.get()
  }

  private func readPiece() throws(StoreFault) -> ByteBuffer {
    try standing.checkRunning()
    var (offset, checksum) = state.withLock { ($0.offset, $0.checksum) }
    let start = place.segment == BodyPlace.ownFile ? 0 : place.offset
    var piece = ByteBuffer()
    let wanted = min(StoredBodyReader.longestPiece, place.length - offset)
    piece.reserveCapacity(wanted)
    while piece.readableBytes < wanted {
      let rest = wanted - piece.readableBytes
      let count = piece.writeWithUnsafeMutableBytes(minimumWritableBytes: rest) { buffer in
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<rest])
        // What the disk won't give back is as lost as what it gives back wrong.
        do throws(SystemFault) {
          return try files.fileSystem.read(into: target, from: file, at: start + offset)
        } catch {
          return 0
        }
      }
      guard count > 0 else { throw .corrupt(id) }
      offset += count
    }
    piece.withUnsafeReadableBytes { checksum.update($0) }
    guard offset < place.length || checksum.value == self.checksum else { throw .corrupt(id) }
    state.withLock { state in
      state.offset = offset
      state.checksum = checksum
    }
    return piece
  }
}
