import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@Suite struct ReplyParserTests {
  private func replies(_ arrival: [ByteBuffer]) -> (seen: [String], left: String) {
    var parser = ReplyParser()
    var buffer = ByteBuffer()
    var seen: [String] = []
    for chunk in arrival {
      buffer.writeImmutableBuffer(chunk)
      do throws(ReplyFault) {
        while let reply = try parser.next(&buffer) { seen.append(reply.description) }
      } catch {
        return (seen + ["\(error)"], buffer.text)
      }
    }
    return (seen, buffer.text)
  }

  @Test(
    "SMTP-026: replies of one line and several, with and without text, are read whole however they arrive",
    arguments: [
      ("250\r\n", ["250 "]), ("250 \r\n", ["250 "]), ("250 OK\r\n", ["250 OK"]), ("250-a\r\n250 b\r\n", ["250 a / b"]),
      ("250-\r\n250\r\n", ["250  / "]), ("220 a\r\n250 b\r\n", ["220 a", "250 b"]), ("334 \r\n", ["334 "]),
      ("250 2.1.0 fine\r\n", ["250 2.1.0 fine"]), ("550-5.7.1 not\r\n550 5.7.1 yours\r\n", ["550 5.7.1 not / yours"]),
      ("250 5.1.1 odd\r\n", ["250 5.1.1 odd"]), ("250 2.0.0\r\n", ["250 2.0.0 "]),
      ("250", []), ("250 a\r", []), ("250-a\r\n", []), ("", []),
    ])
  func wellFormed(input: String, expected: [String]) {
    for arrival in octets(input).arrivals { #expect(replies(arrival).seen == expected) }
  }

  @Test("RFC 2034 §4: the enhanced code is taken only where its class is the code's first digit")
  func enhanced() throws {
    var parser = ReplyParser()
    var buffer = octets("450 4.2.2 full\r\n450 5.2.2 full\r\n450 4.2 full\r\n450 4.02.2 full\r\n354 3.0.0 go\r\n")
    let first = try #require(try parser.next(&buffer))
    #expect(first.enhanced == EnhancedStatusCode(.persistentTransient, 2, 2))
    #expect(first.lines == ["full"])
    while let reply = try parser.next(&buffer) { #expect(reply.enhanced == nil && reply.lines[0].contains(" ")) }
  }

  @Test(
    "SMTP-025: a code that nobody knows keeps its first digit's meaning",
    arguments: [
      ("299 x\r\n", ReplyCode.Severity.positiveCompletion), ("459 \r\n", .transientNegative),
      ("599 \r\n", .permanentNegative),
      ("399 \r\n", .positiveIntermediate),
    ])
  func unknownCodes(input: String, severity: ReplyCode.Severity) throws {
    var parser = ReplyParser()
    var buffer = octets(input)
    #expect(try parser.next(&buffer)?.code.severity == severity)
  }

  @Test(
    "SMTP-005, SMTP-026: what is no reply is a fault, and stays one",
    arguments: [
      ("250-a\r\n251 b\r\n", ReplyFault.differingCodes), ("250 a\n", .bareLineFeed),
      ("250-a\n250 b\r\n", .bareLineFeed),
      ("250 a\rb\r\n", .bareCarriageReturn), ("hello\r\n", .malformedLine), ("\r\n", .malformedLine),
      ("25\r\n", .malformedLine), ("250x\r\n", .malformedLine), ("2500 a\r\n", .malformedLine),
      ("199 a\r\n", .malformedLine),
      ("600 a\r\n", .malformedLine), ("+50 a\r\n", .malformedLine), ("SSH-2.0-x\r\n", .malformedLine),
      ("250_a\r\n", .malformedLine), ("٢٥٠ a\r\n", .malformedLine),
    ])
  func faults(input: String, fault: ReplyFault) {
    for arrival in octets(input).arrivals { #expect(replies(arrival).seen == [fault.description]) }
    var parser = ReplyParser()
    var buffer = octets(input + "250 injected\r\n")
    for _ in 0..<3 { #expect(throws: fault) { try parser.next(&buffer) } }
  }

  @Test("a hostile reply ends at the bound of lines, of a line and of the whole")
  func bounds() {
    #expect(
      replies([octets(String(repeating: "250-a\r\n", count: 256) + "250 b\r\n")]).seen
        == [ReplyFault.tooManyLines.description])
    #expect(
      replies([octets(String(repeating: "250-a\r\n", count: 255) + "250 b\r\n")]).seen.first?.hasPrefix("250 a") == true
    )
    let long = "250-\(String(repeating: "x", count: 12000))\r\n"
    #expect(replies([octets(String(repeating: long, count: 6))]).seen == [ReplyFault.replyTooLong.description])
    let endless = [octets("250 ")] + (0..<200).map { _ in octets(String(repeating: "x", count: 100)) }
    #expect(replies(endless).seen == [ReplyFault.lineTooLong.description])
  }

  @Test("a terminal's control sequences in a reply are made harmless")
  func shown() throws {
    var parser = ReplyParser()
    var buffer = ByteBuffer(bytes: Array("550 a\u{1b}[2J\u{9b}b".utf8) + [0xff] + Array("\r\n".utf8))
    #expect(try parser.next(&buffer)?.lines == ["a?[2J?b\u{fffd}"])
  }

  @Test("STLS-006: what stands behind a reply stays in the buffer, and half a reply is seen as such")
  func remainder() throws {
    var parser = ReplyParser()
    var buffer = octets("220 go\r\n250-AUTH PLAIN")
    #expect(try parser.next(&buffer)?.lines == ["go"])
    #expect(!parser.isInsideReply)
    #expect(buffer.text == "250-AUTH PLAIN")
    buffer.writeString("\r\n")
    #expect(try parser.next(&buffer) == nil)
    #expect(parser.isInsideReply)
  }
}
