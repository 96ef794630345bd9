public import MailSyntax

/// One extension that this server advertises; `description` is its line in the answer to EHLO.
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
  /// RFC 3461 §3.
  case deliveryStatusNotifications
  /// RFC 3207.
  case startTLS
  /// RFC 8689 §2.
  case requireTLS
  /// RFC 4954 §3: the mechanisms by name.
  case authentication([String])

  public var description: String {
    switch self {
    case .pipelining: "PIPELINING"
    case .size(let maximum): "SIZE \(maximum.bytes)"
    case .eightBitMIME: "8BITMIME"
    case .smtpUTF8: "SMTPUTF8"
    case .enhancedStatusCodes: "ENHANCEDSTATUSCODES"
    case .chunking: "CHUNKING"
    case .deliveryStatusNotifications: "DSN"
    case .startTLS: "STARTTLS"
    case .requireTLS: "REQUIRETLS"
    case .authentication(let mechanisms): "AUTH \(mechanisms.joined(separator: " "))"
    }
  }
}
