import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

func parse(_ line: String, accepting extensions: ExtensionSet = .all) throws(CommandFault) -> Command {
  try CommandParser.parse(octets(line), accepting: extensions)
}

/// The reply a bad line gets, without its text.
func refusal(_ line: ByteBuffer, accepting extensions: ExtensionSet = .all) -> String? {
  do throws(CommandFault) {
    _ = try CommandParser.parse(line, accepting: extensions)
    return nil
  } catch {
    return "\(error.verb.rawValue) \(error.reply.code) \(error.reply.enhanced.map(\.description) ?? "-")"
  }
}

@Suite struct CommandParserTests {
  static let sender = ReversePath.mailbox(
    Mailbox(localPart: "a", domain: .name(domain("b.example"))))

  @Test(
    "SMTP-004, SMTP-015: every verb is recognised in any case, white space at the end is forgiven",
    arguments: [
      ("EHLO client.example", Command.ehlo(.name(domain("client.example")))),
      ("HELO client.example", .helo(.name(domain("client.example")))),
      ("EHLO [192.0.2.1]", .ehlo(.literal(literal("[192.0.2.1]")))),
      ("EHLO (none)", .ehlo(.unrecognised("(none)"))),
      ("STARTTLS", .startTLS),
      ("AUTH PLAIN", .auth(mechanism: "PLAIN", initialResponse: nil)),
      ("AUTH scram-sha-256 =", .auth(mechanism: "SCRAM-SHA-256", initialResponse: octets("="))),
      ("AUTH PLAIN AGEAYg==", .auth(mechanism: "PLAIN", initialResponse: octets("AGEAYg=="))),
      ("MAIL FROM:<>", .mail(.null, MailParameters())),
      ("MAIL FROM:<a@b.example>", .mail(sender, MailParameters())),
      ("RCPT TO:<PostMaster>", .rcpt(.postmaster, RecipientParameters())),
      ("DATA", .data),
      ("BDAT 0 LAST", .bdat(size: 0, isLast: true)),
      ("BDAT 1024", .bdat(size: 1024, isLast: false)),
      ("BDAT 99999999999999999999 last", .bdat(size: .max, isLast: true)),
      ("RSET", .rset), ("NOOP", .noop), ("NOOP what ever", .noop), ("HELP", .help), ("HELP me", .help),
      ("VRFY someone", .vrfy(octets("someone"))), ("EXPN list", .expn(octets("list"))), ("QUIT", .quit),
    ])
  func commands(line: String, command: Command) throws {
    #expect(try parse(line) == command)
    #expect(try parse(line + " \t ") == command)
    let verb = line.prefix { $0 != " " }
    for spelling in [verb.lowercased(), verb.prefix(1) + verb.dropFirst().lowercased()] {
      #expect(try parse(spelling + line.dropFirst(verb.count)) == command)
    }
    #expect(CommandParser.verb(of: octets(line)) == command.verb)
  }

  @Test(
    "SMTP-020, SMTP-027, STLS-001: a line that is no command gets one named reply",
    arguments: [
      ("", "? 500 5.5.1"), ("FOO", "? 500 5.5.1"), ("MAILFROM:<a@b.example>", "? 500 5.5.1"),
      ("STARTTLSX", "? 500 5.5.1"), ("XSTARTTLS", "? 500 5.5.1"), ("MAI", "? 500 5.5.1"), (" NOOP", "? 500 5.5.1"),
      (String(repeating: "A", count: 4000), "? 500 5.5.1"),
      ("STARTTLS now", "STARTTLS 501 5.5.4"), ("DATA now", "DATA 501 5.5.4"), ("RSET x", "RSET 501 5.5.4"),
      ("QUIT x", "QUIT 501 5.5.4"), ("EHLO", "EHLO 501 5.5.4"), ("HELO ", "HELO 501 5.5.4"),
      ("EHLO a b", "EHLO 501 5.5.4"), ("EHLO \(String(repeating: "(", count: 256))", "EHLO 501 5.5.4"),
      ("VRFY", "VRFY 501 5.5.4"), ("EXPN", "EXPN 501 5.5.4"),
      ("AUTH", "AUTH 501 5.5.4"), ("AUTH PLAIN a b", "AUTH 501 5.5.4"), ("AUTH PL/AIN", "AUTH 501 5.5.4"),
      ("AUTH ABCDEFGHIJKLMNOPQRSTU", "AUTH 501 5.5.4"),
      ("BDAT", "BDAT 501 5.5.4"), ("BDAT x", "BDAT 501 5.5.4"), ("BDAT -1", "BDAT 501 5.5.4"),
      ("BDAT 1 FIRST", "BDAT 501 5.5.4"), ("BDAT 1 LAST 2", "BDAT 501 5.5.4"),
      ("BDAT 123456789012345678901", "BDAT 501 5.5.4"),
    ])
  func faults(line: String, expected: String) {
    #expect(refusal(octets(line)) == expected)
  }

  @Test(
    "AUTH-007: an initial response that is not strict base64 gets 501 5.5.2",
    arguments: ["=AAA", "AAA=BBB=", "AAA", "A===", "AB=C", "====", "AA-_", "==", "A", "AGEA*g=="])
  func strictBase64(response: String) {
    #expect(refusal(octets("AUTH PLAIN \(response)")) == "AUTH 501 5.5.2")
  }

  @Test("AUTH-008: a token of 12 KiB fits into AUTH's line")
  func longToken() throws {
    let token = String(repeating: "A", count: 12288)
    #expect(try parse("AUTH XOAUTH2 \(token)") == .auth(mechanism: "XOAUTH2", initialResponse: octets(token)))
  }

  @Test(
    "SMTP-005, SMUG-006: a control character or NUL in any command line gets 500 5.5.2, whatever the verb",
    arguments: [UInt8(0), 1, 9, 10, 13, 27, 127])
  func controlCharacters(octet: UInt8) {
    for line in [
      "NOOP ?x", "EHLO a?b", "MAIL FROM:<a?b@c.example>", "MAIL FROM:<\"a?b\"@c.example>", "RCPT TO:<a@b?c>",
      "AUTH PLAIN ?A==", "QUIT?x", "VRFY a?b", "BDAT 1?2",
    ] {
      let bytes = line.utf8.map { $0 == UInt8(ascii: "?") ? octet : $0 }
      #expect(refusal(ByteBuffer(bytes: bytes))?.hasSuffix("500 5.5.2") == true || line == "QUIT?x", "\(line)")
    }
    #expect(refusal(ByteBuffer(bytes: Array("QUIT".utf8) + [octet] + Array("x".utf8)))?.hasPrefix("? 500") == true)
  }

  @Test("8-bit octets stand nowhere but in an address", arguments: ["EHLO é", "NOOP é", "AUTH é", "QUIT é", "HELP é"])
  func eightBit(line: String) {
    #expect(refusal(octets(line))?.hasSuffix("500 5.5.2") == true)
  }

  @Test(
    "ALP-002: HTTP is named as such, and no octet of the request comes back",
    arguments: [
      "GET / HTTP/1.1", "POST /secret HTTP/1.1", "HEAD / HTTP/1.0", "PUT /x HTTP/1.1", "OPTIONS * HTTP/1.1",
      "CONNECT secret:25 HTTP/1.1", "DELETE /x HTTP/1.1", "PATCH /x HTTP/1.1", "TRACE / HTTP/1.1", "PRI * HTTP/2.0",
      "Host: secret.example", "get / http/1.1",
    ])
  func http(line: String) throws {
    #expect(CommandParser.verb(of: octets(line)) == .httpRequest)
    let fault = #expect(throws: CommandFault.self) { try parse(line) }
    #expect(fault?.verb == .httpRequest)
    #expect(fault?.reply.description == "500 5.5.1 this is a mail server")
  }

  @Test("ALP-002: no reply to a bad line holds what the peer wrote")
  func noReflection() {
    for head in [
      "", "NOOPX ", "EHLO x ", "AUTH ", "AUTH PLAIN ", "MAIL ", "MAIL FROM:<", "MAIL FROM:<a@b.example> ",
      "RCPT TO:<a@b.example> ", "RCPT TO:", "BDAT ", "QUIT ", "MAIL FROM:<a@b.example> SIZE=", "RCPT TO:<a@",
    ] {
      let fault = #expect(throws: CommandFault.self) { try parse(head + "zqzqzq(") }
      #expect(fault?.reply.description.contains("zqzq") == false, "\(head)")
    }
  }

  @Test("every beginning of a good line is a good line or a named fault, and nothing traps")
  func truncation() {
    let lines = [
      "MAIL FROM:<\"a b\\\"\"@[IPv6:2001:db8::1]> SIZE=10 BODY=8BITMIME SMTPUTF8 AUTH=a+40b RET=HDRS ENVID=x+20y",
      "RCPT TO:<@one.example,@two.example:jörg@example.org> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;j\\x{F6}rg@example.org",
      "AUTH SCRAM-SHA-256 AGEAYg==", "BDAT 1000 LAST", "EHLO [IPv6:2001:db8::1]",
    ]
    for line in lines {
      let bytes = Array(line.utf8)
      for end in 0...bytes.count {
        if let refused = refusal(ByteBuffer(bytes: bytes[..<end])) { #expect(refused.contains(" 5.")) }
      }
      #expect(refusal(octets(line)) == nil)
    }
  }
}
