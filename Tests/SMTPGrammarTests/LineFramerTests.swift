import NIOCore
import SMTPGrammar
import Testing

@Suite struct LineFramerTests {
  /// Feeds one arrival and collects what comes out, up to a fault.
  private func lines(_ arrival: [ByteBuffer], maximumOctets: Int = 4096) -> (seen: [String], left: ByteBuffer) {
    var framer = LineFramer()
    var buffer = ByteBuffer()
    var seen: [String] = []
    for chunk in arrival {
      buffer.writeImmutableBuffer(chunk)
      reading: while true {
        switch framer.next(&buffer, maximumOctets: maximumOctets) {
        case .line(let line): seen.append(line.text)
        case .needBytes: break reading
        case .bareLineFeed: return (seen + ["bare LF"], buffer)
        case .bareCarriageReturn: return (seen + ["bare CR"], buffer)
        case .tooLong: seen.append("too long")
        }
      }
    }
    return (seen, buffer)
  }

  @Test(
    "SMTP-005: CRLF ends a line and nothing else does",
    arguments: [
      ("NOOP\r\n", ["NOOP"]), ("\r\n", [""]), ("A\r\nB\r\n\r\nC\r\n", ["A", "B", "", "C"]), ("", []),
      ("NOOP", []), ("NOOP\r", []),
      ("NOOP\n", ["bare LF"]), ("\n", ["bare LF"]), ("A\r\nB\nC\r\n", ["A", "bare LF"]), ("A\nB\r\n", ["bare LF"]),
      ("NOOP\rQUIT\r\n", ["bare CR"]), ("\r\r\n", ["bare CR"]), ("A\r\r\n", ["bare CR"]),
      ("A\r\nB\rC", ["A", "bare CR"]),
      ("A\u{85}B\u{0B}C\u{0C}D\u{2028}E\r\n", ["A\u{85}B\u{0B}C\u{0C}D\u{2028}E"]), ("A\0B\r\n", ["A\0B"]),
    ])
  func lineEnds(input: String, expected: [String]) {
    for arrival in octets(input).arrivals {
      #expect(lines(arrival).seen == expected)
    }
  }

  @Test("what stands behind a line stays in the buffer")
  func remainder() {
    var framer = LineFramer()
    var buffer = octets("STARTTLS\r\nNOOP\r\nX")
    #expect(framer.next(&buffer) == .line(octets("STARTTLS")))
    #expect(buffer.text == "NOOP\r\nX")
  }

  @Test("a bare line end consumes nothing and stays a fault")
  func stickyFault() {
    var framer = LineFramer()
    var buffer = octets("NOOP\nQUIT\r\n")
    for _ in 0..<3 { #expect(framer.next(&buffer) == .bareLineFeed) }
    #expect(buffer.text == "NOOP\nQUIT\r\n")
  }

  @Test("SMTP-033: a line of the maximum with its CRLF is taken; one octet more is not")
  func maximum() {
    for arrival in octets(String(repeating: "a", count: 14) + "\r\nNOOP\r\n").arrivals {
      #expect(lines(arrival, maximumOctets: 16).seen == [String(repeating: "a", count: 14), "NOOP"])
    }
    for excess in 15...40 {
      for arrival in octets(String(repeating: "a", count: excess) + "\r\nNOOP\r\n").arrivals {
        #expect(lines(arrival, maximumOctets: 16).seen == ["too long", "NOOP"], "\(excess)")
      }
    }
  }

  @Test("a line without end is dropped as it comes: memory stays bounded, and the fault is said once")
  func endless() {
    var framer = LineFramer()
    var buffer = ByteBuffer()
    var faults = 0
    for _ in 0..<1000 {
      buffer.writeString(String(repeating: "a", count: 100))
      switch framer.next(&buffer, maximumOctets: 512) {
      case .tooLong: faults += 1
      case .needBytes: #expect(buffer.readableBytes <= 512)
      case .line, .bareLineFeed, .bareCarriageReturn: Issue.record("no line was sent")
      }
    }
    buffer.writeString("\rb\n\r\r\nQUIT\r\n")
    #expect(framer.next(&buffer, maximumOctets: 512) == .line(octets("QUIT")))
    #expect(faults == 1)
  }
}
