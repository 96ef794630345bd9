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
  private let foundCorrupt: @Sendable () async -> Void

  init(_ id: QueueID, _ body: ByteBuffer, isDamaged: Bool, foundCorrupt: @escaping @Sendable () async -> Void) {
    self.id = id
    self.rest = Mutex(body)
    self.isDamaged = isDamaged
    self.foundCorrupt = foundCorrupt
  }

  func next() async throws(StoreFault) -> ByteBuffer? {
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
