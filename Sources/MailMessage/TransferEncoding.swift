internal import MailSyntax
internal import NIOCore

/// How a body's octets stand in a message. Source: RFC 2045 §6.
enum TransferEncoding: String, Hashable, Sendable {
  case sevenBit = "7bit"
  case eightBit = "8bit"
  case quotedPrintable = "quoted-printable"
  case base64 = "base64"

  /// Octets of an encoded line without its CRLF (RFC 2045 §6.7, §6.8).
  static let maximumLineOctets = 76

  /// The plainest encoding that carries normalised text safely.
  static func choose(for text: [UInt8], allowsEightBit: Bool) -> TransferEncoding {
    var check = TextCheck()
    check.append(text)
    if check.isText, !check.isEightBit { return .sevenBit }
    if check.isText, allowsEightBit { return .eightBit }
    let escaped = text.reduce(0) { $0 + ($1 >= 0x80 || $1 == UInt8(ascii: "=") ? 1 : 0) }
    // Quoted-printable triples what it escapes, base64 adds a third to all.
    return escaped * 6 > text.count ? .base64 : .quotedPrintable
  }

  /// The octets encoded, ending in CRLF. The identity encodings take text that is normalised already.
  func encode(_ octets: [UInt8]) -> [UInt8] {
    switch self {
    case .sevenBit, .eightBit: octets
    case .quotedPrintable: quotedPrintableLines(octets)
    case .base64: base64Lines(octets)
    }
  }
}

/// Text whose lines end with CRLF and nothing else: a CR or LF that stands alone becomes CRLF, and so does the end.
func normalisedLines(_ octets: some Sequence<UInt8>) -> [UInt8] {
  var result: [UInt8] = []
  var previous: UInt8 = 0
  for octet in octets {
    switch octet {
    case UInt8(ascii: "\n"): if previous != UInt8(ascii: "\r") { result += [0x0d, 0x0a] }
    case UInt8(ascii: "\r"): result += [0x0d, 0x0a]
    case _: result.append(octet)
    }
    previous = octet
  }
  if let last = result.last, last != UInt8(ascii: "\n") { result += [0x0d, 0x0a] }
  return result
}

private func quotedPrintableLines(_ octets: [UInt8]) -> [UInt8] {
  let digits = Array("0123456789ABCDEF".utf8)
  var result: [UInt8] = []
  var column = 0
  var index = 0
  while index < octets.count {
    let octet = octets[index]
    let endsLine = index + 1 < octets.count && octets[index + 1] == UInt8(ascii: "\n")
    if octet == UInt8(ascii: "\r"), endsLine {
      result += [0x0d, 0x0a]
      column = 0
      index += 2
      continue
    }
    // RFC 2045 §6.7 (3): white space at the end of a line may be lost on the way.
    let isBeforeLineEnd = index + 1 == octets.count || octets[index + 1] == UInt8(ascii: "\r")
    let isPlain =
      (octet > 0x20 && octet < 0x7f && octet != UInt8(ascii: "=")) || (isWhiteSpace(octet) && !isBeforeLineEnd)
    let width = isPlain ? 1 : 3
    if column + width > TransferEncoding.maximumLineOctets - 1 {
      result += [UInt8(ascii: "="), 0x0d, 0x0a]
      column = 0
    }
    if isPlain {
      result.append(octet)
    } else {
      result += [UInt8(ascii: "="), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
    }
    column += width
    index += 1
  }
  if column > 0 { result += [0x0d, 0x0a] }
  return result
}

private func base64Lines(_ octets: [UInt8]) -> [UInt8] {
  var result: [UInt8] = []
  var rest = base64(octets[...])[...]
  while !rest.isEmpty {
    result += rest.prefix(TransferEncoding.maximumLineOctets)
    result += [0x0d, 0x0a]
    rest = rest.dropFirst(TransferEncoding.maximumLineOctets)
  }
  return result
}

/// RFC 4648 §4, with padding, on one line.
func base64(_ octets: ArraySlice<UInt8>) -> [UInt8] {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var result: [UInt8] = []
  result.reserveCapacity((octets.count + 2) / 3 * 4)
  var rest = octets
  while !rest.isEmpty {
    let group = Array(rest.prefix(3))
    let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
    for place in 0..<4 {
      result.append(place <= group.count ? alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
    }
    rest = rest.dropFirst(3)
  }
  return result
}

/// Text outside ASCII in header fields. Source: RFC 2047.
enum EncodedWord {
  /// Octets of UTF-8 in one word: 45 are 60 of base64, and with `=?utf-8?B?` and `?=` 72 of at most 75 (§2).
  static let maximumTextOctets = 45

  /// The text as it is when ASCII that no reader takes for an encoded word, else as encoded words with spaces between.
  static func encode(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 >= 0x80 }) || text.contains("=?") else { return text }
    var words: [String] = []
    var octets: [UInt8] = []
    func close() {
      guard !octets.isEmpty else { return }
      words.append("=?utf-8?B?\(String(decoding: base64(octets[...]), as: UTF8.self))?=")
      octets = []
    }
    // RFC 2047 §5 (3): no character is torn between two words.
    for scalar in text.unicodeScalars {
      let encoded = Array(String(scalar).utf8)
      if octets.count + encoded.count > maximumTextOctets { close() }
      octets += encoded
    }
    close()
    return words.joined(separator: " ")
  }
}
