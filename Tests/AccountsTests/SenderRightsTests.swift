import MailSyntax
import Testing

@testable import Accounts

@Suite("sender rights")
struct SenderRightsTests {
  @Test(
    "a pattern is a mailbox, a domain, or everything",
    arguments: [
      ("app@example.org", "app@example.org", true), ("app@example.org", "app@EXAMPLE.org", true),
      ("app@example.org", "App@example.org", false), ("app@example.org", "b@example.org", false),
      ("@example.org", "anyone@Example.Org", true), ("@example.org", "a@sub.example.org", false),
      ("@example.org", "a@badexample.org", false), ("@[192.0.2.1]", "a@[192.0.2.1]", true),
      ("@[192.0.2.1]", "a@[192.0.2.2]", false), ("*", "a@b.c", true),
      ("\"a b\"@example.org", "\"a b\"@example.org", true), ("\"app\"@example.org", "app@example.org", true),
      ("é@example.org", "e\u{301}@example.org", false),
    ])
  func matching(pattern: String, sender: String, allowed: Bool) throws {
    let rights = try SenderRights([try SenderPattern(pattern)])
    let mailbox = try Mailbox(sender)
    #expect(rights.mayUse(mailbox) == allowed)
    #expect(rights.mayUse(ReversePath.mailbox(mailbox)) == allowed)
    #expect(try SenderPattern(SenderPattern(pattern).description) == SenderPattern(pattern))
  }

  @Test("<> is everybody's, even of a user with no right at all")
  func nullSender() throws {
    #expect(SenderRights.none.mayUse(.null))
    #expect(try !SenderRights.none.mayUse(Mailbox("a@example.org")))
  }

  @Test("one of several patterns is enough")
  func several() throws {
    let rights = try SenderRights([try SenderPattern("a@example.org"), try SenderPattern("@example.net")])
    #expect(try rights.mayUse(Mailbox("x@example.net")))
    #expect(try rights.mayUse(Mailbox("a@example.org")))
    #expect(try !rights.mayUse(Mailbox("b@example.org")))
  }

  @Test(
    "what is no pattern is refused", arguments: ["", "@", "example.org", "a@", "@-x", "**", "*@example.org,", "a b@c"])
  func faults(text: String) { #expect(throws: UserFault.badSender(text)) { try SenderPattern(text) } }

  @Test("the number of patterns is bounded")
  func bound() {
    let most = [SenderPattern](repeating: .any, count: SenderRights.maximumPatterns)
    #expect(throws: Never.self) { try SenderRights(most) }
    #expect(throws: UserFault.tooManySenders) { try SenderRights(most + [.any]) }
  }
}
