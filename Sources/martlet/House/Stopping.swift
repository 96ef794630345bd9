import Dispatch
import Foundation

/// The signals a server lives by. Trapped before anything else is done, so that none finds the default handler.
final class Signals: Sendable {
  enum Word: Sendable { case stop, reload }

  let words: AsyncStream<Word>
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Word.self)
    words = stream
    // A peer or a pipe that has gone is an error to be handled where it is written to.
    signal(SIGPIPE, SIG_IGN)
    sources = [(SIGTERM, Word.stop), (SIGINT, .stop), (SIGHUP, .reload)].map { number, word in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(word) }
      source.resume()
      return source
    }
  }
}
