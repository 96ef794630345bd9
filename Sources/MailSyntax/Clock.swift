/// A moment of UTC as nanoseconds since 1970-01-01. Ranges over 1677 to 2262.
public struct UTCInstant: Hashable, Comparable, Sendable {
  public let nanoseconds: Int64
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
  public init(seconds: Int64) { nanoseconds = seconds * 1_000_000_000 }
  public var seconds: Int64 { nanoseconds / 1_000_000_000 - (nanoseconds % 1_000_000_000 < 0 ? 1 : 0) }

  public static func < (left: UTCInstant, right: UTCInstant) -> Bool { left.nanoseconds < right.nanoseconds }
  public static func + (instant: UTCInstant, duration: Duration) -> UTCInstant {
    UTCInstant(nanoseconds: saturating(instant.nanoseconds, duration.nanoseconds))
  }
  public static func - (left: UTCInstant, right: UTCInstant) -> Duration {
    .nanoseconds(saturatingDifference(left.nanoseconds, right.nanoseconds))
  }
}

/// A moment of the machine's uptime in nanoseconds: for deadlines and durations, never shown as a date.
public struct Uptime: Hashable, Comparable, Sendable {
  public let nanoseconds: Int64
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static func < (left: Uptime, right: Uptime) -> Bool { left.nanoseconds < right.nanoseconds }
  public static func + (moment: Uptime, duration: Duration) -> Uptime {
    Uptime(nanoseconds: saturating(moment.nanoseconds, duration.nanoseconds))
  }
  public static func - (left: Uptime, right: Uptime) -> Duration {
    .nanoseconds(saturatingDifference(left.nanoseconds, right.nanoseconds))
  }
}

/// The one clock: wall time, uptime, and sleeping. Everything below the edges takes it as a parameter.
public protocol MailClock: Sendable {
  var now: UTCInstant { get }
  var uptime: Uptime { get }
  /// Returns at `deadline`, or early when the task is cancelled; the caller asks `Task.isCancelled`.
  func sleep(until deadline: Uptime) async
}

extension Duration {
  /// Whole nanoseconds, saturated at about 292 years.
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    return saturating(product, attoseconds / 1_000_000_000)
  }
}

private func saturatingDifference(_ left: Int64, _ right: Int64) -> Int64 {
  let (difference, overflow) = left.subtractingReportingOverflow(right)
  guard overflow else { return difference }
  return right > 0 ? .min : .max
}

private func saturating(_ left: Int64, _ right: Int64) -> Int64 {
  let (sum, overflow) = left.addingReportingOverflow(right)
  guard overflow else { return sum }
  return right < 0 ? .min : .max
}
