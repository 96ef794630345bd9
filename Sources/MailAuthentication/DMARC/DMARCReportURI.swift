public import MailSyntax

/// An address that reports about a domain are asked to go to. Source: RFC 9989 §4.6, §4.8; RFC 6068 (mailto).
///
/// Bounds: `maximumOctets`.
public struct DMARCReportURI: Hashable, Sendable, CustomStringConvertible {
  public static let maximumOctets = 1024

  /// As it was written, without the obsolete size.
  public let description: String
  /// In lower case.
  public let scheme: String
  /// Where a `mailto:` leads; nil with every other scheme, which a reporter ignores (RFC 9989 §4.7).
  public let mailbox: Mailbox?

  /// Nil where the text is no URI, or a mailto: without one address.
  public init?(_ text: some StringProtocol) {
    guard text.utf8.count <= DMARCReportURI.maximumOctets else { return nil }
    let octets = DMARCReportURI.withoutSize(Array(text.utf8)[...])
    guard let colon = octets.firstIndex(of: UInt8(ascii: ":")), DMARCReportURI.isScheme(octets[..<colon]) else {
      return nil
    }
    let rest = octets[(colon + 1)...]
    guard !rest.isEmpty, let path = DMARCReportURI.decodedPath(rest) else { return nil }
    scheme = String(decoding: octets[..<colon], as: UTF8.self).lowercasedASCII()
    description = String(decoding: octets, as: UTF8.self)
    guard scheme == "mailto" else {
      mailbox = nil
      return
    }
    // RFC 6068 §2: the address stands before the question mark; what follows are header fields, which nobody asked for.
    guard let address = String(validating: path, as: UTF8.self), let mailbox = try? Mailbox(address) else { return nil }
    self.mailbox = mailbox
  }

  /// RFC 9989 §4.8, obs-dmarc-report-size: `!10m` at the end is ignored.
  private static func withoutSize(_ octets: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard let mark = octets.lastIndex(of: UInt8(ascii: "!")) else { return octets }
    var size = octets[(mark + 1)...]
    if let unit = size.last, "kmgt".utf8.contains(unit.lowercasedASCII) { size.removeLast() }
    return !size.isEmpty && size.allSatisfy(\.isASCIIDigit) ? octets[..<mark] : octets
  }

  /// RFC 3986 §3.1.
  private static func isScheme(_ octets: ArraySlice<UInt8>) -> Bool {
    guard let first = octets.first, first.isASCIILetter else { return false }
    return octets.allSatisfy { $0.isASCIIAlphanumeric || "+-.".utf8.contains($0) }
  }

  /// What stands before the first question mark, with its percent-encoding undone; nil where an octet stands anywhere
  /// that no URI has.
  private static func decodedPath(_ octets: ArraySlice<UInt8>) -> [UInt8]? {
    var path: [UInt8] = []
    var isInPath = true
    var rest = octets
    while let octet = rest.popFirst() {
      if octet == UInt8(ascii: "?") { isInPath = false }
      var value = octet
      if octet == UInt8(ascii: "%") {
        guard let high = rest.popFirst().flatMap(hexadecimal), let low = rest.popFirst().flatMap(hexadecimal) else {
          return nil
        }
        value = high << 4 | low
      } else if !(octet.isASCIIAlphanumeric || marks.contains(octet)) {
        return nil
      }
      if isInPath { path.append(value) }
    }
    return path
  }

  /// RFC 3986 §2.2, §2.3 without the comma and the exclamation mark, which RFC 9989 §4.8 wants encoded.
  private static let marks = Array("-._~:/?#[]@$&'()*+;=".utf8)

  private static func hexadecimal(_ octet: UInt8) -> UInt8? {
    switch octet {
    case 0x30...0x39: octet - 0x30
    case 0x41...0x46: octet - 0x41 + 10
    case 0x61...0x66: octet - 0x61 + 10
    case _: nil
    }
  }
}
