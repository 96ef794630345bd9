import MailQueue
import MailSyntax
import Testing

@Suite("a log line")
struct LogLineTests {
  static let moment = UTCInstant(nanoseconds: 1_795_347_900_123_999_999)

  @Test("shows time, kind and fields in order, quoting what isn't plain")
  func text() {
    let event = MailEvent(
      .delivered,
      [
        .init("id", .text("abc")), .init("host", .text("mx one")), .init("count", .number(-3)),
        .init("tls", .flag(true)), .init("empty", .text("")), .init("to", .text("jörg@bücher.example")),
      ])
    #expect(
      LogLine.text(event, Self.moment)
        == "2026-11-22T11:45:00.123Z recipient.delivered id=abc host=\"mx one\" count=-3 tls=true empty=\"\" "
        + "to=\"jörg@bücher.example\"")
    #expect(
      LogLine.json(event, Self.moment)
        == "{\"time\":\"2026-11-22T11:45:00.123Z\",\"event\":\"recipient.delivered\",\"id\":\"abc\","
        + "\"host\":\"mx one\",\"count\":-3,\"tls\":true,\"empty\":\"\",\"to\":\"jörg@bücher.example\"}")
  }

  static let moments: [(Int64, String)] = [
    (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
    (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
    (4_107_542_399_000_000_000, "2100-02-28T23:59:59.000Z"), (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
    (.max, "2262-04-11T23:47:16.854Z"), (.min, "1677-09-21T00:12:43.145Z"),
  ]
  @Test("writes the time in UTC with milliseconds", arguments: moments)
  func timestamps(_ nanoseconds: Int64, _ expected: String) {
    #expect(LogLine.timestamp(UTCInstant(nanoseconds: nanoseconds)) == expected)
  }

  static let hostile = [
    "a\r\n2026-11-22T11:45:00.123Z server.stopped", "x y=z", "\"", "\\", "\u{1b}[31m", "\u{9b}31m", "\u{7f}", "\0",
    "\u{2028}", "\u{202e}gpj", "\u{feff}", "tab\there", "a=b",
  ]
  @Test("lets no value end the line, steer a terminal or forge a field", arguments: hostile)
  func injection(_ value: String) {
    let event = MailEvent(.alarm, [.init("reason", .text(value)), .init("last", .flag(true))])
    for line in [LogLine.text(event, Self.moment), LogLine.json(event, Self.moment)] {
      #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
      #expect(line.unicodeScalars.allSatisfy { !(0x2028...0x202e).contains($0.value) && $0.value != 0xfeff })
    }
    #expect(LogLine.text(event, Self.moment).contains(" reason=\""))
    #expect(LogLine.text(event, Self.moment).hasSuffix("\" last=true"))
  }
}
