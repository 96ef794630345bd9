import MailQueue
import MailSyntax
import NIOCore
import Synchronization

final class ModelBodyWriter: BodyWriter {
  private let bytes = Mutex(ByteBuffer())

  func write(_ bytes: ByteBuffer) -> Prompt<Void> {
    self.bytes.withLock { _ = $0.writeImmutableBuffer(bytes) }
    return .now(())
  }

  var size: ByteCount { ByteCount(bytes.withLock { $0.readableBytes }) }
  func discard() { bytes.withLock { $0.clear() } }
  func seal() -> ByteBuffer { bytes.withLock { $0 } }
}

final class ModelBodyReader: BodyReader {
  static let longestPiece = 65_536

  private let id: QueueID
  private let rest: Mutex<ByteBuffer>
  private let isDamaged: Bool
  private let check: @Sendable () throws(StoreFault) -> Void
  private let foundCorrupt: @Sendable () async -> Void

  /// `check` says whether the next piece can be had at this moment.
  init(
    _ id: QueueID, _ body: ByteBuffer, isDamaged: Bool, check: @escaping @Sendable () throws(StoreFault) -> Void,
    foundCorrupt: @escaping @Sendable () async -> Void
  ) {
    self.check = check
    self.id = id
    self.rest = Mutex(body)
    self.isDamaged = isDamaged
    self.foundCorrupt = foundCorrupt
  }

  func next() async throws(StoreFault) -> ByteBuffer? {
    try check()
    let (piece, isLast) = rest.withLock { rest in
      (rest.readSlice(length: min(rest.readableBytes, ModelBodyReader.longestPiece)), rest.readableBytes == 0)
    }
    if isDamaged, isLast {
      await foundCorrupt()
      throw .corrupt(id)
    }
    guard let piece, piece.readableBytes > 0 else { return nil }
    return piece
  }
}
