import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@Suite struct CommandEncoderTests {
  private func wire(_ command: Command) throws(CommandEncodingFault) -> String {
    var buffer = ByteBuffer()
    try CommandEncoder.write(command, into: &buffer)
    return buffer.text
  }

  @Test(
    "what is written reads back as the same command",
    arguments: [
      "EHLO client.example", "HELO [192.0.2.1]", "STARTTLS", "AUTH PLAIN", "AUTH PLAIN AGEAYg==", "AUTH XOAUTH2 =",
      "MAIL FROM:<>", "MAIL FROM:<\"a b\\\"\"@c.example>", "MAIL FROM:<a@[IPv6:2001:db8::1]>",
      "MAIL FROM:<jörg@exämple.org> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+2Bb+20c REQUIRETLS AUTH=<>",
      "MAIL FROM:<a@b.example> BODY=7BIT RET=HDRS AUTH=e+3Dmc2@example.com", "RCPT TO:<postmaster>",
      "RCPT TO:<a@b.example> NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c.example",
      "RCPT TO:<a@b.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;j\\x{F6}rg\\x{5C}@example.org",
      "DATA", "BDAT 100", "BDAT 0 LAST", "RSET", "NOOP", "HELP", "VRFY someone", "EXPN list", "QUIT",
    ])
  func roundTrip(line: String) throws {
    let command = try parse(line)
    #expect(try wire(command) == line + "\r\n")
  }

  @Test(
    "SMUG-006: CR, LF, NUL and other control characters never leave, in whichever argument they hide",
    arguments: ["\r\nRCPT TO:<evil@example.org>", "\n", "\r", "\0", "\u{7f}", "\t", "\u{1b}"])
  func injection(payload: String) throws {
    let domain = MailDomain.name(try DomainName("b.example"))
    let evil = Mailbox(localPart: "a" + payload, domain: domain)
    var mail = MailParameters()
    mail.envelopeID = "x" + payload
    var authenticated = MailParameters()
    authenticated.authenticatedSender = .mailbox(evil)
    var type = RecipientParameters()
    type.originalRecipient = OriginalRecipient(addressType: "rfc822" + payload, address: "a@b.example")
    var address = RecipientParameters()
    address.originalRecipient = OriginalRecipient(addressType: "rfc822", address: "a" + payload)
    let commands: [Command] = [
      .ehlo(.unrecognised("a" + payload)), .helo(.unrecognised(payload)),
      .auth(mechanism: "PLAIN" + payload, initialResponse: nil),
      .auth(mechanism: "PLAIN", initialResponse: octets("AAAA" + payload)),
      .mail(.mailbox(evil), MailParameters()), .mail(.null, mail), .rcpt(.mailbox(evil), RecipientParameters()),
      .rcpt(.postmaster, type), .rcpt(.postmaster, address), .vrfy(octets("a" + payload)), .expn(octets(payload)),
    ]
    for command in commands {
      var buffer = octets("NOOP\r\n")
      #expect(throws: CommandEncodingFault.self) { try CommandEncoder.write(command, into: &buffer) }
      #expect(buffer.text == "NOOP\r\n", "nothing of a refused command may stay in the buffer")
    }
    // xtext hides such octets from the line; the receiver would find them again.
    #expect(try wire(.mail(.null, authenticated)).utf8.filter { $0 < 0x20 }.count == 2)
  }

  @Test("arguments that their grammar has no place for are refused")
  func badArguments() {
    var empty = MailParameters()
    empty.envelopeID = ""
    var long = MailParameters()
    long.envelopeID = String(repeating: "x", count: 101)
    for command: Command in [
      .ehlo(.unrecognised("a b")), .ehlo(.unrecognised("")), .ehlo(.unrecognised("é")),
      .auth(mechanism: "", initialResponse: nil), .auth(mechanism: "PLAIN", initialResponse: octets("")),
      .auth(mechanism: "PLAIN", initialResponse: octets("A")), .bdat(size: -1, isLast: true), .mail(.null, empty),
      .mail(.null, long),
    ] {
      #expect(throws: CommandEncodingFault.badArgument(command.verb)) { try wire(command) }
    }
  }

  @Test("AUTH-004: a response that would make the line too long is refused, so that it goes behind the 334")
  func tooLong() {
    let response = ByteBuffer(repeating: UInt8(ascii: "A"), count: 12288)
    #expect(throws: CommandEncodingFault.tooLong(.auth)) {
      try wire(.auth(mechanism: "PLAIN", initialResponse: response))
    }
  }
}
