/// The random part one side adds to a SCRAM exchange: printable ASCII without a comma. Source: RFC 5802 §5.1.
public struct SCRAMNonce: Hashable, Sendable {
  public static let maximumOctets = 256
  let octets: [UInt8]

  /// A fresh one of 144 bits. Tests and vectors name theirs by `init(_:)`.
  public init(using random: inout some RandomNumberGenerator) {
    let words = (0..<3).map { _ in random.next() as UInt64 }
    octets = SASLBase64.encode(words.flatMap { word in (0..<6).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } })
  }

  /// `nil` where the text is empty, too long, or has an octet a nonce may not have.
  public init?(_ text: String) {
    let octets = Array(text.utf8)
    guard SCRAMNonce.isValid(octets) else { return nil }
    self.octets = octets
  }

  static func isValid(_ octets: some Collection<UInt8>) -> Bool {
    !octets.isEmpty && octets.count <= maximumOctets
      && octets.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ",") }
  }
}
