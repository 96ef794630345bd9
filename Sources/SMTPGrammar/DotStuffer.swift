public import NIOCore

/// Turns a message's content into what follows DATA. Source: RFC 5321 §4.5.2, §4.1.1.4.
///
/// Content comes in chunks of any size; the last line's CRLF is added where it is missing. Content with a bare CR or
/// LF is refused (Law 5): nothing of the chunk that shows it is written, and the connection must be given up, since the
/// message can't be ended without being taken for whole.
public struct DotStuffer: Sendable {
  public enum Fault: Error, Hashable, Sendable {
    case bareCarriageReturn(line: Int)
    case bareLineFeed(line: Int)
  }

  private var inspector = ContentInspector()
  private var isAtLineStart = true

  public init() {}

  /// Appends the chunk with its dots doubled.
  public mutating func write(_ chunk: ByteBuffer, into wire: inout ByteBuffer) throws(Fault) {
    inspector.inspect(chunk)
    try check()
    chunk.withUnsafeReadableBytes { octets in
      guard !octets.isEmpty else { return }
      wire.reserveCapacity(minimumWritableBytes: octets.count + 1)
      if isAtLineStart, octets[0] == Octet.dot { wire.writeInteger(Octet.dot) }
      var written = 0
      var from = 0
      // The inspector has shown that every LF ends a line.
      while let lineFeed = octets.first(Octet.lineFeed, in: from..<octets.count) {
        from = lineFeed + 1
        guard from < octets.count, octets[from] == Octet.dot else { continue }
        wire.writeBytes(UnsafeRawBufferPointer(rebasing: octets[written..<from]))
        wire.writeInteger(Octet.dot)
        written = from
      }
      wire.writeBytes(UnsafeRawBufferPointer(rebasing: octets[written...]))
      isAtLineStart = octets.last == Octet.lineFeed
    }
  }

  /// Appends the end: CRLF where the last line has none, and the dot on a line of its own. Called once.
  public mutating func finish(into wire: inout ByteBuffer) throws(Fault) {
    inspector.finish()
    try check()
    // RFC 5321 §4.1.1.4: an originating client ends the last line itself.
    if !isAtLineStart { wire.writeStaticString("\r\n") }
    wire.writeStaticString(".\r\n")
  }

  private func check() throws(Fault) {
    if let line = inspector.defects.bareCarriageReturn { throw .bareCarriageReturn(line: line) }
    if let line = inspector.defects.bareLineFeed { throw .bareLineFeed(line: line) }
  }
}
