/// The extensions whose parameters a MAIL or RCPT line may carry: those the server advertised to this client.
///
/// A parameter of an extension outside the set is an unknown one: 555 (RFC 5321 §4.1.1.11).
public struct ExtensionSet: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// RFC 1870: SIZE.
  public static let size = ExtensionSet(rawValue: 1)
  /// RFC 6152: BODY.
  public static let eightBitMIME = ExtensionSet(rawValue: 2)
  /// RFC 6531: SMTPUTF8.
  public static let smtpUTF8 = ExtensionSet(rawValue: 4)
  /// RFC 4954 §5: AUTH.
  public static let authentication = ExtensionSet(rawValue: 8)
  /// RFC 3461: RET, ENVID, NOTIFY, ORCPT.
  public static let deliveryStatusNotifications = ExtensionSet(rawValue: 16)
  /// RFC 8689: REQUIRETLS.
  public static let requireTLS = ExtensionSet(rawValue: 32)

  public static let all: ExtensionSet = [
    .size, .eightBitMIME, .smtpUTF8, .authentication, .deliveryStatusNotifications, .requireTLS,
  ]
}
