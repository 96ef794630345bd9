public import NIOCore

/// A message's header section: its octets as they came, and where each field stands in them. Source: RFC 5322 §2.2.
public struct HeaderSection: Hashable, Sendable {
  /// All fields and, where the message has one, the empty line that ends them.
  public let bytes: ByteBuffer
  /// In the order of the message.
  public let fields: [Field]
  /// Whether the empty line is there; without it the message has no body.
  public let hasSeparator: Bool

  /// One field. Ranges count octets from the section's first.
  public struct Field: Hashable, Sendable {
    /// In lower case.
    public let name: String
    public let nameRange: Range<Int>
    /// Behind the colon to before the last CRLF; folding included.
    public let valueRange: Range<Int>
    /// The whole field with its CRLFs.
    public let rawRange: Range<Int>
    /// White space stands between name and colon, which RFC 5322 §4.5 lets one read and §3.6 forbids to write.
    public let hasSpaceBeforeColon: Bool
  }

  /// The number of fields of this name, given in lower case.
  public func count(of name: String) -> Int { fields.reduce(0) { $0 + ($1.name == name ? 1 : 0) } }

  /// The first field of this name, given in lower case.
  public func first(_ name: String) -> Field? { fields.first { $0.name == name } }

  /// The unfolded value of the first field of this name; octets that are not UTF-8 show as U+FFFD.
  public func value(of name: String) -> String? {
    first(name).map { String(decoding: unfoldedValue(of: $0), as: UTF8.self) }
  }

  /// A field's value with folding undone and without the white space around it (RFC 5322 §2.2.3: CRLF is removed,
  /// the white space behind it stays).
  public func unfoldedValue(of field: Field) -> [UInt8] {
    let isLineEnd = { (octet: UInt8) in octet == UInt8(ascii: "\r") || octet == UInt8(ascii: "\n") }
    let value = octets(in: field.valueRange).filter { !isLineEnd($0) }
    let head = value.prefix { isWhiteSpace($0) }.count
    let tail = value.reversed().prefix { isWhiteSpace($0) }.count
    return head + tail < value.count ? Array(value[head..<(value.count - tail)]) : []
  }

  /// The octets in a range of this section.
  public func octets(in range: Range<Int>) -> ByteBufferView {
    let start = bytes.readerIndex
    return bytes.viewBytes(at: start + range.lowerBound, length: range.count) ?? ByteBufferView()
  }

  /// The section without the fields of these names (lower case); every other octet as it came, in its order.
  public func removing(_ names: [String]) -> ByteBuffer { removing { names.contains($1.name) } }

  /// The same without the fields that `isUnwanted`, which is told each one's place and the field.
  public func removing(where isUnwanted: (Int, Field) -> Bool) -> ByteBuffer {
    let unwanted = fields.indices.filter { isUnwanted($0, fields[$0]) }
    guard !unwanted.isEmpty else { return bytes }
    var kept = ByteBuffer()
    kept.reserveCapacity(bytes.readableBytes)
    var next = unwanted[...]
    for (index, field) in fields.enumerated() {
      if next.first == index {
        next = next.dropFirst()
      } else {
        kept.writeBytes(octets(in: field.rawRange))
      }
    }
    let end = fields.last?.rawRange.upperBound ?? 0
    kept.writeBytes(octets(in: end..<bytes.readableBytes))
    return kept
  }

  /// Whether an octet over 0x7f stands in the section.
  public var isEightBit: Bool { bytes.readableBytesView.contains { $0 >= 0x80 } }
  /// Whether the section is UTF-8 throughout, as RFC 6532 §3.1 asks.
  public var isUTF8: Bool { String(validating: bytes.readableBytesView, as: UTF8.self) != nil }
}

@inline(__always)
func isWhiteSpace(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 }
