import NIOCore

/// The content of the transaction that is going on. A piece that is read for one is never given to another.
final class ContentInFlight {
  /// One flush carries no more: a larger one would hold memory of its size until the connection ends.
  static let maximumBlockOctets = 65536

  let body: any OutgoingBody
  var isReading = false
  private var piece = ByteBuffer()
  private var isOver = false

  init(_ body: any OutgoingBody) { self.body = body }

  func take(_ next: ByteBuffer?) {
    if let next { piece = next } else { isOver = true }
  }

  /// What the session takes next, nil standing for the end; no block at all where one has to be read first.
  func nextBlock() -> ByteBuffer?? {
    let length = min(piece.readableBytes, ContentInFlight.maximumBlockOctets)
    if length > 0 { return .some(piece.readSlice(length: length)) }
    return isOver ? .some(nil) : .none
  }
}

extension ClientConnection {
  /// Gives content for as long as the session and the wire take it, and reads on when there is none: one piece at a
  /// time, which is the back-pressure.
  func pump() {
    while let content, let wire, wire.isWritable, phase.wantsContent {
      guard let block = content.nextBlock() else { return read(content, over: wire) }
      if perform(phase.take(content: block)) { pull() }
    }
  }

  private func read(_ content: ContentInFlight, over wire: any Wire) {
    guard !content.isReading else { return }
    content.isReading = true
    let body = content.body
    wire.await({ await ClientConnection.piece(of: body) }) { piece in
      content.isReading = false
      guard self.content === content else { return }
      switch piece {
      case .success(let bytes):
        content.take(bytes)
        self.pump()
      case .failure(let fault): self.fail(DialogueFault(.content, .local(fault.reason)))
      }
    }
  }

  private static func piece(of body: any OutgoingBody) async -> Result<ByteBuffer?, OutgoingBodyFault> {
    do throws(OutgoingBodyFault) {
      return .success(try await body.next())
    } catch {
      return .failure(error)
    }
  }
}
