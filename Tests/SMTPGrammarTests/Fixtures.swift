import MailSyntax
import NIOCore

func octets(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

/// For tables, which can't throw.
func domain(_ text: String) -> DomainName {
  guard let name = try? DomainName(text) else { preconditionFailure("\(text) is no domain") }
  return name
}

func literal(_ text: String) -> AddressLiteral {
  guard let literal = try? AddressLiteral(text) else { preconditionFailure("\(text) is no literal") }
  return literal
}

extension ByteBuffer {
  var text: String { String(buffer: self) }

  /// The same octets as they can arrive: whole, one at a time, and cut in two at every place.
  var arrivals: [[ByteBuffer]] {
    let all = Array(readableBytesView)
    let cuts = all.count > 1 ? 1..<all.count : 1..<1
    return [[self], all.map { ByteBuffer(bytes: [$0]) }]
      + cuts.map { [ByteBuffer(bytes: all[..<$0]), ByteBuffer(bytes: all[$0...])] }
  }
}

/// Every string over an alphabet up to a length.
func allStrings(over alphabet: [UInt8], upTo length: Int) -> [[UInt8]] {
  var all: [[UInt8]] = [[]]
  var last: [[UInt8]] = [[]]
  for _ in 0..<length {
    last = last.flatMap { string in alphabet.map { string + [$0] } }
    all += last
  }
  return all
}
