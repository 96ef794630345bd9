/// Makes text of any origin fit for a reply.
public enum ReplyText {
  /// What leaves room for code and status on a line of 512 octets (RFC 5321 §4.5.3.1.5).
  public static let maximumOctets = 400

  /// Printable ASCII alone (RFC 6531 §3.7.4): anything else becomes `?`, and the end is cut off. Never empty.
  public static func sanitised(_ text: some StringProtocol) -> String {
    let octets = text.unicodeScalars.prefix(maximumOctets).map { scalar in
      scalar.value >= 0x20 && scalar.value < 0x7f ? UInt8(scalar.value) : UInt8(ascii: "?")
    }
    return octets.isEmpty ? "?" : String(decoding: octets, as: UTF8.self)
  }
}
