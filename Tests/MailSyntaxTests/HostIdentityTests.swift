import MailSyntax
import Testing

@Suite struct HostIdentityTests {
  @Test("SMTP-010: what stands behind EHLO is a name, a literal, or kept as it is")
  func shapes() throws {
    #expect(HostIdentity("Mail.Example.org") == .name(try DomainName("mail.example.org")))
    #expect(HostIdentity("[192.0.2.1]") == .literal(try AddressLiteral("[192.0.2.1]")))
    #expect(HostIdentity("[IPv6:2001:db8::1]") == .literal(try AddressLiteral("[IPv6:2001:DB8::1]")))
    #expect(HostIdentity("DESKTOP(1)") == .unrecognised("DESKTOP(1)"))
    #expect(HostIdentity("[192.0.2.1") == .unrecognised("[192.0.2.1"))
  }

  @Test(
    "what is empty, too long, spaced or not ASCII is no host identity",
    arguments: ["", "a b", "a\r\nb", "a\u{0}", "\u{7f}", String(repeating: "(", count: 256)])
  func refused(text: String) {
    #expect(HostIdentity(text) == nil)
  }

  @Test("the longest text that is no name has 255 octets")
  func bound() {
    let text = String(repeating: "(", count: 255)
    #expect(HostIdentity(text) == .unrecognised(text))
  }
}
