import MailSyntax
import Testing

@Suite struct ClockTests {
  @Test("moments and durations saturate where they would overflow")
  func saturation() {
    #expect(UTCInstant(nanoseconds: .max) + .seconds(1) == UTCInstant(nanoseconds: .max))
    #expect(UTCInstant(nanoseconds: .min) + .seconds(-1) == UTCInstant(nanoseconds: .min))
    #expect(Uptime(nanoseconds: 5) + .nanoseconds(7) == Uptime(nanoseconds: 12))
    #expect(Uptime(nanoseconds: 12) - Uptime(nanoseconds: 5) == .nanoseconds(7))
    #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    #expect(Duration.seconds(Int64.min).nanoseconds == .min)
    #expect(UTCInstant(seconds: 100) - UTCInstant(seconds: 40) == .seconds(60))
  }

  @Test("seconds are rounded down on both sides of 1970")
  func seconds() {
    #expect(UTCInstant(nanoseconds: 1_999_999_999).seconds == 1)
    #expect(UTCInstant(nanoseconds: -1).seconds == -1)
    #expect(UTCInstant(nanoseconds: -1_000_000_000).seconds == -1)
  }
}
