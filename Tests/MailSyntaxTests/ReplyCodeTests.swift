import MailSyntax
import Testing

@Suite struct ReplyCodeTests {
  @Test("SMTP-025, SMTP-027: a reply code is three digits from 200 to 599, its first digit its meaning")
  func codes() throws {
    #expect(try ReplyCode(text: "250").severity == .positiveCompletion)
    #expect(try ReplyCode(text: "354").severity == .positiveIntermediate)
    #expect(try ReplyCode(text: "459").severity == .transientNegative)
    #expect(try ReplyCode(text: "599").severity == .permanentNegative)
    #expect(try ReplyCode(text: "399").isPositive && !ReplyCode(text: "400").isPositive)
    for text in ["", "25", "2500", "199", "600", "+50", "25x", " 250", "٢٥٠"] {
      #expect(throws: MailSyntaxError.badReplyCode) { try ReplyCode(text: text) }
    }
  }

  @Test("an enhanced status code is class, subject and detail, and agrees with codes of its class alone")
  func enhanced() throws {
    let code = try EnhancedStatusCode(text: "4.7.999")
    #expect(code == EnhancedStatusCode(.persistentTransient, 7, 999))
    #expect(code.description == "4.7.999")
    #expect(code.agrees(with: ReplyCode(450)) && !code.agrees(with: ReplyCode(550)))
    for text in ["", "5", "5.1", "5.1.1.1", "3.1.1", "6.1.1", "5.1.1000", "5.01.1", "5..1", "5.1.", "5.+1.1", "a.b.c"] {
      #expect(throws: MailSyntaxError.badEnhancedStatusCode) { try EnhancedStatusCode(text: text) }
    }
  }
}
