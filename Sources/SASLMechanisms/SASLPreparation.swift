public import MailSyntax

/// Prepares user names and passwords for comparison, as far as it can be done exactly. Source: RFC 4013 (SASLprep).
///
/// Done: the text is UTF-8; non-ASCII spaces become U+0020 and table B.1 becomes nothing (§2.1); the prohibited tables
/// C.2.1 to C.9 are refused (§2.3); an empty result is refused (RFC 4616 §2).
/// Not done: normalisation to NFKC (§2.2), the bidirectional check (§2.4), and unassigned code points (§2.5). Texts
/// that differ only so are different here: a password in full-width letters must be typed in full-width letters.
public enum SASLPreparation {
  /// A user name of 1 to `ServerExchange.maximumUserOctets`.
  public static func name(_ octets: some Collection<UInt8>) throws(SASLFault) -> String {
    guard octets.count <= ServerExchange.maximumUserOctets else { throw .rejected }
    return try prepare(octets)
  }

  /// A password of 1 to `ServerExchange.maximumPasswordOctets`.
  public static func password(_ octets: some Collection<UInt8>) throws(SASLFault) -> Secret {
    guard octets.count <= ServerExchange.maximumPasswordOctets else { throw .rejected }
    return Secret(try prepare(octets))
  }

  /// The same for a password that is already kept as one: what sets a password calls this before it hashes.
  public static func password(_ secret: Secret) throws(SASLFault) -> Secret {
    try secret.withExposedBytes { (octets) throws(SASLFault) in try password(octets) }
  }

  private static func prepare(_ octets: some Collection<UInt8>) throws(SASLFault) -> String {
    guard let text = String(validating: octets, as: UTF8.self) else { throw .malformed }
    var prepared = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch fate(of: scalar.value) {
      case .kept: prepared.append(scalar)
      case .space: prepared.append(" ")
      case .nothing: break
      case .prohibited: throw .rejected
      }
    }
    guard !prepared.isEmpty else { throw .rejected }
    return String(prepared)
  }

  private enum Fate { case kept, space, nothing, prohibited }

  private static func fate(of scalar: UInt32) -> Fate {
    switch scalar {
    case 0x20..<0x7f: .kept
    // RFC 3454 C.2.1 and C.2.2: control characters. Those of C.2.2 that B.1 drops are below.
    case ..<0x20, 0x7f..<0xa0, 0x06dd, 0x070f, 0x180e, 0x2028, 0x2029, 0x2061...0x2063, 0x1d173...0x1d17a: .prohibited
    // C.1.2 before B.1, for U+200B stands in both.
    case 0xa0, 0x1680, 0x2000...0x200b, 0x202f, 0x205f, 0x3000: .space
    // B.1: commonly mapped to nothing.
    case 0xad, 0x034f, 0x1806, 0x180b...0x180d, 0x200c, 0x200d, 0x2060, 0xfe00...0xfe0f, 0xfeff: .nothing
    // C.3: private use.
    case 0xe000...0xf8ff, 0xf0000...0xffffd, 0x100000...0x10fffd: .prohibited
    // C.6 and C.7: not for plain text, not for canonical form.
    case 0xfff9...0xfffd, 0x2ff0...0x2ffb: .prohibited
    // C.8: change display or deprecated.
    case 0x0340, 0x0341, 0x200e, 0x200f, 0x202a...0x202e, 0x206a...0x206f: .prohibited
    // C.9: tags.
    case 0xe0001, 0xe0020...0xe007f: .prohibited
    // C.4: no characters.
    case 0xfdd0...0xfdef: .prohibited
    case _ where scalar & 0xfffe == 0xfffe: .prohibited
    case _: .kept
    }
  }
}
