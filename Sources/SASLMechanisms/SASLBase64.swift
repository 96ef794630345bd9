import MailSyntax

/// The base64 of SASL in SMTP: bounded, and with a spelling for the empty response. Source: RFC 4954 §4.
public enum SASLBase64 {
  /// RFC 4954 §4: 12288 octets suffice for the mechanisms there are. A longer line gets 500 5.5.6.
  public static let maximumEncodedOctets = 12288

  public enum Fault: Error, Hashable, Sendable {
    /// 500 5.5.6.
    case tooLong
    /// 501 5.5.2; a client cancels with `*`.
    case malformed
  }

  public static func encode(_ octets: some Collection<UInt8>) -> [UInt8] { Base64.encode(octets) }

  /// Reads a whole text of at most `maximumEncodedOctets`; the empty text is the empty value.
  public static func decode(_ text: some Collection<UInt8>) throws(Fault) -> [UInt8] {
    guard text.count <= maximumEncodedOctets else { throw .tooLong }
    guard let octets = Base64.decode(text) else { throw .malformed }
    return octets
  }

  /// RFC 4954 §4: a zero-length initial response is written `=`, so that it differs from none at all.
  public static func encodeInitialResponse(_ octets: some Collection<UInt8>) -> [UInt8] {
    octets.isEmpty ? [padding] : encode(octets)
  }

  /// Reads the initial response of an AUTH command. Only there does `=` stand for zero octets.
  public static func decodeInitialResponse(_ text: some Collection<UInt8>) throws(Fault) -> [UInt8] {
    text.count == 1 && text.first == padding ? [] : try decode(text)
  }

  private static let padding = UInt8(ascii: "=")
}
