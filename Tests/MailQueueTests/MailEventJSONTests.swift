import MailQueue
import Testing

@Suite("an event as JSON")
struct MailEventJSONTests {
  static let events: [MailEvent] = [
    MailEvent(.started, []),
    MailEvent(.accepted, [.init("id", .text("x")), .init("size", .number(.max)), .init("low", .number(.min))]),
    MailEvent(.failed, [.init("result", .text("550 \"no\"\\ \r\n\t\u{1b}\u{9b}\u{2028}ü😀{},:"))]),
    MailEvent(.alarm, [.init("a", .flag(true)), .init("b", .flag(false)), .init("a", .text("true"))]),
  ]
  @Test("reads back as it was written, in order", arguments: events)
  func roundTrip(_ event: MailEvent) {
    #expect(MailEvent(json: event.json) == event)
  }

  @Test("doesn't read when it is cut short anywhere", arguments: events)
  func truncated(_ event: MailEvent) {
    let text = event.json
    for count in 0..<text.count { #expect(MailEvent(json: String(text.prefix(count))) == nil) }
  }

  static let bad = [
    "{}", "[]", "{\"event\":\"message.accepted\"} ", "{\"event\":\"message.unheard-of\"}", "{\"event\":1}",
    "{\"id\":\"x\",\"event\":\"message.accepted\"}", "{\"event\":\"message.accepted\",\"a\":null}",
    "{\"event\":\"message.accepted\",\"a\":\"\\u12\"}", "{\"event\":\"message.accepted\",\"a\":\"\\q\"}",
    "{\"event\":\"message.accepted\",\"a\":1.5}", "{\"event\":\"message.accepted\",}",
  ]
  @Test("doesn't read when it is something else", arguments: bad)
  func refused(_ text: String) {
    #expect(MailEvent(json: text) == nil)
  }
}
