import DNSRecords
import MailSyntax
import Testing

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
    #expect(throws: ResourceDataFault.self) { try ResourceData.mailExchanger(data) }
  }

  @Test("an address has 4 octets or 16, and no other number")
  func addresses() throws {
    #expect(try ResourceData.address([192, 0, 2, 1], family: .v4).description == "192.0.2.1")
    let sixteen: [UInt8] = [0x20, 1, 0xd, 0xb8] + Array(repeating: 0, count: 11) + [1]
    #expect(try ResourceData.address(sixteen, family: .v6).description == "2001:db8::1")
    for count in 0...20 {
      let data = [UInt8](repeating: 1, count: count)
      if count != 4 { #expect(throws: ResourceDataFault.self) { try ResourceData.address(data, family: .v4) } }
      if count != 16 { #expect(throws: ResourceDataFault.self) { try ResourceData.address(data, family: .v6) } }
    }
  }

  @Test("the strings of a TXT record are put together")
  func text() throws {
    #expect(try ResourceData.text([2, 0x61, 0x62, 0, 1, 0x63]) == Array("abc".utf8))
    #expect(try ResourceData.text([0]) == [])
    for data in [[], [3, 0x61, 0x62], [1, 0x61, 9]] as [[UInt8]] {
      #expect(throws: ResourceDataFault.self) { try ResourceData.text(data) }
    }
  }

  @Test("cut off anywhere, a record is malformed, and never worse")
  func truncated() {
    let record: [UInt8] = [0, 10] + ResourceDataTests.name("mx1", "example", "org")
    for length in record.indices {
      #expect(throws: ResourceDataFault.self) { try ResourceData.mailExchanger(Array(record.prefix(length))) }
    }
  }

  /// The text of a policy's record, so that no end but that of a string gives a text, and then the strings before it.
  @Test(
    "STS-001, STS-003: a TXT record cut off anywhere is malformed, or has the strings that are whole and no other octet"
  )
  func truncatedText() throws {
    let strings = ["v=STSv1; ", "", "id=20260101", "T000000;"].map { Array($0.utf8) }
    let record = strings.flatMap { [UInt8($0.count)] + $0 }
    var wholeUntil: [Int: [UInt8]] = [:]
    var end = 0
    var text: [UInt8] = []
    for string in strings {
      (end, text) = (end + 1 + string.count, text + string)
      wholeUntil[end] = text
    }
    for length in 0...record.count {
      let data = Array(record.prefix(length))
      if let whole = wholeUntil[length] {
        #expect(try ResourceData.text(data) == whole)
      } else {
        #expect(throws: ResourceDataFault.self, "\(length)") { try ResourceData.text(data) }
      }
    }
  }

  @Test("TXT data of 1 octet to 35 that promises more than follows is malformed, and of 0 octets too")
  func shortText() {
    #expect(throws: ResourceDataFault.self) { try ResourceData.text([]) }
    for length in 1...35 {
      for filling in [UInt8(length), 63, 64, 0xc0, 0xff] {
        #expect(throws: ResourceDataFault.self, "\(length) of \(filling)") {
          try ResourceData.text(Array(repeating: filling, count: length))
        }
      }
      // Empty strings are none the less strings.
      #expect((try? ResourceData.text(Array(repeating: 0, count: length))) == [])
    }
  }

  @Test("MX data of any length at all is read or malformed: 0 octets to more than a name can have")
  func everyLength() throws {
    for length in 0...300 {
      for filling in [UInt8(0), 1, 3, 63, 64, 0xc0, 0xff] {
        let data = Array(repeating: filling, count: length)
        // Of one octet over and over only the null MX is a record.
        let isNull = data == [0, 0, 0]
        #expect((try? ResourceData.mailExchanger(data))?.exchange == (isNull ? .null : nil), "\(length) of \(filling)")
        #expect((try? ResourceData.domainName(data)) == nil, "\(length) of \(filling)")
      }
    }
  }

  @Test("an alias leads to a name; underscores and capitals stay, and cut off anywhere it is malformed")
  func alias() throws {
    let record = ResourceDataTests.name("_25", "_tcp", "MX1", "example", "org")
    #expect(try ResourceData.domainName(record).description == "_25._tcp.MX1.example.org")
    for length in record.indices {
      #expect(throws: ResourceDataFault.self) { try ResourceData.domainName(Array(record.prefix(length))) }
    }
    #expect(throws: ResourceDataFault.self) { try ResourceData.domainName(record + [0]) }
  }

  @Test("MX data of 0 octets to 35 that hold no name is malformed, whatever the octets")
  func shortExchanger() {
    for length in 0...35 {
      for filling in [UInt8(1), 63, 64, 0xc0, 0xff] {
        #expect(throws: ResourceDataFault.self) {
          try ResourceData.mailExchanger(Array(repeating: filling, count: length))
        }
      }
    }
  }
}
