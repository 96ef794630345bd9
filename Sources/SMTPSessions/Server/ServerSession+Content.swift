import MailSyntax
import NIOCore
import SMTPGrammar

/// Content behind DATA.
struct DataContent {
  var decoder: DataDecoder
  var isAbandoned = false
}

/// Content behind BDAT: the chunk at hand, and what is remembered from chunk to chunk.
struct ChunkContent {
  var inspector: ContentInspector
  /// Octets of the chunk at hand that have not come yet.
  var remaining = 0
  var announced = 0
  var isLast = false
  var isAbandoned = false
  /// The chunk is out of place: its octets are read and dropped before this is said (RFC 3030 §2).
  var refusal: Reply?
}

extension ServerSession {
  mutating func data() -> ServerAction {
    guard let transaction else { return refuseJunk(needsReset ? .resetFirst : .mailFirst) }
    // RFC 3030 §2: DATA and BDAT don't mix in one transaction.
    guard chunks == nil else { return refuseJunk(.transactionOpen) }
    // RFC 2920 §3.1: after nothing but refused recipients a 354 would be a promise about nobody.
    guard !transaction.recipients.isEmpty else { return refuseJunk(.noRecipients) }
    phase = .data(DataContent(decoder: DataDecoder(maximumLineOctets: settings.limits.textLineOctets)))
    return .beginContent(transaction, .startMailInput)
  }

  mutating func nextData(_ content: DataContent, _ bytes: inout ByteBuffer) -> ServerAction {
    var content = content
    switch content.decoder.next(&bytes) {
    case .needBytes:
      phase = .data(content)
      return .needBytes
    case .content(let slice):
      // What is refused already is still read to its end, so that the session stays in step with its peer; the caller
      // sees by `wantsContent` that nobody wants it.
      content.isAbandoned = content.isAbandoned || !isAcceptable(content.decoder.octets, content.decoder.defects)
      phase = .data(content)
      return .content(slice)
    case .end:
      return finishContent(octets: content.decoder.octets, defects: content.decoder.defects)
    }
  }

  /// RFC 3030 §2: the octets announced are read, whatever is said of them.
  mutating func chunk(size: Int, isLast: Bool, gate: Reply?) -> ServerAction {
    var content =
      chunks
      ?? ChunkContent(inspector: ContentInspector(maximumLineOctets: settings.limits.textLineOctets))
    content.remaining = size
    content.announced = size
    content.isLast = isLast
    guard gate == nil, let transaction, !needsReset, !transaction.recipients.isEmpty else {
      content.refusal = gate ?? (needsReset ? .resetFirst : transaction == nil ? .mailFirst : .noRecipients)
      phase = .chunk(content)
      return .continueReading
    }
    phase = .chunk(content)
    return chunks == nil ? .beginContent(transaction, nil) : .continueReading
  }

  mutating func nextChunk(_ content: ChunkContent, _ bytes: inout ByteBuffer) -> ServerAction {
    var content = content
    guard content.remaining > 0 else { return endChunk(content) }
    guard let slice = bytes.readSlice(length: min(content.remaining, bytes.readableBytes)), slice.readableBytes > 0
    else {
      phase = .chunk(content)
      return .needBytes
    }
    content.remaining -= slice.readableBytes
    if content.refusal == nil {
      content.inspector.inspect(slice)
      content.isAbandoned =
        content.isAbandoned || !isAcceptable(content.inspector.octets, content.inspector.defects)
    }
    phase = .chunk(content)
    return .content(slice)
  }

  private mutating func endChunk(_ content: ChunkContent) -> ServerAction {
    var content = content
    phase = .command
    if let refusal = content.refusal {
      needsReset = transaction != nil || needsReset
      forgetTransaction()
      return refuseJunk(refusal)
    }
    if content.isLast {
      content.inspector.finish()
      return finishContent(octets: content.inspector.octets, defects: content.inspector.defects)
    }
    guard !content.isAbandoned else {
      // RFC 3030 §2: after a failed BDAT only RSET opens the way again, and nothing of the envelope stays.
      needsReset = true
      forgetTransaction()
      return refuseMessage(refusal(octets: content.inspector.octets, defects: content.inspector.defects))
    }
    chunks = content
    // A chunk of nothing can be sent without end; one with octets is bounded by the message's size.
    return content.announced == 0 ? answerIdle(.chunkTaken(0)) : .reply(.chunkTaken(content.announced))
  }

  private mutating func finishContent(octets: Int, defects: ContentDefects) -> ServerAction {
    guard isAcceptable(octets, defects) else {
      phase = .command
      forgetTransaction()
      return refuseMessage(refusal(octets: octets, defects: defects))
    }
    phase = .awaiting(.finish)
    return .ask(.finishContent)
  }

  mutating func answered(finish reply: Reply) -> ServerAction {
    phase = .command
    forgetTransaction()
    guard reply.code.isPositive else { return refuseMessage(reply) }
    forgiveAfterMessage()
    return .reply(reply)
  }

  private func isAcceptable(_ octets: Int, _ defects: ContentDefects) -> Bool {
    octets <= settings.limits.messageSize.bytes && defects.isEmpty
  }

  private func refusal(octets: Int, defects: ContentDefects) -> Reply {
    // RFC 1870 §6.3: the real size decides, whatever was declared.
    octets > settings.limits.messageSize.bytes ? .tooLarge(settings.limits) : .defective(defects)
  }
}
