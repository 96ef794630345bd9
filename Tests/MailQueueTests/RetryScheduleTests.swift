import MailQueue
import MailSyntax
import Testing

/// Draws the same number each time.
private struct Constant: RandomNumberGenerator {
  let value: UInt64
  mutating func next() -> UInt64 { value }
}

@Suite("the retry schedule")
struct RetryScheduleTests {
  @Test("waits 5, 10, 20 and 40 minutes, then hours, and repeats the last delay (SMTP-038)")
  func standard() throws {
    let plain = try RetrySchedule(delays: RetrySchedule.standard.delays, jitterPercent: 0)
    var generator = SystemRandomNumberGenerator()
    let minutes = (1...10).map { plain.delay(afterAttempts: $0, using: &generator).components.seconds / 60 }
    #expect(minutes == [5, 10, 20, 40, 60, 120, 180, 240, 240, 240])
    #expect(plain.delay(afterAttempts: 0, using: &generator) == .seconds(300))
    #expect(plain.delay(afterAttempts: .max, using: &generator) == .seconds(14_400))
  }

  @Test("spreads every delay within its jitter, to both sides")
  func jitter() throws {
    let schedule = try RetrySchedule(delays: [.seconds(1000)], jitterPercent: 10)
    var generator = SystemRandomNumberGenerator()
    let drawn = (0..<500).map { _ in schedule.delay(afterAttempts: 1, using: &generator) }
    #expect(drawn.allSatisfy { $0 >= .seconds(900) && $0 <= .seconds(1100) })
    #expect(drawn.contains { $0 < .seconds(1000) } && drawn.contains { $0 > .seconds(1000) })
    var constant = Constant(value: 77)
    #expect(
      schedule.delay(afterAttempts: 1, using: &constant) == schedule.delay(afterAttempts: 1, using: &constant))
  }

  @Test("never waits less than a second")
  func floor() throws {
    let schedule = try RetrySchedule(delays: [.seconds(1)], jitterPercent: 50)
    var generator = SystemRandomNumberGenerator()
    #expect((0..<100).allSatisfy { _ in schedule.delay(afterAttempts: 3, using: &generator) >= .seconds(1) })
  }

  @Test("refuses what is out of bounds and says so")
  func bounds() throws {
    #expect(throws: RetryScheduleError.empty) { try RetrySchedule(delays: []) }
    #expect(throws: RetryScheduleError.tooManyDelays) {
      try RetrySchedule(delays: Array(repeating: .seconds(60), count: RetrySchedule.maximumDelays + 1))
    }
    #expect(throws: RetryScheduleError.delayOutOfBounds(.zero)) { try RetrySchedule(delays: [.zero]) }
    #expect(throws: RetryScheduleError.delayOutOfBounds(.seconds(604_801))) {
      try RetrySchedule(delays: [.seconds(604_801)])
    }
    #expect(throws: RetryScheduleError.jitterOutOfBounds(51)) {
      try RetrySchedule(delays: [.seconds(60)], jitterPercent: 51)
    }
  }
}
