import NIOCore
import SMTPGrammar
import Testing

@Suite struct ContentInspectorTests {
  static func inspect(_ arrival: [ByteBuffer], maximumLineOctets: Int = 1000) -> ContentInspector {
    var inspector = ContentInspector(maximumLineOctets: maximumLineOctets)
    for chunk in arrival { inspector.inspect(chunk) }
    inspector.finish()
    return inspector
  }

  struct Finding: Equatable {
    var carriageReturn: Int?, lineFeed: Int?, nul: Int?, overlong: Int?
    init(_ defects: ContentDefects) {
      carriageReturn = defects.bareCarriageReturn
      lineFeed = defects.bareLineFeed
      nul = defects.nul
      overlong = defects.overlongLine
    }
    var isEmpty: Bool { self == Finding(ContentDefects()) }
  }

  /// The finding by looking at each octet and its neighbours in the whole content.
  static func plain(_ content: [UInt8], maximumLineOctets: Int) -> Finding {
    var finding = Finding(ContentDefects())
    var line = 1
    var length = 0
    for (index, octet) in content.enumerated() {
      length += 1
      if length > maximumLineOctets, finding.overlong == nil { finding.overlong = line }
      if octet == 0, finding.nul == nil { finding.nul = line }
      let next = index + 1 < content.count ? content[index + 1] : nil
      if octet == 13, next != 10, finding.carriageReturn == nil { finding.carriageReturn = line }
      if octet == 10 {
        if index > 0, content[index - 1] == 13 {
          line += 1
          length = 0
        } else if finding.lineFeed == nil {
          finding.lineFeed = line
        }
      }
    }
    return finding
  }

  @Test("SMUG-002: every string of CR, LF, NUL and a letter has the defects a plain reading finds, however it is cut")
  func exhaustive() {
    for string in allStrings(over: [13, 10, 97, 0], upTo: 6) {
      let expected = ContentInspectorTests.plain(string, maximumLineOctets: 4)
      let whole = ContentInspectorTests.inspect([ByteBuffer(bytes: string)], maximumLineOctets: 4)
      let single = ContentInspectorTests.inspect(string.map { ByteBuffer(bytes: [$0]) }, maximumLineOctets: 4)
      let halves = ContentInspectorTests.inspect(
        [ByteBuffer(bytes: string.prefix(3)), ByteBuffer(bytes: string.dropFirst(3))], maximumLineOctets: 4)
      guard [whole, single, halves].allSatisfy({ Finding($0.defects) == expected && $0.octets == string.count }) else {
        Issue.record("\(string): expected \(expected), found \(whole.defects) / \(single.defects) / \(halves.defects)")
        return
      }
    }
  }

  @Test("each defect is named with the line it stands in first")
  func names() {
    let text = "one\r\ntwo\nthree\r\nfo\0ur\rx\r\nfi\0ve\r\n" + String(repeating: "a", count: 999) + "\r\n"
    let defects = ContentInspectorTests.inspect([octets(text)]).defects
    #expect(defects.bareLineFeed == 2)
    #expect(defects.nul == 3)
    #expect(defects[.bareCarriageReturn] == 3)
    #expect(defects.overlongLine == 5)
    #expect(
      defects.description == "a bare CR in line 3, a bare LF in line 2, a NUL in line 3, an overlong line in line 5")
    #expect(ContentDefect.allCases.allSatisfy(defects.contains))
  }

  @Test("SMTP-033: a text line of 1000 octets with its CRLF is good, doubled dots not counted")
  func longestLine() {
    let line = "." + String(repeating: "a", count: 997) + "\r\n"
    for arrival in [[octets(line)], [octets(String(line.dropLast())), octets("\r\n")]] {
      #expect(ContentInspectorTests.inspect(arrival).defects.isEmpty)
    }
    #expect(ContentInspectorTests.inspect([octets("b" + line)]).defects.overlongLine == 1)
    let decoded = DataDecoderTests.decode([octets("." + line + ".\r\n")])
    #expect(decoded.defects.isEmpty)
    #expect(decoded.octets == 1000)
  }

  @Test("clean content has no defect, and whether its last line is whole is known")
  func clean() {
    #expect(ContentInspectorTests.inspect([octets("a\r\nb\r\n")]).endsAtLineEnd)
    #expect(ContentInspectorTests.inspect([]).endsAtLineEnd)
    #expect(!ContentInspectorTests.inspect([octets("a\r\nb")]).endsAtLineEnd)
    #expect(ContentInspectorTests.inspect([octets("a\r\nb\r\n")]).defects.description == "")
  }

  /// Searching for a LF anew behind each CR would take minutes.
  @Test("six mebibytes of bare CRs cost no more than they are long", .timeLimit(.minutes(5)))
  func hostileRun() {
    let run = ByteBuffer(repeating: 13, count: 6 << 20)
    #expect(ContentInspectorTests.inspect([run]).defects.bareCarriageReturn == 1)
  }
}
