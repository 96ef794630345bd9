public import MailSyntax
public import NIOCore

/// One SMTP reply, of one line or several, as a server sends it. Source: RFC 5321 §4.2, RFC 2034 §4.
public struct Reply: Hashable, Sendable, CustomStringConvertible {
  public let code: ReplyCode
  /// Repeated on every line; absent on greetings, EHLO answers and 3xx.
  public let enhanced: EnhancedStatusCode?
  /// At least one; printable ASCII (UTF-8 only where RFC 6531 §3.7.4 allows), without CR, LF or NUL.
  public let lines: [String]

  public init(_ code: ReplyCode, _ enhanced: EnhancedStatusCode? = nil, lines: [String]) {
    invariant(!lines.isEmpty, "a reply has a line")
    invariant(
      lines.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x09 } }, "a reply's text has no control characters")
    self.code = code
    self.enhanced = enhanced
    self.lines = lines
  }

  /// The form for one line of text that stands in our own source.
  public init(_ code: UInt16, _ enhanced: EnhancedStatusCode? = nil, _ text: String) {
    self.init(ReplyCode(code), enhanced, lines: [text])
  }

  /// Writes the whole reply, so that one flush carries it.
  public func write(into buffer: inout ByteBuffer) {
    for (index, line) in lines.enumerated() {
      buffer.writeString(code.description)
      buffer.writeStaticString(index == lines.count - 1 ? " " : "-")
      if let enhanced {
        buffer.writeString(enhanced.description)
        buffer.writeStaticString(" ")
      }
      buffer.writeString(line)
      buffer.writeStaticString("\r\n")
    }
  }

  /// The whole reply in a buffer of its own.
  public var encoded: ByteBuffer {
    var buffer = ByteBuffer()
    write(into: &buffer)
    return buffer
  }

  /// The lines as they stand on the wire, joined by line feeds, without the last line end.
  public var description: String {
    String(buffer: encoded).split(separator: "\r\n").joined(separator: "\n")
  }
}
