import Testing

@testable import MailAuthentication

@Suite("Lists of tags")
struct TagListTests {
  @Test(
    "DKIM-009: names keep their case, values what stands within, and a semicolon may end the list",
    arguments: [
      ("v=1", [["v", "1"]]), ("v=1;", [["v", "1"]]),
      (" v = 1 ;\r\n\tA =  b\r\n c ; ", [["v", "1"], ["A", "b\r\n c"]]),
      ("a=;b=", [["a", ""], ["b", ""]]), ("a=b=c==", [["a", "b=c=="]]), ("", []), (" \r\n ", []),
      ("d=bücher.example", [["d", "bücher.example"]]),
    ])
  func lists(_ text: String, _ tags: [[String]]) throws {
    #expect(try TagList(text.utf8).tags.map { [$0.name, $0.value] } == tags)
  }

  @Test(
    "DKIM-009: a name twice, a part without a name and octets that are no text void the list",
    arguments: [
      ("a=1; b=2; a=3", TagList.Fault.duplicate("a")), ("a=1;;b=2", .notATag("")), ("=1", .notATag("=1")),
      ("1a=1", .notATag("1a=1")), ("a b=1", .notATag("a b=1")), ("a", .notATag("a")), ("a=1; ;", .notATag(" ")),
    ])
  func faults(_ text: String, _ fault: TagList.Fault) {
    #expect(throws: fault) { try TagList(text.utf8) }
  }

  @Test("no list is longer than its bounds, however it is made")
  func bounds() {
    #expect(throws: TagList.Fault.notText) { try TagList([0x61, 0x3d, 0xff]) }
    let many = (0...TagList.maximumTags).map { "t\($0)=" }.joined(separator: ";")
    #expect(throws: TagList.Fault.tooManyTags) { try TagList(many.utf8) }
    #expect(throws: TagList.Fault.tooLong) { try TagList(repeatElement(0x20, count: TagList.maximumOctets + 1)) }
  }

  @Test(
    "a fault is one short line, whatever the list is made of",
    arguments: ["a\r\nX: y", "\u{1b}[2J", "a\u{85}b", "a\u{2028}b", String(repeating: "e\u{301}", count: 9_000)])
  func words(_ text: String) throws {
    let name = String(repeating: "n", count: 9_000)
    for list in [text, "\(name)=;\(name)="] {
      let fault = try #require(throws: TagList.Fault.self) { try TagList(list.utf8) }
      #expect("\(fault)" == FieldText.sanitised("\(fault)", allowsUTF8: true) && "\(fault)".utf8.count < 200)
    }
  }

  @Test("a value's place is that of its octets, white space included")
  func places() throws {
    let text = Array("a=1; b =  xy ; c=3".utf8)
    let tag = try #require(try TagList(text).tag("b"))
    #expect(String(decoding: text[tag.valueRange], as: UTF8.self) == "  xy ")
  }
}
