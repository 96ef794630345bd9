import NIOCore

/// The oldest attack on STARTTLS: one line less in EHLO's answer. Source: RFC 3207 §6.
enum EHLOCut {
  /// - Parameter reply: whole, with all its lines.
  /// - Returns: nil where STARTTLS isn't offered.
  static func withoutSTARTTLS(_ reply: ByteBuffer) -> ByteBuffer? {
    let newline = UInt8(ascii: "\n")
    let lines = reply.readableBytesView.split(separator: newline, omittingEmptySubsequences: true)
    var kept = lines.filter { !offersSTARTTLS($0) }.map(Array.init)
    guard kept.count < lines.count, let last = kept.indices.last, kept[last].count > 3 else { return nil }
    // RFC 5321 §4.2.1: the last line has a space behind the code.
    kept[last][3] = UInt8(ascii: " ")
    return ByteBuffer(bytes: kept.flatMap { $0 + [newline] })
  }

  private static func offersSTARTTLS(_ line: ByteBufferView) -> Bool {
    let keyword = line.dropFirst(4).prefix { $0 > UInt8(ascii: " ") }
    return String(decoding: keyword, as: UTF8.self).uppercased() == "STARTTLS"
  }
}

/// Looks for the end of a message sent by DATA, over however many segments. Source: RFC 5321 §4.1.1.4.
struct ContentEnd {
  private static let mark = Array("\r\n.\r\n".utf8)
  /// Octets of the mark that were met; a message may begin with its end, so the first CRLF counts as met.
  private var matched = 2

  /// - Returns: how many octets belong to the message, its end included, and whether it is over.
  mutating func scan(_ octets: some Collection<UInt8>) -> (count: Int, isOver: Bool) {
    var count = 0
    for octet in octets {
      count += 1
      if octet == ContentEnd.mark[matched] {
        matched += 1
        if matched == ContentEnd.mark.count { return (count, true) }
      } else {
        matched = octet == ContentEnd.mark[0] ? 1 : 0
      }
    }
    return (count, false)
  }
}
