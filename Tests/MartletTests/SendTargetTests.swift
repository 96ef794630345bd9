import MailSyntax
import SMTPSessions
import Testing

@testable import martlet

@Suite("The server of `send`")
struct SendTargetTests {
  @Test(
    "a server is a name or an address, with a port or without",
    arguments: [
      ("mail.example.org", "mail.example.org:465", "mail.example.org"),
      ("mail.example.org:2465", "mail.example.org:2465", "mail.example.org"),
      ("LOCALHOST:2465", "LOCALHOST:2465", "localhost"),
      ("192.0.2.1", "192.0.2.1:465", "192.0.2.1"),
      ("192.0.2.1:25", "192.0.2.1:25", "192.0.2.1"),
      ("::1", "[::1]:465", "::1"),
      ("[::1]", "[::1]:465", "::1"),
      ("[2001:db8::1]:587", "[2001:db8::1]:587", "2001:db8::1"),
    ])
  func forms(text: String, description: String, reference: String) throws {
    let target = try SendTarget(text, defaultPort: 465)
    #expect(target.description == description)
    #expect(target.referenceName == reference)
  }

  @Test(
    "what is no server is refused in words that say what one looks like",
    arguments: [
      "", ":465", "mail.example.org:", "mail.example.org:0", "mail.example.org:65536", "a b:25", "[::1", "-x:1",
    ])
  func refusals(text: String) {
    #expect(throws: (any Error).self) { try SendTarget(text, defaultPort: 465) }
  }

  @Test("SMTP-011: EHLO says this machine's full name, or else an address literal, never a short name")
  func identity() throws {
    let address = IPAddress.v4(0xc000_0201)
    #expect(OwnIdentity.choose(try DomainName("host.example.org"), address).description == "host.example.org")
    for name in ["localhost", "host", "höst.example.org"] {
      #expect(OwnIdentity.choose(try DomainName(name), address).description == "[192.0.2.1]")
    }
    #expect(OwnIdentity.choose(nil, nil).description == "[127.0.0.1]")
    switch OwnIdentity.current {
    case .name(let name): #expect(name.isFullyQualified)
    case .literal: break
    case .unrecognised(let text): Issue.record("\(text)")
    }
  }

  @Test("the port is by custom that of the way to TLS")
  func ports() {
    #expect(SendSecurity.allCases.map(\.customaryPort) == [465, 587, 25])
  }
}
