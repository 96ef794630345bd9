import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@Suite struct ReplyTests {
  @Test("SMTP-026: a reply of several lines has hyphens before the last, and its status on each")
  func lines() {
    let reply = Reply(ReplyCode(550), EnhancedStatusCode(.permanent, 7, 1), lines: ["not", "yours"])
    #expect(reply.encoded.text == "550-5.7.1 not\r\n550 5.7.1 yours\r\n")
    #expect(reply.description == "550-5.7.1 not\n550 5.7.1 yours")
  }

  @Test("SMTP-003: the answer to EHLO has the name and a line for each extension, without a status")
  func ehlo() throws {
    let reply = Reply.ehlo(
      try DomainName("mx.example.org"),
      [
        .pipelining, .size(52_428_800), .eightBitMIME, .smtpUTF8, .enhancedStatusCodes, .chunking, .startTLS,
        .authentication(["PLAIN", "LOGIN"]), .deliveryStatusNotifications, .requireTLS,
        .limits(TransactionLimits(recipientMaximum: 100)),
      ])
    #expect(
      reply.encoded.text == """
        250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
        250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-DSN\r\n\
        250-REQUIRETLS\r\n250 LIMITS RCPTMAX=100\r\n
        """)
  }

  @Test("the replies of a good transaction read as they are written")
  func common() {
    #expect(Reply.senderAccepted.encoded.text == "250 2.1.0 sender OK\r\n")
    #expect(Reply.recipientAccepted.encoded.text == "250 2.1.5 recipient OK\r\n")
    #expect(Reply.startMailInput.encoded.text.hasPrefix("354 "))
    #expect(Reply.readyForTLS.encoded.text == "220 2.0.0 go ahead with TLS\r\n")
    #expect(Reply.closing.encoded.text == "221 2.0.0 goodbye\r\n")
  }

  @Test(
    "UTF8-005, SMUG-006: any text becomes printable ASCII of bounded length",
    arguments: [
      ("plain", "plain"), ("a\r\n250 b", "a??250 b"), ("jörg", "j?rg"), ("", "?"), ("\u{0}\u{7f}\u{1b}[1m", "???[1m"),
      (String(repeating: "x", count: 1000), String(repeating: "x", count: 400)),
    ])
  func sanitised(text: String, expected: String) {
    let safe = ReplyText.sanitised(text)
    // "\r\n" is two scalars, though one Character.
    #expect(safe == expected)
    #expect(Reply(550, nil, safe).encoded.text == "550 \(expected)\r\n")
  }
}
