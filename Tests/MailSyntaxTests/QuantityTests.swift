import MailSyntax
import Testing

@Suite struct QuantityTests {
  @Test(
    "a size is read in bytes or binary units and written in the largest that fits",
    arguments: [
      ("0", 0, "0 bytes"), ("52428800", 52_428_800, "50 MiB"), ("50 MiB", 52_428_800, "50 MiB"),
      ("50MiB", 52_428_800, "50 MiB"),
      ("1KiB", 1024, "1 KiB"), ("1025 bytes", 1025, "1025 bytes"), ("2 GiB", 2 << 30, "2 GiB"),
      ("3TiB", 3 << 40, "3 TiB"),
      ("9223372036854775807", Int.max, "9223372036854775807 bytes"),
    ])
  func sizes(text: String, bytes: Int, written: String) throws {
    let size = try ByteCount(text: text)
    #expect(size.bytes == bytes)
    #expect(size.description == written)
    #expect(try ByteCount(text: size.description) == size)
  }

  @Test(
    "what is no size is refused",
    arguments: [
      "", "MiB", "-1", "+1", "1.5 MiB", "50 MB", "50 mib", "1 k", "9223372036854775808", "9007199254740992 KiB",
      "1 MiB x",
      "99999999999999999999", "１",
    ])
  func badSizes(text: String) {
    #expect(throws: MailSyntaxError.badByteCount) { try ByteCount(text: text) }
  }

  @Test(
    "a duration is read with its unit and written in the largest that fits",
    arguments: [
      ("500ms", Duration.milliseconds(500), "500ms"), ("30s", .seconds(30), "30s"), ("300 s", .seconds(300), "5m"),
      ("4h", .seconds(14_400), "4h"), ("5d", .seconds(432_000), "5d"), ("0s", .zero, "0s"),
      ("90m", .seconds(5400), "90m"),
    ])
  func durations(text: String, duration: Duration, written: String) throws {
    #expect(try Duration(text: text) == duration)
    #expect(duration.shortForm == written)
    #expect(try Duration(text: duration.shortForm) == duration)
  }

  @Test(
    "what is no duration is refused",
    arguments: ["", "5", "m", "-5m", "1.5h", "5 min", "5M", "1h30m", "9223372036854775807d"])
  func badDurations(text: String) {
    #expect(throws: MailSyntaxError.badDuration) { try Duration(text: text) }
  }
}
