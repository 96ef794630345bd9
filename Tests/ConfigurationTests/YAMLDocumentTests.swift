import Testing

@testable import Configuration

@Suite("YAML document")
struct YAMLDocumentTests {
  @Test(
    "what is no YAML is told with its place and a way to mend it",
    arguments: [
      (
        "a: b: c", "1:5",
        "put a colon behind every key, indent the keys of one section alike, and quote a value with `: ` in it"
      ),
      ("a:\n\t- b", "2:1", "indent with spaces"),
      ("a: [b\nc: d", "2:2", "close the list with `]`"),
      ("a: \"b", "1:6", "close the quotes"),
      ("a: *b", "1:4", "quote a value that begins with `*`"),
      ("a: @b", "1:4", "quote a value that begins with this character"),
      ("a: b\n---\nc: d", "2:1", "take out the line `---`: one file holds one configuration"),
      ("a: b\nc", "2:1", "write a key as `key: value`, with a space behind the colon"),
      ("a: \u{1}", "1:4", "take the character out"),
    ])
  func syntax(_ text: String, _ position: String, _ remedy: String) {
    do throws(YAMLFault) {
      let root = try YAMLDocument.parse(text)
      Issue.record("it was read: \(String(describing: root))")
    } catch {
      #expect(error.position.description == position)
      #expect(error.remedy == remedy, "\(error.text)")
      #expect(error.text.hasPrefix("this is no YAML: "))
    }
  }

  @Test("an empty document has no root", arguments: ["", "\n", "# nothing\n", "---\n"])
  func empty(_ text: String) throws {
    let root = try YAMLDocument.parse(text)
    #expect(root?.isNothing ?? true)
  }

  @Test("scalars keep their text, whatever YAML would read into it")
  func scalars() throws {
    let root = try #require(try YAMLDocument.parse("a: [off, 010, 1:30, 1e3, ~, 'x', \"y\", 0x1f, 2001-01-01]"))
    guard case .mapping(let entries) = root.content, case .list(let items) = entries[0].value.content else {
      Issue.record("no list")
      return
    }
    let texts = items.map { if case .scalar(let text, _) = $0.content { text } else { "" } }
    #expect(texts == ["off", "010", "1:30", "1e3", "~", "x", "y", "0x1f", "2001-01-01"])
  }

  @Test("a key that stands twice is named as it stands, at its own place", arguments: ["key", "'key'", "\"key\""])
  func repeated(_ key: String) throws {
    let root = try #require(try YAMLDocument.parse("\(key): 1\nother: 2\nkey: 3\nother: 4\nkey: 5"))
    guard case .mapping(let entries) = root.content else {
      Issue.record("no mapping")
      return
    }
    #expect(entries.map(\.position.line) == [1, 2, 3, 4, 5])
    #expect(entries.map(\.name) == ["key", "other", "key", "other", "key"])
    #expect(entries.map(\.earlier?.line) == [nil, nil, 1, 2, 1])
  }

  @Test("more keys that stand twice than are counted are a fault of their own")
  func manyRepeated() {
    let text = (0...YAMLDocument.maximumRepeatedKeys + 1).map { "key: \($0)\n" }.joined()
    #expect(throws: YAMLFault.self) { try YAMLDocument.parse(text) }
  }

  @Test("a repeated key behind a tag or anchor, or without a character, is a fault by itself")
  func oddlyRepeated() {
    for text in ["!!str key: 1\nkey: 2", "&k key: 1\nkey: 2", "'': 1\n'': 2", "\"\\x41\": 1\nA: 2"] {
      #expect { try YAMLDocument.parse(text) } throws: { ($0 as? YAMLFault)?.text.contains("stands twice") ?? false }
    }
  }

  @Test("a key repeated through an anchor is a fault and no endless search")
  func repeatedAnchor() {
    #expect(throws: YAMLFault.self) { try YAMLDocument.parse("&a key: 1\n? *a\n: 2\n? *a\n: 3") }
  }

  @Test("anchors of anchors do not grow without bound")
  func growth() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      let uses = [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(uses)]\n"
    }
    #expect { try YAMLDocument.parse(text) } throws: { ($0 as? YAMLFault)?.text.contains("more than") ?? false }
  }

  @Test("deep nesting is a fault", arguments: [40, 5_000])
  func depth(_ levels: Int) {
    #expect(throws: YAMLFault.self) { try YAMLDocument.parse(String(repeating: "[", count: levels)) }
    let closed = String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    #expect(throws: YAMLFault.self) { try YAMLDocument.parse(closed) }
  }

  @Test("a key that is no word is a fault")
  func oddKey() {
    #expect(throws: YAMLFault.self) { try YAMLDocument.parse("[a, b]: c") }
    #expect(throws: YAMLFault.self) { try YAMLDocument.parse("? {a: b}\n: c") }
  }
}
