import MailSyntax

/// How much one transaction or connection may carry. Source: RFC 9422 §4. Nil means that nothing was said.
public struct TransactionLimits: Hashable, Sendable {
  static let maximumEntries = 16

  public var mailMaximum: Int?
  public var recipientMaximum: Int?
  public var recipientDomainMaximum: Int?

  public init(mailMaximum: Int? = nil, recipientMaximum: Int? = nil, recipientDomainMaximum: Int? = nil) {
    self.mailMaximum = mailMaximum
    self.recipientMaximum = recipientMaximum
    self.recipientDomainMaximum = recipientDomainMaximum
  }

  /// Reads what stands behind LIMITS. A mistake in any value makes the whole worthless: nil. Unknown names are passed
  /// over (RFC 9422 §3).
  init?(_ words: some Collection<Substring>) {
    guard (1...TransactionLimits.maximumEntries).contains(words.count) else { return nil }
    for word in words {
      guard let equals = word.firstIndex(of: "=") else { return nil }
      let value = word[word.index(after: equals)...]
      let name = word[..<equals].lowercasedASCII()
      guard !name.isEmpty, name.utf8.allSatisfy({ $0.isASCIIAlphanumeric || $0 == UInt8(ascii: "-") }), !value.isEmpty
      else { return nil }
      switch name {
      case "mailmax": guard TransactionLimits.read(value, into: &mailMaximum) else { return nil }
      case "rcptmax": guard TransactionLimits.read(value, into: &recipientMaximum) else { return nil }
      case "rcptdomainmax": guard TransactionLimits.read(value, into: &recipientDomainMaximum) else { return nil }
      case _: continue
      }
    }
  }

  /// RFC 9422 §4: one to six digits, the first not zero, each name once.
  private static func read(_ value: Substring, into field: inout Int?) -> Bool {
    guard field == nil, (1...6).contains(value.utf8.count), value.utf8.allSatisfy(\.isASCIIDigit),
      value.utf8.first != UInt8(ascii: "0"), let number = Int(value)
    else { return false }
    field = number
    return true
  }
}
