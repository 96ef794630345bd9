/// Finds the public key in a certificate's octets.
///
/// Taken as they stand, for that is what a TLSA record is made of; a key that is read and written again may come out
/// otherwise. Only DER counts, definite and shortest lengths (X.690 §10.1), and every element up to the key has to be
/// what RFC 5280 §4.1 has there: so nobody can make us see another key than the TLS library saw.
enum CertificateDER {
  /// The SubjectPublicKeyInfo, tag and length with it; nil where the octets are no certificate.
  static func publicKeyInfo(of certificate: [UInt8]) -> [UInt8]? {
    var whole = Elements(certificate[...])
    guard let outer = whole.next(.sequence), whole.isAtEnd else { return nil }
    var parts = Elements(outer.content)
    guard let signed = parts.next(.sequence), parts.next(.sequence) != nil, parts.next(.bitString) != nil, parts.isAtEnd
    else { return nil }
    var fields = Elements(signed.content)
    // The version stands there or it is 1; behind it the serial number, the algorithm, the issuer, the validity and the
    // subject.
    _ = fields.next(.version)
    guard fields.next(.integer) != nil else { return nil }
    for _ in 0..<4 {
      guard fields.next(.sequence) != nil else { return nil }
    }
    guard let key = fields.next(.sequence), isPublicKeyInfo(key.whole) else { return nil }
    return Array(key.whole)
  }

  /// SEQUENCE { SEQUENCE algorithm, BIT STRING key } and nothing else.
  static func isPublicKeyInfo(_ octets: ArraySlice<UInt8>) -> Bool {
    var whole = Elements(octets)
    guard let outer = whole.next(.sequence), whole.isAtEnd else { return false }
    var parts = Elements(outer.content)
    return parts.next(.sequence) != nil && parts.next(.bitString) != nil && parts.isAtEnd
  }

  private enum Tag: UInt8 {
    case integer = 0x02
    case bitString = 0x03
    case sequence = 0x30
    /// [0], explicit.
    case version = 0xa0
  }

  /// Elements of DER, one behind another.
  private struct Elements {
    private var rest: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) { rest = octets }

    var isAtEnd: Bool { rest.isEmpty }

    /// Takes the next element; where it is another than `tag`, or broken, it stays.
    mutating func next(_ tag: Tag) -> (whole: ArraySlice<UInt8>, content: ArraySlice<UInt8>)? {
      var ahead = rest
      guard ahead.popFirst() == tag.rawValue, let length = Elements.takeLength(&ahead), length <= ahead.count else {
        return nil
      }
      let content = ahead.prefix(length)
      let whole = rest[rest.startIndex..<content.endIndex]
      rest = ahead.dropFirst(length)
      return (whole, content)
    }

    /// Up to 3 octets of length: more than a handshake carries.
    private static func takeLength(_ octets: inout ArraySlice<UInt8>) -> Int? {
      guard let first = octets.popFirst() else { return nil }
      guard first >= 0x80 else { return Int(first) }
      let count = Int(first & 0x7f)
      guard (1...3).contains(count), octets.count >= count, octets.first != 0 else { return nil }
      let length = octets.prefix(count).reduce(0) { $0 << 8 | Int($1) }
      octets = octets.dropFirst(count)
      return length >= 0x80 ? length : nil
    }
  }
}
