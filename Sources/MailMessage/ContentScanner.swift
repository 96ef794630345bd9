public import NIOCore

/// Watches a whole message go by and remembers what RFC 5322 §2 has to say about its octets.
///
/// Fed in chunks of any size, dot-stuffing already removed; keeps no octet, so its memory is constant.
/// Only CRLF ends a line (RFC 5321 §2.3.8).
public struct ContentScanner: Sendable {
  /// Octets of a line without its CRLF. Source: RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6.
  public static let maximumLineOctets = 998

  private let lineLimit: Int
  private var facts = ContentFacts()
  /// Where in the message the unfinished line began.
  private var lineStart = 0
  private var previousWasCarriageReturn = false

  public init(maximumLineOctets: Int = ContentScanner.maximumLineOctets) { lineLimit = maximumLineOctets }

  public mutating func append(_ bytes: ByteBuffer) {
    bytes.withUnsafeReadableBytes { scan($0) }
  }

  /// What the message was, once its last octet has been appended.
  public consuming func finish() -> ContentFacts {
    if previousWasCarriageReturn { note(.bareCarriageReturn) }
    if facts.octets - lineStart > lineLimit { note(.overlongLine) }
    facts.endsWithLineEnd = facts.octets > 0 && lineStart == facts.octets
    return facts
  }

  private mutating func scan(_ bytes: UnsafeRawBufferPointer) {
    let base = facts.octets
    var position = 0
    while position < bytes.count {
      // Eight octets of plain text at a time: this runs over every octet of every message.
      if bytes.count - position >= 8, !previousWasCarriageReturn,
        isPlainText(bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      {
        position += 8
        continue
      }
      take(bytes[position], at: base + position)
      position += 1
    }
    facts.octets = base + bytes.count
  }

  private mutating func take(_ octet: UInt8, at offset: Int) {
    switch octet {
    case UInt8(ascii: "\n") where previousWasCarriageReturn:
      if offset - 1 - lineStart > lineLimit { note(.overlongLine) }
      facts.lines += 1
      lineStart = offset + 1
      previousWasCarriageReturn = false
      return
    case UInt8(ascii: "\n"): note(.bareLineFeed)
    case 0: note(.nullOctet)
    case 0x80...: facts.lastEightBitOffset = offset
    case _: break
    }
    if previousWasCarriageReturn { note(.bareCarriageReturn) }
    previousWasCarriageReturn = octet == UInt8(ascii: "\r")
  }

  private mutating func note(_ defect: IntakeDefect) {
    guard facts.fault == nil else { return }
    facts.fault = IntakeFinding(defect, place: "line \(facts.lines + 1)")
  }

  /// Whether none of the eight octets is a control below 0x0e or has the high bit. A borrow between octets can only
  /// start at an octet that is below 0x0e itself, so "plain" is never said wrongly.
  @inline(__always)
  private func isPlainText(_ word: UInt64) -> Bool {
    let high: UInt64 = 0x8080_8080_8080_8080
    let isBelow = (word &- 0x0e0e_0e0e_0e0e_0e0e) & ~word & high
    return (isBelow | word & high) == 0
  }
}

/// What is known of a message's octets after the last one.
public struct ContentFacts: Hashable, Sendable {
  public internal(set) var octets = 0
  /// Lines that CRLF ended.
  public internal(set) var lines = 0
  /// The first stray CR, LF or NUL, or overlong line.
  public internal(set) var fault: IntakeFinding?
  /// Where the last octet over 0x7f stands.
  public internal(set) var lastEightBitOffset: Int?
  /// False for a chunked message whose last line lacks its CRLF: whoever sends it with DATA adds one.
  public internal(set) var endsWithLineEnd = false

  public init() {}

  public var isEightBit: Bool { lastEightBitOffset != nil }
  /// Whether an octet over 0x7f stands behind a header section of so many octets.
  public func hasEightBitBody(behindHeaderOf headerOctets: Int) -> Bool {
    lastEightBitOffset.map { $0 >= headerOctets } ?? false
  }
}
