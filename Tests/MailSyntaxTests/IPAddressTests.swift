import MailSyntax
import Testing

@Suite struct IPAddressTests {
  @Test(
    "RFC 5952 §4: an address is written in its one form",
    arguments: [
      ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
      ("2001:DB8::1", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("::", "::"), ("::1", "::1"),
      ("1::", "1::"), ("1:0:0:0:0:0:0:0", "1::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
      ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("::ffff:192.0.2.1", "::ffff:c000:201"),
      ("2001:0db8::0001", "2001:db8::1"),
    ])
  func roundTrip(text: String, written: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == written)
    #expect(IPAddress(written) == address)
  }

  @Test(
    "what is no address is refused",
    arguments: [
      "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "1.2.3.+4", "1.2.3.4 ", ":", ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "1:2:3:4:5:6:7:8::", "fe80::1%eth0", "::1/128", "1:", ":1",
      "::1.2.3", "1.2.3.4::", "::+1", "1:2:3:4:5:6:7:1.2.3.4",
    ])
  func refused(text: String) {
    #expect(IPAddress(text) == nil)
  }
}
