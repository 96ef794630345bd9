import MailMessage
import NIOCore
import Testing

@Suite struct ContentScannerTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let input: String
    let fault: IntakeFinding?
    let lines: Int
    let endsWithLineEnd: Bool
    init(_ input: String, _ defect: IntakeDefect?, line: Int = 1, lines: Int, ends: Bool = true) {
      self.input = input
      fault = defect.map { IntakeFinding($0, place: "line \(line)") }
      self.lines = lines
      endsWithLineEnd = ends
    }
    var testDescription: String { String(input.debugDescription.prefix(40)) }
  }

  static let rows = [
    Row("", nil, lines: 0, ends: false),
    Row("\r\n", nil, lines: 1),
    Row("From: a@b.example\r\n\r\nbody of the message\r\n", nil, lines: 3),
    Row("no end", nil, lines: 0, ends: false),
    Row("a\nb\r\n", .bareLineFeed, lines: 1),
    Row("\n", .bareLineFeed, lines: 0, ends: false),
    Row("a\rb\r\n", .bareCarriageReturn, lines: 1),
    Row("a\r\r\n", .bareCarriageReturn, lines: 1),
    Row("first line is fine\r\nsecond\rhas one\r\n", .bareCarriageReturn, line: 2, lines: 2),
    Row("ends in CR\r", .bareCarriageReturn, lines: 0, ends: false),
    Row("\r\n.\n", .bareLineFeed, line: 2, lines: 1, ends: false),
    Row("12345678\r12345678\r\n", .bareCarriageReturn, lines: 1),
    Row("12345678\r12345678\n\r\n", .bareCarriageReturn, lines: 1),
    Row("nul \0 here\r\n", .nullOctet, lines: 1),
    Row("\u{85}\u{2028}\u{0b}\u{0c}\r\n", nil, lines: 1),
    Row(String(repeating: "x", count: 998) + "\r\n", nil, lines: 1),
    Row(String(repeating: "x", count: 999) + "\r\n", .overlongLine, lines: 1),
    Row("ok\r\n" + String(repeating: "x", count: 999), .overlongLine, line: 2, lines: 1, ends: false),
  ]

  @Test("only CRLF ends a line, in one piece and in two (SMTP-005, SMUG-002)", arguments: rows)
  func scansAtEverySplit(_ row: Row) {
    let bytes = buffer(row.input)
    for split in 0...bytes.readableBytes {
      var scanner = ContentScanner()
      scanner.append(bytes.getSlice(at: 0, length: split) ?? ByteBuffer())
      scanner.append(bytes.getSlice(at: split, length: bytes.readableBytes - split) ?? ByteBuffer())
      let facts = scanner.finish()
      #expect(facts.fault == row.fault, "split at \(split)")
      #expect(facts.lines == row.lines)
      #expect(facts.endsWithLineEnd == row.endsWithLineEnd)
      #expect(facts.octets == bytes.readableBytes)
    }
  }

  @Test("eight octets at a time finds what one at a time finds, wherever it stands")
  func wideScanMissesNothing() {
    for place in 0..<24 {
      for octet in [0x00, 0x0a, 0x0d, 0x80, 0xff] as [UInt8] {
        var octets = [UInt8](repeating: UInt8(ascii: "a"), count: 24)
        octets[place] = octet
        var scanner = ContentScanner()
        scanner.append(ByteBuffer(bytes: octets))
        let facts = scanner.finish()
        #expect((facts.fault != nil) == (octet < 0x80), "octet \(octet) at \(place)")
        #expect(facts.lastEightBitOffset == (octet >= 0x80 ? place : nil))
      }
    }
  }

  @Test("an 8-bit octet in the header doesn't make an 8-bit body")
  func tellsHeaderFromBody() {
    let header = "Subject: \u{fc}\r\n\r\n"
    for (body, isEightBit) in [("plain\r\n", false), ("gr\u{fc}n\r\n", true)] {
      var scanner = ContentScanner()
      scanner.append(buffer(header + body))
      #expect(scanner.finish().hasEightBitBody(behindHeaderOf: header.utf8.count) == isEightBit)
    }
  }
}
