import NIOCore
import SMTPGrammar
import Testing

@Suite struct DotStufferTests {
  private func stuff(_ arrival: [ByteBuffer]) throws(DotStuffer.Fault) -> String {
    var stuffer = DotStuffer()
    var wire = ByteBuffer()
    for chunk in arrival { try stuffer.write(chunk, into: &wire) }
    try stuffer.finish(into: &wire)
    return wire.text
  }

  @Test(
    "SMTP-008, SMTP-009: leading dots are doubled, a missing last CRLF is added, the end follows",
    arguments: [
      ("", ".\r\n"), ("a\r\n", "a\r\n.\r\n"), ("a", "a\r\n.\r\n"), (".\r\n", "..\r\n.\r\n"), (".", "..\r\n.\r\n"),
      ("a.\r\n.b\r\n..c\r\n", "a.\r\n..b\r\n...c\r\n.\r\n"), ("\r\n.\r\n", "\r\n..\r\n.\r\n"), ("\r\n", "\r\n.\r\n"),
    ])
  func stuffing(content: String, wire: String) throws {
    for arrival in octets(content).arrivals { #expect(try stuff(arrival) == wire) }
  }

  @Test("SMTP-008: what is stuffed decodes to the same content")
  func roundTrip() throws {
    for string in allStrings(over: [46, 97, 13], upTo: 6) {
      // Each CR stands for CRLF: content that may be sent.
      let content: [UInt8] =
        string.flatMap { (octet: UInt8) -> [UInt8] in octet == 13 ? [13, 10] : [octet] } + [13, 10]
      let wire = try stuff(content.map { ByteBuffer(bytes: [$0]) })
      let outcome = DataDecoderTests.decode([octets(wire + "NEXT")])
      guard outcome.content == content, outcome.left == Array("NEXT".utf8), outcome.defects.isEmpty else {
        Issue.record("\(content) came back as \(outcome.content)")
        return
      }
    }
  }

  @Test(
    "SMTP-006, SMUG-003: bare CR and bare LF never leave",
    arguments: [
      ("a\nb\r\n", DotStuffer.Fault.bareLineFeed(line: 1)), ("a\r\nb\rc\r\n", .bareCarriageReturn(line: 2)),
      ("a\r\nb\r", .bareCarriageReturn(line: 2)), ("\n.\r\n", .bareLineFeed(line: 1)), ("a\n", .bareLineFeed(line: 1)),
      ("\r\r\n", .bareCarriageReturn(line: 1)),
    ])
  func bareLineEnds(content: String, fault: DotStuffer.Fault) {
    for arrival in octets(content).arrivals { #expect(throws: fault) { try stuff(arrival) } }
  }

  @Test("Law 5: a chunk that shows a defect leaves nothing in the buffer")
  func nothingWritten() {
    var stuffer = DotStuffer()
    var wire = ByteBuffer()
    #expect(throws: DotStuffer.Fault.bareLineFeed(line: 2)) {
      try stuffer.write(octets("good\r\nbad\n.\r\n"), into: &wire)
    }
    #expect(wire.readableBytes == 0)
    #expect(throws: DotStuffer.Fault.self) { try stuffer.finish(into: &wire) }
    #expect(wire.readableBytes == 0)
  }
}
