import MailSyntax
public import NIOCore

/// Takes replies out of what a server sends. Source: RFC 5321 §4.2, §4.2.1.
public struct ReplyParser: Sendable {
  /// RFC 5321 §4.5.3.1.5 asks for 512 with the CRLF; servers do send more. A SASL challenge fits as well.
  public static let maximumLineOctets = LineFramer.maximumAuthenticationOctets + 4
  public static let maximumLines = 256
  public static let maximumReplyOctets = 65536

  private var framer = LineFramer()
  private var code: ReplyCode?
  private var enhanced: EnhancedStatusCode?
  private var lines: [String] = []
  private var octets = 0
  private var fault: ReplyFault?

  public init() {}

  /// Something of a reply has been taken that isn't whole yet.
  public var isInsideReply: Bool { code != nil }

  /// The next whole reply, or nil where more bytes are needed. What stands behind it stays in the buffer.
  /// - Throws: the first fault, and the same one from then on.
  public mutating func next(_ bytes: inout ByteBuffer) throws(ReplyFault) -> ServerReply? {
    if let fault { throw fault }
    do {
      return try read(&bytes)
    } catch {
      fault = error
      throw error
    }
  }

  private mutating func read(_ bytes: inout ByteBuffer) throws(ReplyFault) -> ServerReply? {
    while true {
      switch framer.next(&bytes, maximumOctets: ReplyParser.maximumLineOctets) {
      case .needBytes: return nil
      case .bareLineFeed: throw .bareLineFeed
      case .bareCarriageReturn: throw .bareCarriageReturn
      case .tooLong: throw .lineTooLong
      case .line(let line):
        if let reply = try take(line) { return reply }
      }
    }
  }

  private mutating func take(_ line: ByteBuffer) throws(ReplyFault) -> ServerReply? {
    let view = line.readableBytesView
    guard view.count >= 3, let code = try? ReplyCode(text: String(decoding: view.prefix(3), as: UTF8.self)) else {
      throw .malformedLine
    }
    let separator = view.dropFirst(3).first
    // RFC 5321 §4.2.1: the last line may lack the space when it has no text.
    guard separator == nil || separator == UInt8(ascii: " ") || separator == UInt8(ascii: "-") else {
      throw .malformedLine
    }
    guard self.code == nil || self.code == code else { throw .differingCodes }
    guard lines.count < ReplyParser.maximumLines else { throw .tooManyLines }
    octets += line.readableBytes
    guard octets <= ReplyParser.maximumReplyOctets else { throw .replyTooLong }

    let (lineStatus, text) = ReplyParser.splitStatus(ReplyParser.shown(view.dropFirst(4)), agreeingWith: code)
    if self.code == nil { enhanced = lineStatus }
    self.code = code
    lines.append(text)
    guard separator != UInt8(ascii: "-") else { return nil }
    defer { (self.code, enhanced, lines, octets) = (nil, nil, [], 0) }
    return ServerReply(code: code, enhanced: enhanced, lines: lines)
  }

  private static func splitStatus(_ text: String, agreeingWith code: ReplyCode) -> (EnhancedStatusCode?, String) {
    let word = text.prefix { $0 != " " }
    guard let status = try? EnhancedStatusCode(text: word), status.agrees(with: code) else { return (nil, text) }
    return (status, String(text.dropFirst(word.count + 1)))
  }

  private static func shown(_ octets: ByteBufferView) -> String {
    let text = String(decoding: octets, as: UTF8.self)
    guard !text.isPrintable else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { String($0).isPrintable ? $0 : "?" }))
  }
}
