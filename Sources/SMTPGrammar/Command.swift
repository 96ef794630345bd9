public import MailSyntax
public import NIOCore

/// One SMTP command as a value. Source: RFC 5321 §4.1.1 and the extensions named beside each case.
public enum Command: Hashable, Sendable {
  case ehlo(HostIdentity)
  case helo(HostIdentity)
  /// RFC 3207 §4.
  case startTLS
  /// RFC 4954 §4: the mechanism in upper case; the initial response still in base64, `=` meaning empty.
  case auth(mechanism: String, initialResponse: ByteBuffer?)
  case mail(ReversePath, MailParameters)
  case rcpt(ForwardPath, RecipientParameters)
  case data
  /// RFC 3030 §2: the chunk's size in octets.
  case bdat(size: Int, isLast: Bool)
  case rset
  case noop
  case help
  case vrfy(ByteBuffer)
  case expn(ByteBuffer)
  case quit
}

/// The parameters of MAIL. Absent means the client did not give it.
public struct MailParameters: Hashable, Sendable {
  /// RFC 1870 §6.
  public var size: ByteCount?
  /// RFC 6152 §2, RFC 3030 §3.
  public var body: BodyType?
  /// RFC 6531 §3.4.
  public var usesSMTPUTF8 = false
  /// RFC 4954 §5: xtext-decoded mailbox, or `.null` for `<>`.
  public var authenticatedSender: ReversePath?
  /// RFC 3461 §4.3, §4.4.
  public var deliveryReportContent: DeliveryReportContent?
  public var envelopeID: String?
  /// RFC 8689 §2.
  public var requiresTLS = false
  public init() {}
}

public enum BodyType: String, Hashable, Sendable { case sevenBit = "7BIT", eightBitMIME = "8BITMIME" }

/// RET of RFC 3461 §4.3.
public enum DeliveryReportContent: String, Hashable, Sendable { case full = "FULL", headers = "HDRS" }

/// The parameters of RCPT. Source: RFC 3461 §4.1, §4.2.
public struct RecipientParameters: Hashable, Sendable {
  public var notify: Notify?
  public var originalRecipient: OriginalRecipient?
  public init() {}
}

/// NOTIFY of RFC 3461 §4.1: never, or a set of occasions.
public struct Notify: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let success = Notify(rawValue: 1)
  public static let failure = Notify(rawValue: 2)
  public static let delay = Notify(rawValue: 4)
  public static let never: Notify = []
}

/// ORCPT of RFC 3461 §4.2: address type and the address with its xtext decoded.
public struct OriginalRecipient: Hashable, Sendable {
  public let addressType: String
  public let address: String
  public init(addressType: String, address: String) {
    self.addressType = addressType
    self.address = address
  }
}
