import MailSyntax

/// When a recipient is tried again: a list of delays, of which the last repeats until the message expires.
///
/// Every delay is spread by `jitterPercent` to both sides, so that mail deferred together doesn't return together.
/// Source: RFC 5321 §4.5.4.1, which asks for at least 30 minutes in general and more often in the first hour.
public struct RetrySchedule: Hashable, Sendable {
  public static let maximumDelays = 64
  public static let delayBounds: ClosedRange<Duration> = .seconds(1) ... .seconds(7 * 86_400)
  public static let jitterBounds = 0...50

  /// 5, 10, 20 and 40 minutes, then hours: two attempts soon, for greylisting and short outages, then the RFC's pace.
  public static let standard = RetrySchedule(
    trusted: [5, 10, 20, 40, 60, 120, 180, 240].map { .seconds($0 * 60) }, jitterPercent: 10)

  /// 5, 10, 15 and 30 minutes, then each hour.
  public static let untilMended = RetrySchedule(
    trusted: [5, 10, 15, 30, 60].map { .seconds($0 * 60) }, jitterPercent: 10)

  public let delays: [Duration]
  public let jitterPercent: Int

  public init(delays: [Duration], jitterPercent: Int = 10) throws(RetryScheduleError) {
    guard !delays.isEmpty else { throw .empty }
    guard delays.count <= RetrySchedule.maximumDelays else { throw .tooManyDelays }
    for delay in delays where !RetrySchedule.delayBounds.contains(delay) { throw .delayOutOfBounds(delay) }
    guard RetrySchedule.jitterBounds.contains(jitterPercent) else { throw .jitterOutOfBounds(jitterPercent) }
    self.init(trusted: delays, jitterPercent: jitterPercent)
  }

  private init(trusted delays: [Duration], jitterPercent: Int) {
    self.delays = delays
    self.jitterPercent = jitterPercent
  }

  /// How long to wait after `attempts` attempts were made; 1 is the first. Never under a second.
  public func delay(afterAttempts attempts: Int, using generator: inout some RandomNumberGenerator) -> Duration {
    let delay = delays[min(max(attempts, 1), delays.count) - 1]
    let spread = delay.nanoseconds / 100 * Int64(jitterPercent)
    let jitter = Int64.random(in: -spread...spread, using: &generator)
    return max(RetrySchedule.delayBounds.lowerBound, .nanoseconds(delay.nanoseconds + jitter))
  }
}

public enum RetryScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
  case empty
  case tooManyDelays
  case delayOutOfBounds(Duration)
  case jitterOutOfBounds(Int)

  public var description: String {
    switch self {
    case .empty: "a retry schedule has at least one delay"
    case .tooManyDelays: "a retry schedule has at most \(RetrySchedule.maximumDelays) delays; the last one repeats"
    case .delayOutOfBounds(let delay): "the retry delay \(delay) is not between 1s and 7d"
    case .jitterOutOfBounds(let percent): "the jitter of \(percent) percent is not between 0 and 50"
    }
  }
}
