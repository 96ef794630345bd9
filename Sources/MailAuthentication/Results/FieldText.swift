import MailSyntax

/// A peer's or the DNS's text, made fit for a header field of ours or for a line that a person reads.
enum FieldText {
  /// Octets of one value. Twice as many, each behind a backslash, with a property's name before them are still shorter
  /// than the longest word that `HeaderField` leaves whole.
  static let maximumOctets = 400
  /// Octets of a stranger's text in a line for people.
  static let maximumShownOctets = 80

  /// Printable text: each control character, line separator and (unless allowed) each character that is not ASCII a
  /// question mark; what is cut ends in three dots, so that no name can be made out of a longer one.
  static func sanitised(_ text: String, allowsUTF8: Bool = false) -> String {
    var kept = String.UnicodeScalarView()
    var octets = 0
    // What was cut before says so in ASCII too.
    for scalar in (allowsUTF8 ? text : text.replacing("…", with: "...")).unicodeScalars {
      var fit: Unicode.Scalar = isUnfit(scalar) || !(allowsUTF8 || scalar.isASCII) ? "?" : scalar
      // RFC 2047 §5: an encoded word stands in no quoted string, and there are readers who decode it there all the
      // same, before they look for the quotation mark. Without its `=?` there is none.
      if fit == "?", kept.last == "=" { fit = "_" }
      octets += UTF8.width(fit)
      guard octets <= maximumOctets else {
        kept.append(contentsOf: "...".unicodeScalars)
        break
      }
      kept.append(fit)
    }
    return String(kept)
  }

  /// In quotation marks, printable, cut: for people.
  static func shown(_ text: String) -> String {
    "\"\(sanitised(text.cut(toOctets: maximumShownOctets), allowsUTF8: true))\""
  }

  /// A quoted-string (RFC 5322 §3.2.4) of sanitised text.
  static func quoted(_ text: String) -> String { "\"\(escaped(text, ["\"", "\\"]))\"" }

  /// A comment (RFC 5322 §3.2.2) of sanitised text.
  static func comment(_ text: String) -> String { "(\(escaped(text, ["(", ")", "\\"])))" }

  /// token of RFC 2045 §5.1.
  static func isToken(_ text: some StringProtocol) -> Bool { !text.isEmpty && text.utf8.allSatisfy(isTokenOctet) }

  static func isTokenOctet(_ octet: UInt8) -> Bool {
    octet > 0x20 && octet < 0x7f && !tokenSpecials.contains(octet)
  }

  /// tspecials of RFC 2045 §5.1.
  private static let tokenSpecials = Array("()<>@,;:\\\"/[]?=".utf8)

  /// A dot-atom (RFC 5322 §3.2.3) without the marks that say something in other places.
  static func isPlain(_ text: some StringProtocol) -> Bool {
    text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .allSatisfy { atom in
        !atom.isEmpty
          && atom.allSatisfy { $0.isASCIIAlphanumeric || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
      }
  }

  private static func escaped(_ text: String, _ marks: [Unicode.Scalar]) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if marks.contains(scalar) { result.append("\\") }
      result.append(scalar)
    }
    return String(result)
  }

  /// C0 and C1 controls, DEL, and the two separators that some readers take for the end of a line.
  private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029: true
    case _: false
    }
  }
}
