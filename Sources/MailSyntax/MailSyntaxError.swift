/// Why a piece of text is not the value it was read as. Each case says what a person should look at.
public enum MailSyntaxError: Error, Hashable, Sendable, CustomStringConvertible {
  case emptyDomain, badDomain, domainTooLong, labelTooLong
  case emptyLocalPart, badLocalPart, localPartTooLong, pathTooLong
  case missingAtSign, badPath, badAddressLiteral
  case notUTF8, controlCharacter
  case badReplyCode, badEnhancedStatusCode, badByteCount, badDuration

  public var description: String {
    switch self {
    case .emptyDomain: "the domain is empty"
    case .badDomain: "the domain is not made of letters, digits and inner hyphens between dots"
    case .domainTooLong: "the domain is longer than \(DomainName.maximumOctets) octets"
    case .labelTooLong: "a label of the domain is longer than \(DomainName.maximumLabelOctets) octets"
    case .emptyLocalPart: "nothing stands before the @"
    case .badLocalPart: "the part before the @ has a character that must be quoted, or a misplaced dot"
    case .localPartTooLong: "the part before the @ is longer than \(Mailbox.maximumLocalPartOctets) octets"
    case .pathTooLong: "the path is longer than \(Mailbox.maximumPathOctets) octets"
    case .missingAtSign: "there is no @"
    case .badPath: "a path is written <user@domain>"
    case .badAddressLiteral: "an address literal is written [192.0.2.1] or [IPv6:2001:db8::1]"
    case .notUTF8: "the text is not UTF-8"
    case .controlCharacter: "the text has a control character"
    case .badReplyCode: "a reply code is three digits from 200 to 599"
    case .badEnhancedStatusCode: "an enhanced status code is class.subject.detail"
    case .badByteCount: "a size is a whole number of bytes, or one with KiB, MiB, GiB or TiB"
    case .badDuration: "a duration is a whole number with ms, s, m, h or d"
    }
  }
}
