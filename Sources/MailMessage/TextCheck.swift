import NIOCore

/// Whether octets can stand in a message as they are: lines of 998 octets at most, ended by CRLF and nothing else, and no
/// NUL (RFC 2045 §2.7, §2.8). Fed in chunks of any size; keeps none.
///
/// It decides how what we write ourselves is encoded, and whether an original can be returned whole. Content from the
/// wire is inspected by `SMTPGrammar.ContentInspector`, which names every defect with its line and is built for speed;
/// the two are on one floor, and neither module needs the other for anything else.
struct TextCheck {
  /// Octets of a line without its CRLF. Source: RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6.
  static let maximumLineOctets = 998

  private(set) var isEightBit = false
  private var isBroken = false
  private var lineOctets = 0
  private var previousWasCarriageReturn = false

  /// Of all that was appended.
  var isText: Bool { !isBroken && !previousWasCarriageReturn }

  mutating func append(_ octets: some Sequence<UInt8>) {
    for octet in octets {
      let endsLine = octet == UInt8(ascii: "\n")
      // A CR and a LF go together or not at all.
      if endsLine != previousWasCarriageReturn || octet == 0 { isBroken = true }
      isEightBit = isEightBit || octet >= 0x80
      previousWasCarriageReturn = octet == UInt8(ascii: "\r")
      lineOctets = endsLine ? 0 : lineOctets + (previousWasCarriageReturn ? 0 : 1)
      if lineOctets > TextCheck.maximumLineOctets { isBroken = true }
    }
  }
}
