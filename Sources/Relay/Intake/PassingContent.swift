import MailMessage
import NIOCore

/// What the octets of a message say as they go by, and that is noted rather than refused.
///
/// Bare CR and LF, NUL and overlong lines aren't looked for here: `SMTPGrammar.ContentInspector` refuses them in the
/// session, which is the only way to this sink. What is left is one OR over the octets, at the speed of memory.
struct PassingContent: Hashable, Sendable {
  private(set) var isEightBit = false
  private var isHeaderEightBit = false
  private var hasEightBitBody = false
  private var partHeaders: PartHeaderWatch?
  /// The last two octets.
  private var tail: UInt16 = 0
  private var isBody = false

  /// Of the message, or of one of its parts where those are watched.
  var hasEightBitHeader: Bool { isHeaderEightBit || partHeaders?.isEightBit == true }

  /// The header section has gone by.
  ///
  /// - Parameter watchesParts: somebody will ask for eight bits in the headers of parts.
  mutating func beginBody(of header: HeaderSection, watchesParts: Bool) {
    isBody = true
    isHeaderEightBit = isEightBit
    if watchesParts { partHeaders = PartHeaderWatch(header) }
  }

  mutating func watch(_ bytes: ByteBuffer) {
    let holdsEightBit = bytes.withUnsafeReadableBytes { octets in
      var seen: UInt8 = 0
      for octet in octets { seen |= octet }
      return seen >= 0x80
    }
    isEightBit = isEightBit || holdsEightBit
    hasEightBitBody = hasEightBitBody || (isBody && holdsEightBit)
    if isBody { partHeaders?.watch(bytes.readableBytesView) }
    for octet in bytes.readableBytesView.suffix(2) { tail = tail << 8 | UInt16(octet) }
  }

  /// Source: RFC 6152 §2 has the client declare an 8-bit body (SUB-010); a chunked message may end without CRLF.
  func findings(declaresEightBit: Bool) -> [IntakeFinding] {
    (hasEightBitBody && !declaresEightBit ? [IntakeFinding(.eightBitBody)] : [])
      + (tail == 0x0d0a ? [] : [IntakeFinding(.noFinalLineEnd)])
  }
}
