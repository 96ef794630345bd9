import DNSRecords
import MailSyntax
import Testing

@Suite("Trust anchors")
struct TrustAnchorTests {
  static let key = "u3drNuFiMQw28P8pgWJ6Mr4FwdxKPSOZ6O6qWEIFUHznGrY4hvHsdXcBkpf5y34okOJpUlIeAdcF87wXZxSJZA=="
  static let digest = "77c84a34b9f42abbc643a699d3b1d9edfac99f6c9d8efb8bd04963bd0eb0a420"

  private func parse(_ text: String) throws(TrustAnchorFault) -> [TrustAnchor] {
    try TrustAnchorFile.parse(Array(text.utf8))
  }

  @Test("the built-in ones are both keys of the root, and can be read back from what they print")
  func builtIn() throws {
    #expect(RootAnchors.builtIn.map(\.keyTag) == [20326, 38696])
    #expect(try parse(RootAnchors.builtIn.map(\.description).joined(separator: "\n")) == RootAnchors.builtIn)
    #expect(!RootAnchors.areOutOfDate(RootAnchors.builtIn))
    #expect(RootAnchors.areOutOfDate([RootAnchors.builtIn[0]]))
    #expect(!RootAnchors.areOutOfDate([RootAnchors.builtIn[1]]))
  }

  @Test("of one zone say nothing of the root")
  func otherZone() throws {
    let anchors = try parse("mail.test. IN DS 20326 13 2 \(TrustAnchorTests.digest)")
    #expect(!RootAnchors.areOutOfDate(anchors))
  }

  /// The tags are those that ldns-keygen printed of the same key (RFC 4034 appendix B).
  @Test(
    "DS and DNSKEY records are read, whatever the case, the TTL and the comment",
    arguments: [
      "mail.test.\tIN\tDNSKEY\t257 3 13 \(TrustAnchorTests.key) ;{id = 5459 (ksk), size = 256b}",
      "Mail.Test IN DS 5459 13 2 \(TrustAnchorTests.digest)",
      "; a comment\n\nmail.test. 3600 in ds 5459 13 2 \(TrustAnchorTests.digest.uppercased())\r\n",
      "mail.test. IN 3600 DS 5459 13 2 \(TrustAnchorTests.digest.prefix(20)) \(TrustAnchorTests.digest.dropFirst(20))",
      "mail.test. DNSKEY 257 3 13 \(TrustAnchorTests.key) ;;state=2 [  VALID  ] ;;count=0",
    ])
  func read(_ text: String) throws {
    let anchors = try parse(text)
    #expect(anchors.map(\.keyTag) == [5459])
    #expect(anchors.map(\.zone) == [try DomainName("mail.test")])
  }

  /// RFC 5011 §4: a key that is new, revoked or removed is no anchor.
  @Test(
    "keys that a keeper of the file doesn't trust are left out",
    arguments: [
      "mail.test. DNSKEY 257 3 13 \(TrustAnchorTests.key) ;;state=1 [ ADDPEND ]",
      "mail.test. DNSKEY 257 3 13 \(TrustAnchorTests.key) ;;state=4 [ REVOKED ]",
      "mail.test. DNSKEY 385 3 13 \(TrustAnchorTests.key)",
    ])
  func untrusted(_ line: String) throws {
    let good = "\n. IN DS 38696 8 2 \(TrustAnchorTests.digest)"
    #expect(try parse(line + good).map(\.keyTag) == [38696])
    #expect(throws: TrustAnchorFault.self) { try parse(line) }
  }

  @Test(
    "what is no anchor is refused with its line",
    arguments: [
      ("mail.test. IN A 192.0.2.1", 1), ("$ORIGIN test.", 1), ("\n  IN DS 1 8 2 ab", 2), ("mail.test.", 1),
      (". IN DS 1 8 2 abcd", 1), (". IN DS 70000 8 2 \(TrustAnchorTests.digest)", 1),
      (". IN DS 1 8 9 \(TrustAnchorTests.digest)", 1), (". IN DS 1 8 2 \(TrustAnchorTests.digest.dropLast())g", 1),
      (". IN DNSKEY 257 3 13 (", 1), (". IN DNSKEY 257 3 13 abc", 1), (". IN DNSKEY 257 4 13 abcd", 1),
      (". IN DNSKEY 0 3 13 abcd", 1), ("a..b IN DS 1 8 2 \(TrustAnchorTests.digest)", 1),
      (". IN DNSKEY 257 3 13 ab=d", 1), (". IN DNSKEY 257 3 13", 1),
    ])
  func refused(_ text: String, _ line: Int) throws {
    let fault = #expect(throws: TrustAnchorFault.self) { try parse(text) }
    #expect(fault?.line == line, "\(fault?.description ?? "")")
  }

  @Test("an empty file, one that isn't text and one that is too large are refused")
  func notRead() throws {
    #expect(throws: TrustAnchorFault.self) { try parse("; nothing\n") }
    #expect(throws: TrustAnchorFault.self) { try TrustAnchorFile.parse([0xff, 0xfe, 0x0a]) }
    #expect(throws: TrustAnchorFault.self) {
      try TrustAnchorFile.parse(Array(repeating: 0x0a, count: TrustAnchorFile.maximumOctets + 1))
    }
    let line = ". IN DS 38696 8 2 \(TrustAnchorTests.digest)\n"
    #expect(try parse(String(repeating: line, count: TrustAnchorFile.maximumAnchors)).count == 64)
    #expect(throws: TrustAnchorFault.self) {
      try parse(String(repeating: line, count: TrustAnchorFile.maximumAnchors + 1))
    }
  }

  @Test("cut off anywhere, a file is read or refused, never worse")
  func truncated() {
    let text =
      RootAnchors.builtIn.map(\.description).joined(separator: "\n") + "\nmail.test. DNSKEY 257 3 13 "
      + TrustAnchorTests.key
    for length in 0...text.utf8.count { _ = try? TrustAnchorFile.parse(Array(text.utf8.prefix(length))) }
  }

  @Test(
    "a name server is an address, with a port behind @ where it isn't 53",
    arguments: [
      ("192.0.2.53", "192.0.2.53@53"), ("192.0.2.53@5353", "192.0.2.53@5353"), ("2001:db8::53@54", "2001:db8::53@54"),
      ("::1", "::1@53"), ("192.0.2.53:53", nil), ("ns.example.com", nil), ("192.0.2.53@", nil), ("192.0.2.53@0", nil),
      ("192.0.2.53@65536", nil), ("@53", nil), ("192.0.2.53@53@53", nil), ("192.0.2.53@+5", nil), ("", nil),
    ] as [(String, String?)])
  func nameServer(_ text: String, _ form: String?) {
    #expect(SocketEndpoint(nameServer: text)?.nameServerText == form)
  }
}
