import NIOCore
import SMTPGrammar
import Testing

@Suite struct DataDecoderTests {
  struct Outcome: Equatable {
    var content: [UInt8] = []
    var ended = false
    var left: [UInt8] = []
    var defects = ContentInspectorTests.Finding(ContentDefects())
    var octets = 0
  }

  static func decode(_ arrival: [ByteBuffer], maximumLineOctets: Int = 1000) -> Outcome {
    var decoder = DataDecoder(maximumLineOctets: maximumLineOctets)
    var buffer = ByteBuffer()
    var outcome = Outcome()
    for chunk in arrival {
      buffer.writeImmutableBuffer(chunk)
      reading: while true {
        switch decoder.next(&buffer) {
        case .content(let slice): outcome.content += Array(slice.readableBytesView)
        case .needBytes: break reading
        case .end:
          outcome.ended = true
          break reading
        }
      }
    }
    outcome.left = Array(buffer.readableBytesView)
    outcome.defects = ContentInspectorTests.Finding(decoder.defects)
    outcome.octets = decoder.octets
    return outcome
  }

  @Test(
    "SMTP-008: one leading dot is removed, and a lone dot ends the content",
    arguments: [
      (".\r\n", ""), ("a\r\n.\r\n", "a\r\n"), ("..\r\n.\r\n", ".\r\n"), ("...\r\n.\r\n", "..\r\n"),
      (".x\r\n.\r\n", "x\r\n"), ("a.\r\n.\r\n", "a.\r\n"), ("a\r\n..b\r\n\r\n.\r\n", "a\r\n.b\r\n\r\n"),
      ("\r\n.\r\n", "\r\n"), (". \r\n.\r\n", " \r\n"), ("a\r\n.b.\r\n.\r\n", "a\r\nb.\r\n"),
    ])
  func dots(input: String, content: String) {
    for arrival in octets(input + "NOOP\r\n").arrivals {
      let outcome = DataDecoderTests.decode(arrival)
      #expect(outcome.content == Array(content.utf8))
      #expect(outcome.ended)
      #expect(outcome.left == Array("NOOP\r\n".utf8))
      #expect(outcome.defects.isEmpty)
      #expect(outcome.octets == content.utf8.count)
    }
  }

  @Test(
    "SMUG-001, SMTP-007: only CRLF.CRLF ends the content",
    arguments: [
      "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\n.\r", "\r\n.\r", "\r.\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n",
      "\r\n.\r\0\n",
      "\0.\r\n", "\r\r\n.\n", "\n\r.\r\n", "\r\n.\r\r\n", "\r\n..\r\n", "\r\n. \r\n", "\r\n .\r\n", "\r\n.\t\r\n",
      "\n\n.\n\n", "\r\n.\n.\r\n", "\r\n.\r.\r\n", "\u{85}.\r\n", "\u{0B}.\r\n", "\u{0C}.\r\n", "\u{2028}.\r\n",
      "\r\n\u{FEFF}.\r\n", "\r\n.\u{A0}\r\n", "\r.\n",
    ])
  func smuggling(sequence: String) {
    let smuggled = "MAIL FROM:<evil@example.org>\r\nDATA\r\n"
    for arrival in octets("first\(sequence)\(smuggled)\r\n.\r\nQUIT\r\n").arrivals {
      let outcome = DataDecoderTests.decode(arrival)
      #expect(outcome.ended)
      #expect(outcome.left == Array("QUIT\r\n".utf8))
      #expect(String(decoding: outcome.content, as: UTF8.self).hasSuffix(smuggled + "\r\n"))
    }
  }

  @Test(
    "without CRLF.CRLF there is no end",
    arguments: ["", ".", ".\r", "a\r\n.\r", "a\r\n.", "a\n.\n", "\n.\r\n", "\r.\r\n"])
  func noEnd(input: String) {
    for arrival in octets(input).arrivals { #expect(!DataDecoderTests.decode(arrival).ended) }
  }

  /// What the standard says, written down in the plainest way.
  static func reference(_ input: [UInt8]) -> Outcome {
    let all: [UInt8] = [13, 10] + input
    var outcome = Outcome()
    guard let end = all.indices.first(where: { all[$0...].starts(with: [13, 10, 46, 13, 10]) }) else { return outcome }
    outcome.ended = true
    outcome.left = Array(all[(end + 5)...])
    let stuffed = all[..<(end + 2)]
    var index = stuffed.startIndex
    while index < stuffed.endIndex {
      if stuffed[index...].starts(with: [13, 10, 46]) {
        outcome.content += [13, 10]
        index += 3
      } else {
        outcome.content.append(stuffed[index])
        index += 1
      }
    }
    outcome.content.removeFirst(2)
    outcome.octets = outcome.content.count
    outcome.defects = ContentInspectorTests.plain(outcome.content, maximumLineOctets: 1000)
    return outcome
  }

  @Test("SMUG-001, SMUG-007: every string of CR, LF, dot, NUL and a letter decodes as the standard's plain reading")
  func exhaustive() {
    for string in allStrings(over: [13, 10, 46, 97, 0], upTo: 5) {
      let input = string + [13, 10, 46, 13, 10, 90]
      let expected = DataDecoderTests.reference(input)
      let whole = DataDecoderTests.decode([ByteBuffer(bytes: input)])
      let single = DataDecoderTests.decode(input.map { ByteBuffer(bytes: [$0]) })
      guard whole == expected, single == expected else {
        Issue.record("\(input): expected \(expected), whole \(whole), by octet \(single)")
        return
      }
    }
  }

  @Test("SMUG-007: DATA and BDAT find the same defects in the same content")
  func differential() {
    for string in allStrings(over: [13, 10, 46, 97, 0], upTo: 5) {
      let content = string + [13, 10]
      // Dots are doubled by hand: the stuffer refuses content as bad as this.
      var stuffed: [UInt8] = []
      for index in content.indices {
        let isLineStart = index == 0 || (index >= 2 && content[index - 2] == 13 && content[index - 1] == 10)
        stuffed += isLineStart && content[index] == 46 ? [46, 46] : [content[index]]
      }
      let data = DataDecoderTests.decode([ByteBuffer(bytes: stuffed + [46, 13, 10])])
      var inspector = ContentInspector()
      inspector.inspect(ByteBuffer(bytes: content))
      inspector.finish()
      guard data.content == content, data.defects == ContentInspectorTests.Finding(inspector.defects),
        data.octets == inspector.octets
      else {
        Issue.record("\(content): \(data.defects) by DATA, \(inspector.defects) by BDAT")
        return
      }
    }
  }

  @Test("after the end every call says so and takes nothing")
  func afterEnd() {
    var decoder = DataDecoder()
    var buffer = octets(".\r\n.\r\n")
    for _ in 0..<3 { #expect(decoder.next(&buffer) == .end) }
    #expect(buffer.text == ".\r\n")
  }
}
