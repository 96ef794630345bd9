import MailSyntax
import Testing

@Suite("Networks in CIDR form")
struct IPNetworkTests {
  @Test("membership")
  func membership() throws {
    let rows: [(network: String, address: String, isMember: Bool)] = [
      ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false), ("192.0.2.9/24", "192.0.2.1", true),
      ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "255.255.255.255", true),
      ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
      ("2001:db8::1/128", "2001:db8::1", true), ("2001:db8::1/128", "2001:db8::2", false),
      ("2001:db8:0:1::/65", "2001:db8:0:1:7fff::", true), ("2001:db8:0:1::/65", "2001:db8:0:1:8000::", false),
      ("::/0", "2001:db8::", true), ("::/0", "192.0.2.1", false), ("0.0.0.0/0", "::1", false),
    ]
    for row in rows {
      let network = try #require(IPNetwork(row.network))
      #expect(network.contains(try #require(IPAddress(row.address))) == row.isMember, "\(row)")
    }
  }

  @Test(
    "what is no network",
    arguments: ["", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/", "::/129", "x/8", "/8", "1.2.3.4/+8"])
  func refused(_ text: String) {
    #expect(IPNetwork(text) == nil)
  }
}
