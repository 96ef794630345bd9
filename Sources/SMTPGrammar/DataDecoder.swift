public import NIOCore

/// What a body's framing gives next.
public enum ContentEvent: Hashable, Sendable {
  /// Content with its framing removed: a slice that shares the buffer's storage, never empty.
  case content(ByteBuffer)
  case needBytes
  /// The content is whole; what the buffer still holds comes behind it. Every further call says the same.
  case end
}

/// Takes the content out of what follows DATA. Source: RFC 5321 §4.1.1.4, §4.5.2.
///
/// Only CRLF.CRLF ends it, or `.` CRLF at its very start: a dot between other line ends is content (Law 5). Defects are
/// noted and the decoder goes on, so that the session stays in step with its peer and can name them after the end.
public struct DataDecoder: Sendable {
  private enum Position {
    /// At the start, or behind CRLF.
    case lineStart
    /// Behind a dot at the start of a line; the dot has been dropped.
    case dot
    /// Behind a dot and CR at the start of a line; both are held back.
    case dotCarriageReturn
    case inLine
    /// Behind a CR that was given out as content.
    case carriageReturn
    case ended
  }

  private var position = Position.lineStart
  private var inspector: ContentInspector

  public init(maximumLineOctets: Int = ContentInspector.maximumLineOctets) {
    inspector = ContentInspector(maximumLineOctets: maximumLineOctets)
  }

  public var defects: ContentDefects { inspector.defects }
  /// Octets of content so far: neither doubled dots nor the end are counted (RFC 1870 §5).
  public var octets: Int { inspector.octets }

  public mutating func next(_ bytes: inout ByteBuffer) -> ContentEvent {
    while true {
      guard position != .ended else { return .end }
      guard let octet = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return .needBytes }
      switch position {
      case .lineStart where octet == Octet.dot:
        bytes.moveReaderIndex(forwardBy: 1)
        position = .dot
      case .dot where octet == Octet.carriageReturn:
        bytes.moveReaderIndex(forwardBy: 1)
        position = .dotCarriageReturn
      case .dotCarriageReturn where octet == Octet.lineFeed:
        bytes.moveReaderIndex(forwardBy: 1)
        position = .ended
      case .dotCarriageReturn:
        // The line went on: the dot was a doubled one, the CR is content.
        position = .carriageReturn
        return content(DataDecoder.heldCarriageReturn)
      case .lineStart, .dot, .inLine, .carriageReturn:
        let length = lengthOfContent(bytes)
        guard let slice = bytes.readSlice(length: length) else { return .needBytes }
        return content(slice)
      case .ended: return .end
      }
    }
  }

  private static let heldCarriageReturn = ByteBuffer(integer: Octet.carriageReturn)

  private mutating func content(_ slice: ByteBuffer) -> ContentEvent {
    inspector.inspect(slice)
    return .content(slice)
  }

  /// Up to the CRLF before the next line that begins with a dot, or all there is. Moves `position` behind it.
  private mutating func lengthOfContent(_ bytes: ByteBuffer) -> Int {
    let (length, next) = bytes.withUnsafeReadableBytes { octets -> (Int, Position) in
      var from = 0
      while let lineFeed = octets.first(Octet.lineFeed, in: from..<octets.count) {
        let isLineEnd = lineFeed == 0 ? position == .carriageReturn : octets[lineFeed - 1] == Octet.carriageReturn
        if isLineEnd {
          if lineFeed + 1 == octets.count || octets[lineFeed + 1] == Octet.dot { return (lineFeed + 1, .lineStart) }
        }
        from = lineFeed + 1
      }
      return (octets.count, octets.last == Octet.carriageReturn ? .carriageReturn : .inLine)
    }
    position = next
    return length
  }
}
