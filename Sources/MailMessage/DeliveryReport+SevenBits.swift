internal import MailSyntax
public import NIOCore

extension DeliveryReport {
  /// A report that returns a whole original of eight bits, made anew without them: it returns the header alone, which
  /// may be encoded where a message may not (RFC 2046 §5.2.1, RFC 6522 §4).
  ///
  /// - Parameter report: as `render` wrote it.
  /// - Returns: nil where it returns no such message, or has eight bits elsewhere.
  public static func inSevenBits(_ report: ByteBuffer) -> ByteBuffer? {
    let octets = report.readableBytesView
    let newLine = Array("\r\n".utf8)
    let emptyLine = newLine + newLine
    // No line of the parts before begins like this: what peers said stands behind other words there.
    let opening = newLine + Array("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit".utf8) + emptyLine
    guard let part = octets.firstRange(of: opening), let headerEnd = octets.firstRange(of: emptyLine),
      let lineStart = octets[..<part.lowerBound].lastIndex(of: UInt8(ascii: "\n"))
    else { return nil }
    let boundary = octets[octets.index(after: lineStart)..<part.lowerBound]
    let ending = newLine + Array(boundary) + Array("--\r\n".utf8)
    guard boundary.starts(with: "--".utf8), octets[part.upperBound...].suffix(ending.count).elementsEqual(ending)
    else { return nil }

    let original = octets[part.upperBound...].dropLast(ending.count)
    let originalHeader = original.firstRange(of: emptyLine).map { original[..<$0.upperBound] } ?? original
    let eightBit = Array("\r\nContent-Transfer-Encoding: 8bit\r\n".utf8)
    guard let encoding = octets[..<headerEnd.upperBound].firstRange(of: eightBit) else { return nil }

    var anew = ByteBuffer()
    anew.writeBytes(octets[..<encoding.lowerBound])
    anew.writeString("\r\nContent-Transfer-Encoding: 7bit\r\n")
    anew.writeBytes(octets[encoding.upperBound...lineStart])
    anew.writeBytes(boundary)
    anew.writeBytes(newLine)
    Part(header: Array(originalHeader), isInternational: false, allowsEightBit: false).write(into: &anew)
    anew.writeBytes(ending)
    return anew.readableBytesView.allSatisfy { $0 < 0x80 } ? anew : nil
  }
}
