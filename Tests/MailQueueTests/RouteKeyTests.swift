import MailQueue
import MailSyntax
import Testing

@Suite("RouteKey")
struct RouteKeyTests {
  @Test("a domain however written is one destination, and is read back from its key")
  func destinations() throws {
    for (address, key) in [
      ("x@Example.ORG", "mx/example.org"), ("x@example.org", "mx/example.org"), ("x@[192.0.2.1]", "mx/[192.0.2.1]"),
      ("x@[IPv6:2001:DB8::1]", "mx/[IPv6:2001:db8::1]"), ("x@bücher.example", "mx/bücher.example"),
    ] {
      let domain = try Mailbox(address).domain
      #expect(RouteKey.exchangers(of: domain).rawValue == key)
      #expect(RouteKey(rawValue: key).destination == domain)
    }
  }

  @Test(
    "a route of another kind has no destination", arguments: ["outbound", "domain/example.org", "mx/", "mx/a b", "m"])
  func others(_ key: String) { #expect(RouteKey(rawValue: key).destination == nil) }
}
