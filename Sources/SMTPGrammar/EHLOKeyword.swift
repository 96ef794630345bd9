public import MailSyntax

/// One extension a server advertises; `description` is its line in the answer to EHLO.
public enum EHLOKeyword: Hashable, Sendable, CustomStringConvertible {
  /// RFC 2920.
  case pipelining
  /// RFC 1870 §4; zero means that there is no fixed maximum.
  case size(ByteCount)
  /// RFC 6152.
  case eightBitMIME
  /// RFC 6531.
  case smtpUTF8
  /// RFC 2034.
  case enhancedStatusCodes
  /// RFC 3030.
  case chunking
  /// RFC 3207.
  case startTLS
  /// RFC 4954 §3: the mechanisms by name.
  case authentication([String])
  /// RFC 3461.
  case deliveryStatusNotifications
  /// RFC 8689.
  case requireTLS
  /// RFC 9422.
  case limits(TransactionLimits)

  public var description: String {
    switch self {
    case .pipelining: "PIPELINING"
    case .size(let maximum): "SIZE \(maximum.bytes)"
    case .eightBitMIME: "8BITMIME"
    case .smtpUTF8: "SMTPUTF8"
    case .enhancedStatusCodes: "ENHANCEDSTATUSCODES"
    case .chunking: "CHUNKING"
    case .startTLS: "STARTTLS"
    case .authentication(let mechanisms): "AUTH \(mechanisms.joined(separator: " "))"
    case .deliveryStatusNotifications: "DSN"
    case .requireTLS: "REQUIRETLS"
    case .limits(let limits): "LIMITS \(limits)"
    }
  }
}

/// How much one transaction or connection may carry. Source: RFC 9422 §4. Nil means that nothing was said.
public struct TransactionLimits: Hashable, Sendable, CustomStringConvertible {
  /// RFC 9422 §3: six digits.
  public static let maximumValue = 999_999
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

  public var description: String {
    [("MAILMAX", mailMaximum), ("RCPTMAX", recipientMaximum), ("RCPTDOMAINMAX", recipientDomainMaximum)]
      .compactMap { name, value in value.map { "\(name)=\($0)" } }.joined(separator: " ")
  }
}
