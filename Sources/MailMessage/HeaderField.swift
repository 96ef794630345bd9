internal import MailSyntax
public import NIOCore

/// A header field of our own making: no value whatever can end it early or begin another (RFC 5322 §2.2).
///
/// Written folded at 78 octets where a space allows it (§2.1.1) and with CRLF behind it.
public struct HeaderField: Hashable, Sendable {
  public static let preferredLineOctets = 78
  /// A word longer than this is broken by a fold: no line passes 998 octets.
  static let maximumWordOctets = 900

  public let name: String
  /// Unfolded.
  public let value: String

  /// Takes a name of printable ASCII without colon and a value without control characters other than tab.
  public init(_ name: String, _ value: String) throws(MessageTextError) {
    guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }) else {
      throw .badFieldName
    }
    if let control = value.utf8.first(where: { isControl($0) }) {
      throw control == UInt8(ascii: "\r") || control == UInt8(ascii: "\n") ? .lineBreak : .controlCharacter
    }
    self.name = name
    self.value = value
  }

  /// For values that carry a peer's text: each control character becomes a question mark.
  init(_ name: String, sanitising value: String) {
    self.name = name
    self.value = sanitised(value)
  }

  public func write(into buffer: inout ByteBuffer) {
    buffer.writeString(name)
    buffer.writeString(":")
    var column = name.utf8.count + 1
    var isFirst = true
    for word in HeaderField.words(value) {
      // RFC 5322 §2.2.3: the CRLF goes in front of white space that is there already, so unfolding restores the value.
      if !isFirst, column + word.count > HeaderField.preferredLineOctets {
        buffer.writeString("\r\n")
        column = 0
      }
      buffer.writeBytes(word)
      column += word.count
      isFirst = false
    }
    buffer.writeString("\r\n")
  }

  public var bytes: ByteBuffer {
    var buffer = ByteBuffer()
    write(into: &buffer)
    return buffer
  }

  /// The value cut into runs of white space and what follows it; white space at the end is dropped, so no line is
  /// of white space alone.
  private static func words(_ value: String) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var word: [UInt8] = [0x20]
    var hasText = false
    for octet in value.utf8 {
      if isWhiteSpace(octet) {
        if hasText {
          words.append(word)
          (word, hasText) = ([], false)
        }
        if !(words.isEmpty && word == [0x20]) { word.append(octet) }
      } else {
        // Not within a UTF-8 sequence: a fold there would tear a character.
        if word.count >= maximumWordOctets, octet & 0xc0 != 0x80 {
          words.append(word)
          word = [0x20]
        }
        word.append(octet)
        hasText = true
      }
    }
    if hasText { words.append(word) }
    return words
  }
}

/// Why text given by a caller can't stand in a message.
public enum MessageTextError: Error, Hashable, Sendable, CustomStringConvertible {
  case badFieldName, lineBreak, controlCharacter, noRecipients

  public var description: String {
    switch self {
    case .badFieldName: "a header field's name is printable ASCII without spaces and colons"
    case .lineBreak: "the text has a line break, which would begin another header field; take it out"
    case .controlCharacter: "the text has a control character; take it out"
    case .noRecipients: "the message has no recipient: give at least one To address"
    }
  }
}

func isControl(_ octet: UInt8) -> Bool { (octet < 0x20 && octet != 0x09) || octet == 0x7f }

/// The text on one line: each control character a question mark.
func sanitised(_ text: String) -> String {
  guard text.utf8.contains(where: isControl) else { return text }
  return String(decoding: text.utf8.map { isControl($0) ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
}

/// `sanitised`, and ASCII: each octet over 0x7f a question mark; cut behind `limit` octets.
func asciiOnly(_ text: String, limit: Int) -> String {
  String(decoding: text.utf8.prefix(limit).map { isControl($0) || $0 >= 0x80 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
}
