public import MailQueue
import MailSyntax
import Synchronization

/// What happened in a simulated world, as one number that two runs of a seed must share, and for a person as lines.
public final class Trace: EventSink {
  /// Lines kept; the newest.
  public static let maximumLines = 20_000

  private struct State {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var lines: [String] = []

    /// FNV-1a.
    mutating func mix(_ octet: UInt8) { hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01b3 }
  }
  private let state = Mutex(State())
  private let clock: VirtualClock
  private let keepsLines: Bool
  private let onEvent = Mutex<(@Sendable (MailEvent) -> Void)?>(nil)

  public init(clock: VirtualClock, keepsLines: Bool = false) {
    self.clock = clock
    self.keepsLines = keepsLines
  }

  public var hash: UInt64 { state.withLock { $0.hash } }
  public var lines: [String] { state.withLock { $0.lines } }

  /// Told of every event, as it becomes durable.
  func follow(_ listener: @escaping @Sendable (MailEvent) -> Void) { onEvent.withLock { $0 = listener } }

  public func note(_ text: String) {
    let moment = clock.uptime.nanoseconds
    state.withLock { state in
      for octet in text.utf8 { state.mix(octet) }
      for shift in stride(from: 0, to: 64, by: 8) { state.mix(UInt8(truncatingIfNeeded: moment >> Int64(shift))) }
      guard keepsLines else { return }
      if state.lines.count == Trace.maximumLines { state.lines.removeFirst(Trace.maximumLines / 2) }
      state.lines.append("\(moment / 1_000_000) ms \(text)")
    }
  }

  public func record(_ event: MailEvent) {
    let fields = event.fields.map { field in
      switch field.value {
      case .text(let text): "\(field.key)=\(text)"
      case .number(let number): "\(field.key)=\(number)"
      case .flag(let flag): "\(field.key)=\(flag)"
      }
    }
    note("\(event.kind.rawValue) \(fields.joined(separator: " "))")
    onEvent.withLock { $0 }?(event)
  }
}
