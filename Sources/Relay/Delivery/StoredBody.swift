import MailQueue
import NIOCore
import SMTPSessions
import Synchronization

/// A queued message as it goes out: the header fields of ours, then the stored body. Read by one connection.
final class StoredBody: OutgoingBody {
  private let body: any BodyReader
  private let prefix: Mutex<ByteBuffer?>

  init(prefix: ByteBuffer, body: any BodyReader) {
    self.body = body
    self.prefix = Mutex(prefix)
  }

  func next() async throws(OutgoingBodyFault) -> ByteBuffer? {
    let piece: ByteBuffer?
    do throws(StoreFault) {
      piece = try await body.next()
    } catch {
      throw OutgoingBodyFault(error.explanation)
    }
    guard
      var first = prefix.withLock({ prefix in
        defer { prefix = nil }
        return prefix
      })
    else { return piece }
    // In one piece with the body's first: a small message is one write and one BDAT chunk.
    if let piece { first.writeImmutableBuffer(piece) }
    return first
  }
}

extension StoreFault {
  /// For logs and the queue's listing.
  var explanation: String {
    switch self {
    case .spaceLow: "the queue's disk is full"
    case .stopped(let reason): "the queue store has stopped: \(reason)"
    case .unavailable(let reason): "the queue can't be read at this moment: \(reason)"
    case .notFound: "the stored message is gone"
    case .corrupt(let id): "the stored body of \(id) is damaged"
    case .duplicate(let id): "the store already holds \(id)"
    case .tooLarge: "the message is larger than the store takes"
    }
  }
}
