import MailMessage
import MailSyntax
import NIOCore

/// Looks for eight bits in the headers of a message's parts as its octets go by: under SMTPUTF8 they may stand there
/// too (RFC 6532 §3).
///
/// Boundaries aren't learnt: any line of ASCII that begins with `--` and a further character opens a header, which an
/// empty line ends. A line of text that looks like that makes the message ask for SMTPUTF8 without need.
struct PartHeaderWatch: Hashable, Sendable {
  /// Octets of one field, and of one line, that are looked at for what they say.
  static let maximumOctets = 128

  private enum Place: Hashable { case body, partHeader, messageHeader }

  private(set) var isEightBit = false
  private var place = Place.body
  /// RFC 2046 §5.1.5: a part that says nothing is a message there.
  private var isDigest = false
  /// Of the header that goes by.
  private var isTyped = false
  private var isMessage = false
  private var field: [UInt8] = []
  private var line: [UInt8] = []
  private var isLineEightBit = false

  /// Nil where the message has no parts.
  init?(_ header: HeaderSection) {
    guard let type = header.first("content-type") else { return nil }
    field = Array("content-type:".utf8) + header.unfoldedValue(of: type).prefix(PartHeaderWatch.maximumOctets)
    readField()
    guard isMessage || folded.hasPrefix("content-type:multipart/") else { return nil }
    place = isMessage ? .messageHeader : .body
    forgetHeader()
  }

  mutating func watch(_ octets: ByteBufferView) {
    for octet in octets {
      guard octet != UInt8(ascii: "\n") else {
        endLine()
        continue
      }
      isLineEightBit = isLineEightBit || octet >= 0x80
      if line.count < PartHeaderWatch.maximumOctets { line.append(octet) }
    }
  }

  private mutating func endLine() {
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    defer {
      line.removeAll(keepingCapacity: true)
      isLineEightBit = false
    }
    if isDelimiter {
      place = .partHeader
      return forgetHeader()
    }
    switch (place, line.isEmpty) {
    case (.body, _): break
    case (.partHeader, true):
      place = isMessage || (isDigest && !isTyped) ? .messageHeader : .body
      forgetHeader()
    case (.messageHeader, true):
      place = isMessage ? .messageHeader : .body
      forgetHeader()
    case (.partHeader, false), (.messageHeader, false):
      isEightBit = isEightBit || isLineEightBit
      let isContinued = line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t")
      if !isContinued { field.removeAll(keepingCapacity: true) }
      field += line.prefix(PartHeaderWatch.maximumOctets - field.count)
      readField()
    }
  }

  private var isDelimiter: Bool {
    line.count > 2 && line.starts(with: "--".utf8) && line[2] > UInt8(ascii: " ") && !isLineEightBit
  }

  private mutating func readField() {
    let field = folded
    guard field.hasPrefix("content-type:") else { return }
    isTyped = true
    isMessage = field.hasPrefix("content-type:message/")
    isDigest = isDigest || field.hasPrefix("content-type:multipart/digest")
  }

  /// The field without white space, in lower case.
  private var folded: String {
    String(decoding: field.lazy.filter { $0 > UInt8(ascii: " ") }.map(\.lowercasedASCII), as: UTF8.self)
  }

  private mutating func forgetHeader() {
    (isTyped, isMessage) = (false, false)
    field.removeAll(keepingCapacity: true)
  }
}
