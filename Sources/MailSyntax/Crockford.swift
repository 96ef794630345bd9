/// `characters` × 5 low bits of a number in Crockford's base 32, lower case.
public func crockford(_ number: UInt64, characters: Int) -> String {
  let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
  return String(
    decoding: (0..<characters).reversed().map { alphabet[Int(number >> (UInt64($0) * 5) & 31)] }, as: UTF8.self)
}
