import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@Suite struct EnvelopeParserTests {
  private func mail(_ line: String) throws -> (ReversePath, MailParameters) {
    guard case .mail(let path, let parameters) = try parse(line) else { throw Unexpected() }
    return (path, parameters)
  }
  private func rcpt(_ line: String) throws -> (ForwardPath, RecipientParameters) {
    guard case .rcpt(let path, let parameters) = try parse(line) else { throw Unexpected() }
    return (path, parameters)
  }
  private struct Unexpected: Error {}

  @Test(
    "SMTP-004, SMTP-054: a path keeps its local part's case, loses its route, and may follow a space",
    arguments: [
      ("MAIL FROM:<User@b.example>", "<User@b.example>"), ("mail from: <a@b.example>", "<a@b.example>"),
      ("MAIL FROM:   <a@b.example>  ", "<a@b.example>"), ("MAIL  FROM:<a@b.example>", "<a@b.example>"),
      ("MAIL FROM:<@one.example,@two.example:u@c.example>", "<u@c.example>"),
      ("MAIL FROM:<\"a > b\"@c.example>", "<\"a > b\"@c.example>"),
      ("MAIL FROM:<\"a\\\" >b\"@c.example>", "<\"a\\\" >b\"@c.example>"),
      ("MAIL FROM:<\"simple\"@c.example>", "<simple@c.example>"),
      ("MAIL FROM:<a@[192.0.2.1]>", "<a@[192.0.2.1]>"), ("MAIL FROM:<>", "<>"),
      ("MAIL FROM:<jörg@exämple.org>", "<jörg@exämple.org>"),
    ])
  func paths(line: String, path: String) throws {
    #expect(try mail(line).0.description == path)
  }

  @Test("SMTP-017: postmaster needs no domain, in any case", arguments: ["postmaster", "PostMaster", "POSTMASTER"])
  func postmaster(name: String) throws {
    #expect(try rcpt("RCPT TO:<\(name)>").0 == .postmaster)
    #expect(refusal(octets("MAIL FROM:<\(name)>")) == "MAIL 501 5.1.7")
  }

  @Test(
    "SUB-005: a path that is none gets 501 with 5.1.7 for the sender, 5.1.3 for the recipient",
    arguments: [
      "", "a@b.example", "<a@b.example", "a@b.example>", "<a..b@c.example>", "<@c.example>", "<a@>", "<a@-b.example>",
      "<a@b..example>", "<a@[300.0.0.1]>", "<\"@c.example>", "<\"\"@c.example>", "<a b@c.example>", "<<a@b.example>",
      "<@route.example:>", "<@:a@b.example>", "<a@b.example.>", "<a@[IPv6:::1::]>", "<a@b@c.example>",
      "<a\u{85}@c.example>",
    ])
  func badPaths(path: String) {
    #expect(refusal(octets("MAIL FROM:\(path)")) == "MAIL 501 5.1.7")
    #expect(refusal(octets("RCPT TO:\(path)")) == "RCPT 501 5.1.3")
  }

  @Test("SMTP-033: the bounds of a path are 64, 255 and 256 octets")
  func bounds() throws {
    let label = String(repeating: "d", count: 61)
    let domain = [label, label, label, "example"].joined(separator: ".")
    #expect(try mail("MAIL FROM:<\(String(repeating: "a", count: 64))@c.example>").0.mailbox?.localPart.count == 64)
    #expect(refusal(octets("MAIL FROM:<\(String(repeating: "a", count: 65))@c.example>")) == "MAIL 501 5.1.7")
    let most = String(repeating: "a", count: 254 - 1 - domain.count)
    #expect(try mail("MAIL FROM:<\(most)@\(domain)>").0.description.utf8.count == 256)
    #expect(refusal(octets("MAIL FROM:<\(most)a@\(domain)>")) == "MAIL 501 5.1.7")
    #expect(refusal(octets("RCPT TO:<a@\(String(repeating: "d", count: 64)).example>")) == "RCPT 501 5.1.3")
  }

  @Test("the keyword and the colon before a path are required")
  func keyword() {
    for line in ["MAIL", "MAIL <a@b.example>", "MAIL TO:<a@b.example>", "MAIL FROM <a@b.example>", "MAIL FROM"] {
      #expect(refusal(octets(line)) == "MAIL 501 5.5.4", "\(line)")
    }
    #expect(refusal(octets("RCPT FROM:<a@b.example>")) == "RCPT 501 5.5.4")
    #expect(refusal(octets("MAIL FROM:<a@b.example>SIZE=1")) == "MAIL 501 5.5.4")
  }

  @Test("broken UTF-8 in a path is refused")
  func brokenUTF8() {
    for bytes: [UInt8] in [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80]] {
      let line = Array("MAIL FROM:<a".utf8) + bytes + Array("@b.example>".utf8)
      #expect(refusal(ByteBuffer(bytes: line)) == "MAIL 501 5.1.7")
    }
  }

  @Test("UTF8-001: the session can see which path needs SMTPUTF8")
  func needsSMTPUTF8() throws {
    #expect(try parse("MAIL FROM:<jörg@example.org>").carriesNonASCII)
    #expect(try parse("RCPT TO:<a@exämple.org>").carriesNonASCII)
    #expect(try !parse("RCPT TO:<a@xn--exmple-cua.org>").carriesNonASCII)
    #expect(try !parse("MAIL FROM:<> SMTPUTF8").carriesNonASCII)
    #expect(try !parse("RCPT TO:<postmaster>").carriesNonASCII)
  }

  @Test("SMTP-004, DSN-001: MAIL's parameters in any case and order")
  func mailParameters() throws {
    let line =
      "MAIL FROM:<a@b.example> size=1024 Body=8bitmime smtputf8 AUTH=e+3Dmc2@example.com ret=hdrs ENVID=QQ+2B314+20x "
      + "RequireTLS"
    let parameters = try mail(line).1
    #expect(parameters.size == 1024)
    #expect(parameters.body == .eightBitMIME)
    #expect(parameters.usesSMTPUTF8)
    #expect(parameters.authenticatedSender?.description == "<e=mc2@example.com>")
    #expect(parameters.deliveryReportContent == .headers)
    #expect(parameters.envelopeID == "QQ+314 x")
    #expect(parameters.requiresTLS)
  }

  @Test(
    "AUTH-017: AUTH= is taken from anyone; what names no mailbox is as good as <>", arguments: ["x+2By", "<>", "x"])
  func authParameter(value: String) throws {
    #expect(try mail("MAIL FROM:<a@b.example> AUTH=\(value)").1.authenticatedSender == .null)
  }

  @Test("SIZE-002: a size of up to twenty digits is taken, and saturates")
  func size() throws {
    #expect(try mail("MAIL FROM:<> SIZE=0").1.size == 0)
    #expect(try mail("MAIL FROM:<> SIZE=00000000000000000007").1.size == 7)
    #expect(try mail("MAIL FROM:<> SIZE=9223372036854775807").1.size == ByteCount(.max))
    #expect(try mail("MAIL FROM:<> SIZE=9223372036854775808").1.size == ByteCount(.max))
    #expect(try mail("MAIL FROM:<> SIZE=99999999999999999999").1.size == ByteCount(.max))
  }

  @Test(
    "SMTP-055: an unknown parameter of MAIL gets 555",
    arguments: ["FOO=1", "FOO", "NOTIFY=NEVER", "ORCPT=rfc822;a", "SIZES=1", "BY=1;R", "MT-PRIORITY=3"])
  func unknownMailParameter(parameter: String) {
    #expect(refusal(octets("MAIL FROM:<a@b.example> \(parameter)")) == "MAIL 555 5.5.4")
  }

  @Test("SMTP-055: an unknown parameter of RCPT gets 555", arguments: ["FOO=1", "SIZE=1", "RET=FULL", "SMTPUTF8"])
  func unknownRecipientParameter(parameter: String) {
    #expect(refusal(octets("RCPT TO:<a@b.example> \(parameter)")) == "RCPT 555 5.5.4")
  }

  @Test(
    "SMTP-003, SMTP-055: a parameter of an extension that was not advertised gets 555",
    arguments: [
      ("MAIL FROM:<> SIZE=1", ExtensionSet.size), ("MAIL FROM:<> BODY=7BIT", .eightBitMIME),
      ("MAIL FROM:<> SMTPUTF8", .smtpUTF8), ("MAIL FROM:<> AUTH=<>", .authentication),
      ("MAIL FROM:<> RET=FULL", .deliveryStatusNotifications), ("MAIL FROM:<> ENVID=x", .deliveryStatusNotifications),
      ("MAIL FROM:<> REQUIRETLS", .requireTLS), ("RCPT TO:<a@b.example> NOTIFY=NEVER", .deliveryStatusNotifications),
    ])
  func notAdvertised(line: String, needed: ExtensionSet) {
    #expect(refusal(octets(line), accepting: needed) == nil)
    #expect(refusal(octets(line), accepting: ExtensionSet.all.subtracting(needed))?.contains("555 5.5.4") == true)
  }

  @Test(
    "SIZE-005, UTF8-001, DSN-001: a doubled or malformed parameter gets 501",
    arguments: [
      "SIZE=1 SIZE=1", "SIZE", "SIZE=", "SIZE=x", "SIZE=-1", "SIZE=1=2", "SIZE=123456789012345678901",
      "BODY", "BODY=BINARYMIME", "BODY=9BIT", "BODY=7BIT BODY=7BIT", "SMTPUTF8=1", "SMTPUTF8 SMTPUTF8",
      "REQUIRETLS=yes", "REQUIRETLS REQUIRETLS", "AUTH", "AUTH=+", "AUTH=+4", "AUTH=+zz", "AUTH=+0D", "AUTH=<> AUTH=<>",
      "RET", "RET=BODY", "RET=FULL RET=FULL", "ENVID", "ENVID=a+0Ab", "ENVID=a+00", "ENVID=a+2b", "ENVID=é",
      "ENVID=a ENVID=a", "-A=1", "=1", "A_B=1", "A=1=2",
      "ENVID=\(String(repeating: "x", count: 101))",
      (0...16).map { "X\($0)" }.joined(separator: " ") + "=",
    ])
  func badMailParameters(parameters: String) {
    #expect(refusal(octets("MAIL FROM:<a@b.example> \(parameters)")) == "MAIL 501 5.5.4")
  }

  @Test("DSN-001: an ENVID of 100 characters is taken")
  func longestEnvelopeID() throws {
    let text = String(repeating: "x", count: 100)
    #expect(try mail("MAIL FROM:<> ENVID=\(text)").1.envelopeID == text)
  }

  @Test(
    "DSN-001: NOTIFY is NEVER alone, or each of the others once",
    arguments: [
      ("NEVER", Notify.never), ("never", Notify.never), ("SUCCESS", Notify.success),
      ("Failure,Delay", Notify([.failure, .delay])),
      ("DELAY,SUCCESS,FAILURE", Notify([.success, .failure, .delay])),
    ] as [(String, Notify)])
  func notify(value: String, expected: Notify) throws {
    #expect(try rcpt("RCPT TO:<a@b.example> NOTIFY=\(value)").1.notify == expected)
  }

  @Test(
    "DSN-001: ORCPT decodes xtext, and the forms of RFC 6533 for the type utf-8",
    arguments: [
      ("rfc822;Bob@example.org", "rfc822", "Bob@example.org"),
      ("RFC822;a+2Bb+3Dc@example.org", "RFC822", "a+b=c@example.org"),
      ("utf-8;j\\x{F6}rg@example.org", "utf-8", "jörg@example.org"),
      ("UTF-8;a\\x{2B}b@example.org", "UTF-8", "a+b@example.org"),
      ("utf-8;jörg@example.org", "utf-8", "jörg@example.org"),
      ("x400;/a+20b/", "x400", "/a b/"),
      // Postfix says it so; it is an address of RFC 6533 in all but its type.
      ("rfc822;gr+C3+A5@example.org", "utf-8", "grå@example.org"),
    ])
  func originalRecipient(value: String, type: String, address: String) throws {
    let recipient = try rcpt("RCPT TO:<a@b.example> ORCPT=\(value)").1.originalRecipient
    #expect(recipient == OriginalRecipient(addressType: type, address: address))
  }

  @Test(
    "DSN-001, SMUG-006: a doubled or malformed parameter of RCPT gets 501",
    arguments: [
      "NOTIFY", "NOTIFY=NEVER,DELAY", "NOTIFY=DELAY,DELAY", "NOTIFY=DELAY,", "NOTIFY=OFTEN",
      "NOTIFY=NEVER NOTIFY=NEVER",
      "ORCPT", "ORCPT=rfc822", "ORCPT=;a", "ORCPT=rfc822;", "ORCPT=rfc822;a+0D+0Ab", "ORCPT=rfc822;é", "ORCPT=rf(c;a",
      "ORCPT=x400;+C3+A9", "ORCPT=rfc822;+C3", "ORCPT=rfc822;a+C2+85",
      "ORCPT=rfc822;a ORCPT=rfc822;a", "ORCPT=utf-8;\\x{D800}", "ORCPT=utf-8;\\x{0A}", "ORCPT=utf-8;\\x{FFFFFFF}",
      "ORCPT=utf-8;\\x{", "ORCPT=utf-8;\\", "ORCPT=utf-8;\\x{85}", "ORCPT=rfc822;\(String(repeating: "a", count: 494))",
    ])
  func badRecipientParameters(parameters: String) {
    #expect(refusal(octets("RCPT TO:<a@b.example> \(parameters)")) == "RCPT 501 5.5.4")
  }

  @Test("DSN-003: an ORCPT of 500 characters is taken, and RCPT's line with it fits the framer")
  func longestOriginalRecipient() throws {
    let line =
      "RCPT TO:<\(String(repeating: "a", count: 64))@b.example> NOTIFY=SUCCESS,FAILURE,DELAY "
      + "ORCPT=rfc822;\(String(repeating: "a", count: 493))"
    #expect(try rcpt(line).1.originalRecipient?.address.count == 493)
    #expect(line.utf8.count + 2 < LineFramer.maximumCommandOctets)
    #expect(LineFramer.maximumCommandOctets >= 1036 + 2)
  }
}
