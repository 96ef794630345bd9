extension ReplyCode {
  /// Reads exactly three digits, 200 to 599.
  public init(text: some StringProtocol) throws(MailSyntaxError) {
    guard text.utf8.count == 3, text.utf8.allSatisfy(\.isASCIIDigit), let number = UInt16(String(text)),
      let code = ReplyCode(rawValue: number)
    else { throw .badReplyCode }
    self = code
  }
}

extension EnhancedStatusCode {
  /// Reads `class.subject.detail` whole. Leading zeros are against RFC 3463 §2 and refused.
  public init(text: some StringProtocol) throws(MailSyntaxError) {
    // The longest is 5.999.999.
    guard text.utf8.count <= 9 else { throw .badEnhancedStatusCode }
    let numbers = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { part in
      part.allSatisfy(\.isASCIIDigit) && part.count <= 3 && (part.count == 1 || part.first != UInt8(ascii: "0"))
        ? UInt16(String(decoding: part, as: UTF8.self)) : nil
    }
    guard numbers.count == 3, let first = numbers[0], let classNumber = UInt8(exactly: first),
      let `class` = Class(rawValue: classNumber), let subject = numbers[1], let detail = numbers[2]
    else { throw .badEnhancedStatusCode }
    self.init(`class`, subject, detail)
  }

  /// RFC 2034 §4: the class is the reply code's first digit.
  public func agrees(with code: ReplyCode) -> Bool { UInt16(`class`.rawValue) == code.rawValue / 100 }
}
