import DNSRecords
import MailSyntax
import Testing

@testable import DNSTransport

@Suite("RDATA")
struct ResourceDataTests {
  /// Labels and the root behind them.
  static func name(_ labels: String...) -> [UInt8] {
    labels.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
  }

  @Test("an MX record has a preference and a host")
  func mailExchanger() throws {
    let record = try ResourceData.mailExchanger([1, 2] + ResourceDataTests.name("MX1", "example", "org"))
    #expect(record == MailExchanger(preference: 258, exchange: .host(try DomainName("mx1.example.org"))))
    #expect(record.exchange.description == "MX1.example.org")
  }

  @Test("the root alone is a null MX")
  func nullMailExchanger() throws {
    #expect(try ResourceData.mailExchanger([0, 0, 0]).exchange == .null)
  }

  /// SMTP-048: a record that names no host is told from one that can't be read.
  @Test(
    "a name that no host has is kept as text",
    arguments: [
      (name("bad name", "example"), "bad\\032name.example"), (name("a.b", "example"), "a\\.b.example"),
      (name("192", "0", "2", "1"), "192.0.2.1"), (name("-x", "example"), "-x.example"),
      (name("new\r\nline"), "new\\013\\010line"), (name("back\\slash"), "back\\\\slash"),
      ([2, 0xc3, 0xbc, 0], "\\195\\188"), (name("nul\0"), "nul\\000"),
    ])
  func unusable(_ data: [UInt8], _ text: String) throws {
    #expect(try ResourceData.mailExchanger([0, 10] + data).exchange == .unusable(text))
  }

  @Test(
    "an MX record that ends early, goes on, or points elsewhere is malformed",
    arguments: [
      [], [0], [0, 10], [0, 10, 3, 0x61], [0, 10, 3, 0x61, 0x62, 0x63], [0, 10, 0, 0], [0, 10, 0xc0, 0x0c],
      [0, 10, 64] + Array(repeating: 0x61, count: 64) + [0],
      [0, 10] + Array(repeating: [1, 0x61], count: 127).flatMap { $0 } + [1, 0x61, 0],
    ] as [[UInt8]])
  func malformed(_ data: [UInt8]) {
    #expect(throws: MalformedData.self) { try ResourceData.mailExchanger(data) }
  }

  @Test("an address has 4 octets or 16, and no other number")
  func addresses() throws {
    #expect(try ResourceData.address([192, 0, 2, 1], family: .v4).description == "192.0.2.1")
    let sixteen: [UInt8] = [0x20, 1, 0xd, 0xb8] + Array(repeating: 0, count: 11) + [1]
    #expect(try ResourceData.address(sixteen, family: .v6).description == "2001:db8::1")
    for count in 0...20 {
      let data = [UInt8](repeating: 1, count: count)
      if count != 4 { #expect(throws: MalformedData.self) { try ResourceData.address(data, family: .v4) } }
      if count != 16 { #expect(throws: MalformedData.self) { try ResourceData.address(data, family: .v6) } }
    }
  }

  @Test("the strings of a TXT record are put together")
  func text() throws {
    #expect(try ResourceData.text([2, 0x61, 0x62, 0, 1, 0x63]) == Array("abc".utf8))
    #expect(try ResourceData.text([0]) == [])
    for data in [[], [3, 0x61, 0x62], [1, 0x61, 9]] as [[UInt8]] {
      #expect(throws: MalformedData.self) { try ResourceData.text(data) }
    }
  }

  @Test("cut off anywhere, a record is malformed, and never worse")
  func truncated() {
    let record: [UInt8] = [0, 10] + ResourceDataTests.name("mx1", "example", "org")
    for length in record.indices {
      #expect(throws: MalformedData.self) { try ResourceData.mailExchanger(Array(record.prefix(length))) }
    }
  }
}
