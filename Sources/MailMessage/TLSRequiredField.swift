public import MailSyntax

/// What a header says by `TLS-Required`. Source: RFC 8689 §3.
public enum TLSRequiredField: Hashable, Sendable {
  case absent
  /// `TLS-Required: No`, once.
  case no
  /// More than one: they could say two things.
  case repeated
  /// A value that isn't `No`; there is no other yet.
  case unknown

  /// `requiretls-field = "TLS-Required:" [FWS] "No" CRLF`, in any case, and with white space behind it too: an editor's,
  /// and it says nothing. A comment is no part of it.
  public init(_ header: HeaderSection) {
    guard let field = header.first(TLSRequiredField.name) else {
      self = .absent
      return
    }
    guard header.count(of: TLSRequiredField.name) == 1 else {
      self = .repeated
      return
    }
    let value = String(decoding: header.unfoldedValue(of: field), as: UTF8.self)
    self = value.lowercasedASCII() == "no" ? .no : .unknown
  }

  /// In lower case.
  static let name = "tls-required"
}

extension TLSWish {
  /// The wish of a message that comes with this header.
  ///
  /// - Parameter requiresTLS: MAIL carried REQUIRETLS. Then the field is ignored, whatever it says (RFC 8689 §4.1).
  public init(requiresTLS: Bool, header: HeaderSection) {
    guard !requiresTLS else {
      self = .required
      return
    }
    switch TLSRequiredField(header) {
    case .no: self = .notRequired
    case .absent, .repeated, .unknown: self = .unstated
    }
  }
}
