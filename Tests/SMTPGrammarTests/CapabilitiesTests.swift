import MailSyntax
import SMTPGrammar
import Testing

@Suite struct CapabilitiesTests {
  private func capabilities(_ lines: String...) -> Capabilities {
    Capabilities(ServerReply(code: ReplyCode(250), lines: ["mx.example.org greets you"] + lines))
  }

  @Test("SMTP-004: keywords count in any case")
  func keywords() {
    let all = capabilities(
      "size 1000", "Pipelining", "8bitMime", "SmtpUtf8 ignored", "chunking", "EnhancedStatusCodes", "starttls", "dsn",
      "RequireTLS", "X-UNKNOWN a b")
    #expect(all.serverName == "mx.example.org")
    #expect(all.size == .maximum(1000))
    #expect(
      all.offersPipelining && all.offersEightBitMIME && all.offersSMTPUTF8 && all.offersChunking
        && all.offersEnhancedStatusCodes && all.offersStartTLS && all.offersDeliveryStatusNotifications
        && all.offersRequireTLS)
    let none = capabilities("STARTTLSX", "XSTARTTLS", "PIPE LINING", "")
    #expect(!none.offersStartTLS && !none.offersPipelining && none.size == .notOffered && none.mechanisms.isEmpty)
  }

  @Test("the greeting's line is no keyword, and a refusal offers nothing")
  func refusal() {
    #expect(!Capabilities(ServerReply(code: ReplyCode(250), lines: ["STARTTLS"])).offersStartTLS)
    #expect(!Capabilities(ServerReply(code: ReplyCode(500), lines: ["no", "STARTTLS"])).offersStartTLS)
  }

  @Test(
    "RFC 1870 §4: SIZE with a number, with zero, without, and with nonsense",
    arguments: [
      ("SIZE 52428800", Capabilities.SizeLimit.maximum(52_428_800)), ("SIZE 0", .unstated), ("SIZE", .unstated),
      ("SIZE x", .unstated), ("SIZE 99999999999999999999", .maximum(ByteCount(.max))), ("SIZE -5", .unstated),
    ])
  func size(line: String, expected: Capabilities.SizeLimit) {
    #expect(capabilities(line).size == expected)
    #expect(capabilities(line, "SIZE 7").size == expected)
  }

  @Test("AUTH's new and old forms are joined, each mechanism once, what is no name left out")
  func mechanisms() {
    #expect(
      capabilities("AUTH plain LOGIN", "AUTH=LOGIN XOAUTH2", "AUTH bad/name").mechanisms == [
        "PLAIN", "LOGIN", "XOAUTH2",
      ])
    #expect(capabilities("AUTH=PLAIN").mechanisms == ["PLAIN"])
    #expect(capabilities("AUTH").mechanisms.isEmpty)
    let many = (0..<100).map { "M\($0)" }.joined(separator: " ")
    #expect(capabilities("AUTH \(many)").mechanisms.count == Capabilities.maximumMechanisms)
  }

  @Test(
    "LIM-001: a mistake in LIMITS voids the whole keyword, an unknown name does not",
    arguments: [
      ("LIMITS RCPTMAX=100 MAILMAX=5", TransactionLimits(mailMaximum: 5, recipientMaximum: 100)),
      ("limits rcptmax=999999", TransactionLimits(recipientMaximum: 999_999)),
      ("LIMITS RCPTDOMAINMAX=1 FUTURE=x", TransactionLimits(recipientDomainMaximum: 1)),
      ("LIMITS RCPTMAX=100 MAILMAX=x", nil), ("LIMITS RCPTMAX=0", nil), ("LIMITS RCPTMAX=01", nil),
      ("LIMITS RCPTMAX=1000000", nil), ("LIMITS RCPTMAX=", nil), ("LIMITS RCPTMAX", nil), ("LIMITS", nil),
      ("LIMITS RCPTMAX=1 RCPTMAX=2", nil), ("LIMITS RCPTMAX=-1", nil), ("LIMITS =1", nil),
    ])
  func limits(line: String, expected: TransactionLimits?) {
    #expect(capabilities(line).limits == expected)
  }
}
