public import MailSyntax

/// A message identifier, `<left@right>`. Source: RFC 5322 §3.6.4.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
  public static let maximumOctets = 900

  /// With its angle brackets.
  public let description: String

  /// A new one: 128 random bits before the @, so that no two are alike anywhere.
  public static func make(at domain: DomainName, using random: inout some RandomNumberGenerator) -> MessageID {
    MessageID(trusting: "<\(randomWord(using: &random))@\(domain)>")
  }

  /// Reads an identifier as other software makes them: printable, one @, no spaces or further brackets. What
  /// RFC 5322 demands beyond that is broken so often that repairing it would do harm.
  public init?(_ value: String) {
    let octets = Array(value.utf8)
    guard (5...MessageID.maximumOctets).contains(octets.count), octets.first == UInt8(ascii: "<"),
      octets.last == UInt8(ascii: ">")
    else { return nil }
    let inner = octets[1..<(octets.count - 1)]
    guard inner.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }),
      let at = inner.lastIndex(of: UInt8(ascii: "@")), at > inner.startIndex, at < inner.endIndex - 1
    else { return nil }
    description = value
  }

  private init(trusting text: String) { description = text }
}

/// 26 characters of Crockford's base 32, lower case: 128 random bits.
func randomWord(using random: inout some RandomNumberGenerator) -> String {
  let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
  let halves = [random.next() as UInt64, random.next() as UInt64]
  let characters = halves.flatMap { half in
    (0..<13).reversed().map { alphabet[Int(half >> (UInt64($0) * 5) & 31)] }
  }
  return String(decoding: characters, as: UTF8.self)
}
