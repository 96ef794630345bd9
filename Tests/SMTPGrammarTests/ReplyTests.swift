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

  @Test("SMTP-003: an extension's line in the answer to EHLO is its keyword and what it says")
  func keywords() {
    #expect(EHLOKeyword.size(52_428_800).description == "SIZE 52428800")
    #expect(EHLOKeyword.authentication(["PLAIN", "LOGIN"]).description == "AUTH PLAIN LOGIN")
    #expect(EHLOKeyword.smtpUTF8.description == "SMTPUTF8")
  }
}
