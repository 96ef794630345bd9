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

  @Test("escapes what isn't plain wherever it stands, and nothing else")
  func everyOctet() {
    for value in 0..<0x80 as Range<UInt8> {
      let character = String(UnicodeScalar(value))
      let isPlain = (0x20..<0x7f).contains(value) && value != UInt8(ascii: "\"") && value != UInt8(ascii: "\\")
      for place in [0, 1, 15, 16, 17, 39] {
        let text = String(repeating: "x", count: place) + character + String(repeating: "y", count: 39 - place)
        let json = MailEvent(.alarm, [.init("a", .text(text))]).json
        #expect(json.contains(":\"\(text)\"}") == isPlain, "\(value) at \(place)")
        #expect(MailEvent(json: json)?["a"] == .text(text), "\(value) at \(place)")
      }
    }
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
