public import MailMessage
public import MailSyntax

/// An Authentication-Results field of our own making: what was checked here, and what it came to.
///
/// Nothing that a peer says can end the field or begin another statement in it: values are tokens or quoted strings of
/// printable text. It goes in front of the message, above our own Received (RFC 8601 §4), and no statement is ever
/// added to a field that is there. Bounds: `maximumResults`; each value 400 octets. Source: RFC 8601 §2.2.
public struct AuthenticationResultsField: Hashable, Sendable {
  public static let name = "Authentication-Results"
  /// Statements of one field; further ones are left out.
  public static let maximumResults = 32

  public let authservID: DomainName
  public let results: [AuthenticationResult]

  /// - Parameter authservID: by which this server, and no other of another's, is known (RFC 8601 §2.5).
  public init(
    authservID: DomainName, results: [AuthenticationResult], converter: any IDNAConverter = UnchangedNames()
  ) {
    self.authservID = converter.canonicalForm(of: authservID)
    self.results = Array(results.prefix(AuthenticationResultsField.maximumResults))
  }

  /// Unfolded.
  ///
  /// - Parameter allowsUTF8: the message is an internationalised one (RFC 6532); in others a character that isn't ASCII
  ///   becomes a question mark.
  public func value(allowsUTF8: Bool = false) -> String {
    let id = authservID.description
    let head = FieldText.isToken(id) ? id : FieldText.quoted(id)
    // RFC 8601 §2.2: a field that states nothing says so.
    guard !results.isEmpty else { return "\(head); none" }
    return results.reduce(head) { "\($0); \($1.text(allowsUTF8: allowsUTF8))" }
  }

  /// - Throws: never, with values made here; it is `HeaderField`'s own check, which stays the last one.
  public func field(allowsUTF8: Bool = false) throws(MessageTextError) -> HeaderField {
    try HeaderField(AuthenticationResultsField.name, value(allowsUTF8: allowsUTF8))
  }
}

extension AuthenticationResult {
  fileprivate func text(allowsUTF8: Bool) -> String {
    var text = "\(verdict.method.rawValue)=\(verdict.result)"
    if let reason { text += " reason=\(FieldText.quoted(FieldText.sanitised(reason, allowsUTF8: allowsUTF8)))" }
    for property in properties {
      let value = FieldText.sanitised(property.value, allowsUTF8: allowsUTF8)
      text += " \(property.name.rawValue)=\(AuthenticationResult.isBare(value) ? value : FieldText.quoted(value))"
    }
    return text
  }

  /// RFC 8601 §2.2, pvalue: a token, or `[[local-part] "@"] domain-name`; all else is quoted.
  private static func isBare(_ value: String) -> Bool {
    guard let at = value.utf8.firstIndex(of: UInt8(ascii: "@")) else { return FieldText.isToken(value) }
    let (local, domain) = (value[..<at], value[value.utf8.index(after: at)...])
    let isPlain = { (octet: UInt8) in
      octet.isASCIIAlphanumeric || octet == UInt8(ascii: ".") || octet == UInt8(ascii: "-")
        || octet == UInt8(ascii: "_") || octet == UInt8(ascii: "+")
    }
    return !domain.isEmpty && local.utf8.allSatisfy(isPlain) && domain.utf8.allSatisfy(isPlain)
  }
}
