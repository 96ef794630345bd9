import MailSyntax
import Testing

@testable import LocalDelivery

@Suite("A Maildir's path")
struct MaildirTemplateTests {
  @Test(
    "the template says where a mailbox lies",
    arguments: [
      ("/var/mail/%d/%n", "Anna@Example.COM", "/var/mail", ["example.com", "Anna"]),
      ("/var/mail/%u", "anna@example.com", "/var/mail", ["anna@example.com"]),
      ("/srv/mail", "anna@example.com", "/srv", ["mail"]),
      ("/srv/mail/", "anna@example.com", "/srv", ["mail"]),
      ("/%n", "anna@example.com", "/", ["anna"]),
      ("/srv/100%%/x-%n.dir", "anna@example.com", "/srv/100%", ["x-anna.dir"]),
      ("/srv/%d/Maildir", "anna@example.com", "/srv", ["example.com", "Maildir"]),
    ])
  func path(template: String, address: String, existing: String, made: [String]) throws {
    let path = try MaildirTemplate(template).path(for: try Mailbox(address))
    #expect(path.existing == existing)
    #expect(path.made == made)
  }

  @Test(
    "a local part never leaves its folder, hides, or names another",
    arguments: [
      ("..", "%2E."), (".", "%2E"), ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"), ("/etc", "%2Fetc"),
      (".hidden", "%2Ehidden"), ("a/../b", "a%2F..%2Fb"), ("nul\0byte", "nul%00byte"), ("a%2Fb", "a%252Fb"),
      ("a b", "a%20b"), ("bøb", "b%C3%B8b"), ("", "%"), ("a\r\nb", "a%0D%0Ab"),
    ])
  func encoding(localPart: String, component: String) throws {
    let mailbox = Mailbox(localPart: localPart, domain: .name(try DomainName("example.com")))
    let path = try MaildirTemplate("/var/mail/%d/%n").path(for: mailbox)
    #expect(path.made == ["example.com", component])
    #expect(!component.contains("/") && !component.hasPrefix("."))
  }

  @Test("different local parts never share a folder")
  func injective() {
    let parts = ["a/b", "a%2Fb", "a%252Fb", ".a", "%2Ea", "%", "", "a", "A"]
    #expect(Set(parts.map(MaildirTemplate.encode)).count == parts.count)
  }

  @Test(
    "a template that can't be one is refused by name",
    arguments: [
      ("var/mail", MaildirTemplate.Fault.notAbsolute), ("", .notAbsolute), ("/var/../mail", .badComponent("..")),
      ("/var//mail", .badComponent("")), ("/./%n", .badComponent(".")), ("/var/%x", .unknownPlaceholder("x")),
      ("/var/%", .unknownPlaceholder("/")),
    ])
  func refused(template: String, fault: MaildirTemplate.Fault) {
    #expect(throws: fault) { try MaildirTemplate(template) }
  }

  @Test(
    "what follows the recipient delimiter makes no folder of its own",
    arguments: [
      ("anna+lists@example.com", "anna"), ("anna+A+b@example.com", "anna"), ("anna@example.com", "anna"),
      ("+lists@example.com", "+lists"), ("anna-lists@example.com", "anna-lists"),
      // An accent that combines with the delimiter makes another character of it, but no other octet.
      ("anna+\u{301}abc1@example.com", "anna"),
    ])
  func delimiter(address: String, folder: String) throws {
    let template = try MaildirTemplate("/mail/%d/%n", recipientDelimiter: "+")
    #expect(template.path(for: try Mailbox(address)).made == ["example.com", folder])
    #expect(
      try MaildirTemplate("/mail/%u", recipientDelimiter: "+").path(for: try Mailbox(address)).made
        == ["\(folder)@example.com"])
    let undelimited = try MaildirTemplate("/mail/%n").path(for: try Mailbox(address)).made
    #expect(undelimited == [MaildirTemplate.encode(String(address.prefix { $0 != "@" }))])
  }
}
