import MailSyntax
import NIOCore
import SMTPGrammar

/// The content of one message on its way out: behind DATA with its dots doubled, or in BDAT chunks.
///
/// Law 5: a bare CR or LF never leaves. Content that lacks its last CRLF gets it (RFC 5321 §4.1.1.4).
struct OutgoingContent {
  /// Bytes for the wire, and the replies that they ask for.
  struct Block: Hashable {
    var bytes: ByteBuffer
    /// A BDAT chunk stands in it, so a reply follows.
    var isChunk: Bool
    var isLast: Bool
    /// What a dialogue shows in the place of the bytes: the commands among them, and of the content its size.
    var shownAs: String
  }

  private enum Framing {
    case dotStuffed(DotStuffer)
    /// The last piece is held back until it is known whether it is the last.
    case chunked(ContentInspector, held: ByteBuffer?)
  }
  private var framing: Framing

  init(isChunked: Bool) {
    framing = isChunked ? .chunked(ContentInspector(), held: nil) : .dotStuffed(DotStuffer())
  }

  /// The next piece; nil says that the content is over. No block where the piece is held back.
  mutating func take(_ piece: ByteBuffer?) throws(DialogueFault.Cause) -> Block? {
    switch framing {
    case .dotStuffed(var stuffer):
      // Taken apart and put together again: nothing is copied but a few words.
      defer { framing = .dotStuffed(stuffer) }
      return try OutgoingContent.stuff(piece, with: &stuffer)
    case .chunked(var inspector, var held):
      defer { framing = .chunked(inspector, held: held) }
      return try OutgoingContent.chunk(piece, holding: &held, inspector: &inspector)
    }
  }

  private static func stuff(
    _ piece: ByteBuffer?, with stuffer: inout DotStuffer
  ) throws(DialogueFault.Cause) -> Block? {
    var bytes = ByteBuffer()
    do throws(DotStuffer.Fault) {
      if let piece { try stuffer.write(piece, into: &bytes) } else { try stuffer.finish(into: &bytes) }
    } catch {
      switch error {
      case .bareCarriageReturn(let line): throw .local("the message has a bare CR in line \(line)")
      case .bareLineFeed(let line): throw .local("the message has a bare LF in line \(line)")
      }
    }
    guard bytes.readableBytes > 0 else { return nil }
    return Block(
      bytes: bytes, isChunk: false, isLast: piece == nil, shownAs: piece.map { shown($0.readableBytes) } ?? ".")
  }

  private static func chunk(
    _ piece: ByteBuffer?, holding held: inout ByteBuffer?, inspector: inout ContentInspector
  ) throws(DialogueFault.Cause) -> Block? {
    if let piece {
      guard piece.readableBytes > 0 else { return nil }
      inspector.inspect(piece)
      try check(inspector)
      defer { held = piece }
      return held.map { block($0, isLast: false) }
    }
    inspector.finish()
    try check(inspector)
    var last = held ?? ByteBuffer()
    held = nil
    if !inspector.endsAtLineEnd { last.writeStaticString("\r\n") }
    return block(last, isLast: true)
  }

  // RFC 3030 §2 would let them through; the next hop that speaks DATA would not.
  private static func check(_ inspector: ContentInspector) throws(DialogueFault.Cause) {
    let defects = inspector.defects
    if let line = defects.bareCarriageReturn { throw .local("the message has a bare CR in line \(line)") }
    if let line = defects.bareLineFeed { throw .local("the message has a bare LF in line \(line)") }
  }

  private static func block(_ chunk: ByteBuffer, isLast: Bool) -> Block {
    var bytes = ByteBuffer()
    bytes.reserveCapacity(chunk.readableBytes + 24)
    let command = "BDAT \(chunk.readableBytes)\(isLast ? " LAST" : "")"
    bytes.writeString("\(command)\r\n")
    bytes.writeImmutableBuffer(chunk)
    return Block(
      bytes: bytes, isChunk: true, isLast: isLast, shownAs: "\(command)\r\n\(shown(chunk.readableBytes))")
  }

  private static func shown(_ octets: Int) -> String { "(\(octets) octets of the message)" }
}
