public import MailQueue
public import MailSyntax
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes events as lines to a file descriptor, from a thread of its own behind a bounded ring: a stalled terminal or
/// pipe stalls no event loop. Lines that find the ring full are counted, and the count is told when there is room.
public final class LogWriter: EventSink {
  public static let maximumWaitingLines = 16_384

  /// Makes one event a line, or lines, without the last end of line; nothing where it isn't worth one.
  public struct Format: Sendable {
    public let render: @Sendable (MailEvent, UTCInstant) -> String?
    public init(render: @escaping @Sendable (MailEvent, UTCInstant) -> String?) { self.render = render }

    /// The lines of Documentation/Events.md.
    public static let text = Format { LogLine.text($0, $1) }
    public static let json = Format { LogLine.json($0, $1) }
  }

  private let descriptor: Int32
  private let clock: any MailClock
  private let ring: Mutex<Ring>
  private let condition = ThreadCondition()

  private struct Ring {
    var format: Format
    var waiting: [(MailEvent, UTCInstant)] = []
    var dropped = 0
    var isClosed = false
    var isDone = false
  }

  public init(descriptor: Int32, format: Format, clock: any MailClock) {
    self.descriptor = descriptor
    ring = Mutex(Ring(format: format))
    self.clock = clock
    startThread { [self] in run() }
  }

  /// Writes another format from the next line on.
  public func change(to format: Format) { ring.withLock { $0.format = format } }

  public func record(_ event: MailEvent) {
    let instant = clock.now
    let wasEmpty = ring.withLock { ring in
      guard ring.waiting.count < LogWriter.maximumWaitingLines, !ring.isClosed else {
        ring.dropped += 1
        return false
      }
      ring.waiting.append((event, instant))
      return ring.waiting.count == 1
    }
    if wasEmpty { condition.signal() }
  }

  /// Writes what waits, and takes nothing more. Waits for the writer a bounded time.
  public func close() {
    ring.withLock { $0.isClosed = true }
    condition.signal()
    condition.wait(atMostSeconds: 2) { ring.withLock { $0.isDone } }
  }

  private func run() {
    while true {
      condition.wait { ring.withLock { !$0.waiting.isEmpty || $0.isClosed } }
      let (batch, dropped, isClosed, format) = ring.withLock { ring in
        let batch = ring.waiting
        let dropped = ring.dropped
        ring.waiting = []
        ring.dropped = 0
        return (batch, dropped, ring.isClosed, ring.format)
      }
      var text = ""
      for (event, instant) in batch { text += line(event, instant, format) }
      if dropped > 0 {
        text += line(
          MailEvent(.alarm, [.init("what", .text("log-lines-dropped")), .init("count", .number(dropped))]), clock.now,
          format)
      }
      write(text)
      if isClosed && batch.isEmpty {
        ring.withLock { $0.isDone = true }
        condition.signal()
        return
      }
    }
  }

  private func line(_ event: MailEvent, _ instant: UTCInstant, _ format: Format) -> String {
    format.render(event, instant).map { $0 + "\n" } ?? ""
  }

  /// A log that can't be written is no reason to stop carrying mail: what fails is dropped.
  private func write(_ text: String) {
    var octets = Array(text.utf8)[...]
    while !octets.isEmpty {
      let written = octets.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
      if written > 0 {
        octets = octets.dropFirst(written)
      } else if errno != EINTR {
        return
      }
    }
  }
}

#if canImport(Glibc)
  private let systemWrite = Glibc.write
#elseif canImport(Musl)
  private let systemWrite = Musl.write
#elseif canImport(Darwin)
  private let systemWrite = Darwin.write
#endif
