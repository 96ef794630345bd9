import MailQueue
import NIOCore
import Synchronization

/// Remembers what the store said while a deliverer read the body: the deliverer's own words can't tell a damaged body
/// from a full disk.
final class BodyWatch: Sendable {
  private let fault = Mutex<StoreFault?>(nil)
  var seen: StoreFault? { fault.withLock { $0 } }

  func note(_ fault: StoreFault) {
    self.fault.withLock { if $0 == nil { $0 = fault } }
  }

  func open(
    _ id: QueueID, in store: any QueueStore
  ) async throws(StoreFault) -> any BodyReader {
    do {
      return WatchedBody(try await store.openBody(of: id), watch: self)
    } catch {
      note(error)
      throw error
    }
  }
}

private final class WatchedBody: BodyReader {
  private let body: any BodyReader
  private let watch: BodyWatch
  init(_ body: any BodyReader, watch: BodyWatch) {
    self.body = body
    self.watch = watch
  }

  func next() async throws(StoreFault) -> ByteBuffer? {
    do {
      return try await body.next()
    } catch {
      watch.note(error)
      throw error
    }
  }
}
