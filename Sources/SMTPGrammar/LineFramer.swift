public import NIOCore

/// Takes lines out of a stream of octets. Only CRLF ends a line (RFC 5321 §2.3.8).
///
/// It holds no octets itself. It remembers how far it has looked, so that a line which comes one octet at a time costs
/// no more than one which comes whole. Between calls with `.needBytes` the buffer may only grow; a new stream gets a
/// new framer.
public struct LineFramer: Sendable {
  /// RFC 5321 §4.5.3.1.4 asks for 512 with the CRLF, and every extension adds some: SMTPUTF8 and DSN more than a
  /// thousand for RCPT (RFC 3461 §5.4).
  public static let maximumCommandOctets = 4096
  /// RFC 4954 §4: what is enough for a line of an authentication exchange; the CRLF comes on top.
  static let maximumAuthenticationOctets = 12288 + 2

  public enum Line: Hashable, Sendable {
    /// A slice without its CRLF, which shares the buffer's storage.
    case line(ByteBuffer)
    case needBytes
    /// A LF without CR before it. Nothing is consumed and every further call says the same: where the next line
    /// begins would be a guess, and guessing is what smuggling lives on.
    case bareLineFeed
    /// A CR without LF behind it. As `bareLineFeed`.
    case bareCarriageReturn
    /// The line is longer than the maximum: said once. Further calls drop its rest as it comes.
    case tooLong
  }

  private var looked = 0
  private var isDiscarding = false

  public init() {}

  /// - Parameter maximumOctets: the longest line that is taken, its CRLF included.
  public mutating func next(_ bytes: inout ByteBuffer, maximumOctets: Int = maximumCommandOctets) -> Line {
    if isDiscarding, !discard(&bytes) { return .needBytes }
    let found = bytes.withUnsafeReadableBytes { octets in
      look(octets, from: min(looked, octets.count), to: min(octets.count, max(2, maximumOctets)))
    }
    switch found {
    case .end(let length):
      looked = 0
      guard let line = bytes.readSlice(length: length) else { return .needBytes }
      bytes.moveReaderIndex(forwardBy: 2)
      return .line(line)
    case .nothing(let upTo) where upTo >= maximumOctets:
      looked = 0
      isDiscarding = true
      return .tooLong
    case .nothing(let upTo):
      looked = upTo
      return .needBytes
    case .bareLineFeed: return .bareLineFeed
    case .bareCarriageReturn: return .bareCarriageReturn
    }
  }

  private enum Finding {
    case end(length: Int)
    /// No line end before this offset; a CR that may be half of one isn't counted unless the maximum is reached.
    case nothing(upTo: Int)
    case bareLineFeed, bareCarriageReturn
  }

  private func look(_ octets: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Finding {
    guard start < end else { return .nothing(upTo: end) }
    let lineFeed = octets.first(Octet.lineFeed, in: start..<end)
    guard let carriageReturn = octets.first(Octet.carriageReturn, in: start..<(lineFeed ?? end)) else {
      return lineFeed == nil ? .nothing(upTo: end) : .bareLineFeed
    }
    if carriageReturn + 1 == lineFeed { return .end(length: carriageReturn) }
    guard carriageReturn + 1 < octets.count else { return .nothing(upTo: carriageReturn) }
    // Behind the maximum a LF may still follow: then the line is whole, and too long.
    return octets[carriageReturn + 1] == Octet.lineFeed ? .nothing(upTo: end) : .bareCarriageReturn
  }

  /// Drops what belongs to a line that is too long; true once its CRLF is gone too.
  private mutating func discard(_ bytes: inout ByteBuffer) -> Bool {
    let (dropped, isOver) = bytes.withUnsafeReadableBytes { octets -> (Int, Bool) in
      var from = 0
      while let carriageReturn = octets.first(Octet.carriageReturn, in: from..<octets.count) {
        guard carriageReturn + 1 < octets.count else { return (carriageReturn, false) }
        if octets[carriageReturn + 1] == Octet.lineFeed { return (carriageReturn + 2, true) }
        from = carriageReturn + 1
      }
      return (octets.count, false)
    }
    bytes.moveReaderIndex(forwardBy: dropped)
    isDiscarding = !isOver
    return isOver
  }
}
