import MailSyntax
public import NIOCore

/// Counts off the octets of one BDAT chunk. Source: RFC 3030 §2: nothing in the content is looked at.
public struct ChunkFraming: Sendable {
  public private(set) var remaining: Int

  /// - Parameter size: as BDAT gave it, not negative.
  public init(size: Int) {
    invariant(size >= 0, "a chunk's size is not negative")
    remaining = size
  }

  /// `.end` once the chunk is whole, at once for a chunk of none.
  public mutating func next(_ bytes: inout ByteBuffer) -> ContentEvent {
    guard remaining > 0 else { return .end }
    guard bytes.readableBytes > 0, let slice = bytes.readSlice(length: min(remaining, bytes.readableBytes)) else {
      return .needBytes
    }
    remaining -= slice.readableBytes
    return .content(slice)
  }
}
