public import MailSyntax

/// A reply as a client received it.
public struct ServerReply: Hashable, Sendable, CustomStringConvertible {
  public let code: ReplyCode
  /// The first line's, where it has one whose class is the code's first digit (RFC 2034 §4).
  public let enhanced: EnhancedStatusCode?
  /// At least one: the text without code and enhanced code. Control characters and broken UTF-8 have been replaced, so
  /// that it may be shown and logged; it decides nothing (RFC 5321 §4.2).
  public let lines: [String]

  public init(code: ReplyCode, enhanced: EnhancedStatusCode? = nil, lines: [String]) {
    invariant(!lines.isEmpty, "a reply has a line")
    self.code = code
    self.enhanced = enhanced
    self.lines = lines
  }

  /// All on one line: code, enhanced code, and the lines' text with `/` between.
  public var description: String {
    ([code.description] + (enhanced.map { [$0.description] } ?? []) + [lines.joined(separator: " / ")])
      .joined(separator: " ")
  }
}

/// Why what a server sent is no reply. The session is over: where the next reply begins can't be known.
public enum ReplyFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// RFC 5321 §4.2: three digits, 200 to 599, then a space, a hyphen or the line's end.
  case malformedLine
  /// RFC 5321 §4.2.1: every line of a reply has the same code.
  case differingCodes
  case bareLineFeed, bareCarriageReturn
  case lineTooLong, tooManyLines, replyTooLong

  public var description: String {
    switch self {
    case .malformedLine: "the server sent a line that is no reply"
    case .differingCodes: "the lines of the server's reply have different codes"
    case .bareLineFeed: "the server ended a line with a bare LF"
    case .bareCarriageReturn: "the server sent a bare CR"
    case .lineTooLong: "a line of the server's reply is longer than \(ReplyParser.maximumLineOctets) octets"
    case .tooManyLines: "the server's reply has more than \(ReplyParser.maximumLines) lines"
    case .replyTooLong: "the server's reply is longer than \(ReplyParser.maximumReplyOctets) octets"
    }
  }
}
