import MailMessage
import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@testable import martlet

@Suite("The message of `send`")
struct SendMessageTests {
  @Test(
    "a file of lines that end with LF goes out with CRLF; one that has a CR goes as it is",
    arguments: [
      ("Subject: x\n\nbody\n", "Subject: x\r\n\r\nbody\r\n"),
      ("no end", "no end"),
      ("\n\n", "\r\n\r\n"),
      ("Subject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n"),
      // Mixed: whether the LF was meant as a line's end can't be known, so the session refuses it by its line.
      ("a\r\nb\nc\r\n", "a\r\nb\nc\r\n"),
      ("a\rb\n", "a\rb\n"),
    ])
  func lineEnds(file: String, wire: String) {
    #expect(SendMessage.wireForm(ofText: Array(file.utf8)) == Array(wire.utf8))
  }

  @Test(
    "MAIL says of a whole message what its octets need",
    arguments: [
      ("Subject: x\r\n\r\nplain\r\n", BodyType.sevenBit, false),
      ("Subject: x\r\n\r\nGrüße\r\n", .eightBitMIME, false),
      ("Subject: Grüße\r\n\r\nplain\r\n", .eightBitMIME, true),
    ])
  func parameters(text: String, body: BodyType, internationalised: Bool) {
    let bytes = ByteBuffer(string: text)
    let parameters = SendMessage.whole(bytes).parameters(for: bytes)
    #expect(parameters.size == ByteCount(text.utf8.count))
    #expect(parameters.body == body)
    #expect(parameters.usesSMTPUTF8 == internationalised)
  }

  @Test("a text beyond ASCII is encoded for a server without 8BITMIME")
  func encodings() throws {
    let mailbox = try Mailbox("a@example.org")
    let id = try #require(MessageID("<1@example.org>"))
    let message = SendMessage.composed(
      MessageBuilder(
        from: .init(mailbox), to: [.init(mailbox)], subject: "x", date: UTCInstant(seconds: 0), messageID: id,
        text: "Grüße"))
    #expect(try message.octets(allowsEightBit: true).readableBytesView.contains { $0 >= 0x80 })
    #expect(try !message.octets(allowsEightBit: false).readableBytesView.contains { $0 >= 0x80 })
    #expect(message.messageID == "<1@example.org>")
  }

  @Test(
    "RTLS-013: a message says TLS-Required: No where that is asked for, once, and otherwise nothing",
    arguments: [true, false])
  func waivesTLS(_ isAsked: Bool) throws {
    let mailbox = try Mailbox("a@example.org")
    let id = try #require(MessageID("<1@example.org>"))
    var builder = MessageBuilder(
      from: .init(mailbox), to: [.init(mailbox)], subject: "x", date: UTCInstant(seconds: 0), messageID: id, text: "y")
    builder.waivesTLS = isAsked
    let lines = String(buffer: try builder.build()).split(separator: "\r\n")
    #expect(lines.filter { $0.hasPrefix("TLS-Required") } == (isAsked ? ["TLS-Required: No"] : []))
  }

  @Test("the Message-ID of a whole message is found, and a file that can't be read is named")
  func files() throws {
    #expect(SendMessage.whole(ByteBuffer(string: "Message-ID: <1@b.example>\r\n\r\n")).messageID == "<1@b.example>")
    #expect(throws: (any Error).self) { try SendMessage.read("/nowhere/at/all.eml") }
  }
}
