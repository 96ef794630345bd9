import Testing
import TransportSecurity

@Suite("The TXT record of MTA-STS")
struct STSRecordTests {
  static let good: [(text: String, id: String)] = [
    ("v=STSv1; id=20160831085700Z;", "20160831085700Z"),
    ("v=STSv1;id=1", "1"),
    ("v=STSv1;id=1;", "1"),
    ("v=STSv1; id=1; ", "1"),
    ("v=STSv1 \t; \tid=1 \t; ", "1"),
    ("v=STSv1; id=abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz012345"),
    ("v=STSv1; future=x:y<z>; id=9; other.name_1-2=!", "9"),
    ("v=STSv1; id=first; id=second", "first"),
    ("v=STSv1; id=first; id=not-an-id", "first"),
    ("v=STSv1; ID=upper; id=lower", "lower"),
  ]

  @Test(
    "STS-002, STS-004: a record's id is read wherever it stands, the first of two, beside fields unknown",
    arguments: good)
  func reads(_ row: (text: String, id: String)) throws {
    #expect(try STSRecord(Array(row.text.utf8)).id == row.id)
    #expect(STSDiscovery(texts: [Array(row.text.utf8)]) == .announced(STSRecord(id: row.id)))
    #expect(try STSRecord(Array(STSRecord(id: row.id).description.utf8)).id == row.id)
  }

  static let bad: [(text: String, fault: STSRecordFault)] = [
    ("v=STSv1;", .badField("")),
    ("v=STSv1; ", .badField("")),
    ("v=STSv1;;id=1", .badField("")),
    ("v=STSv1; id=1;;", .badField("")),
    ("v=STSv1; future=1", .noID),
    ("v=STSv1; ID=1", .noID),
    ("v=STSv1; id=", .badField("id=")),
    ("v=STSv1; id", .badField("id")),
    ("v=STSv1; =1", .badField("=1")),
    ("v=STSv1; id=2026-01-01", .badID("2026-01-01")),
    ("v=STSv1; id=abcdefghijklmnopqrstuvwxyz0123456", .badID("abcdefghijklmnopqrstuvwxyz0123456")),
    ("v=STSv1; id =1", .badField("id =1")),
    ("v=STSv1; id= 1", .badField("id= 1")),
    ("v=STSv1; id=1 2", .badField("id=1 2")),
    ("v=STSv1; id=1=2", .badField("id=1=2")),
    ("v=STSv1; id=1; naïve=1", .badField("naïve=1")),
    ("v=STSv1; id=1; a=b\u{7}", .badField("a=b\u{7}")),
    ("v=STSv1; id=1; -a=b", .badField("-a=b")),
    ("v=STSv1; id=1; a23456789012345678901234567890123=b", .badField("a23456789012345678901234567890123=b")),
    ("v=STSv1 id=1", .noVersion),
    ("v=STSv2; id=1", .noVersion),
    ("V=STSv1; id=1", .noVersion),
    (" v=STSv1; id=1", .noVersion),
    ("v=STSv1", .noVersion),
    ("v=spf1 -all", .noVersion),
    ("", .noVersion),
  ]

  @Test("STS-002, STS-003: a record with another grammar announces no policy, and says how to mend it", arguments: bad)
  func refuses(_ row: (text: String, fault: STSRecordFault)) {
    #expect(throws: row.fault) { try STSRecord(Array(row.text.utf8)) }
    let expected: STSDiscovery = row.fault == .noVersion ? .absent : .malformed(row.fault)
    #expect(STSDiscovery(texts: [Array(row.text.utf8)]) == expected)
    #expect(!row.fault.description.contains("\u{7}") && row.fault.description.count < 300)
  }

  @Test("STS-003: exactly one record of this kind announces a policy, whatever else stands beside it")
  func exactlyOne() {
    func discover(_ texts: String...) -> STSDiscovery { STSDiscovery(texts: texts.map { Array($0.utf8) }) }
    #expect(discover() == .absent)
    #expect(discover("v=spf1 -all", "hello") == .absent)
    #expect(discover("v=spf1 -all", "v=STSv1; id=1", "v=STSv2; id=2") == .announced(STSRecord(id: "1")))
    #expect(discover("v=STSv1; id=1", "v=STSv1; id=2") == .ambiguous(count: 2))
    #expect(discover("v=STSv1; id=1", "v=STSv1; id=1") == .ambiguous(count: 2), "two that agree are two")
    #expect(
      discover("v=STSv1; id=1", "v=STSv1 ;") == .ambiguous(count: 2), "erratum 6285: a blank before the semicolon")
    #expect(discover("v=STSv1; id=1", "v=STSv1") == .announced(STSRecord(id: "1")))
    #expect(discover("v=STSv1; id=1").record?.id == "1" && discover().record == nil)
  }

  @Test("STS-003: a record cut off anywhere, or with any octet in it, is read or refused, and nothing else happens")
  func truncated() {
    for text in STSRecordTests.good.map(\.text) + STSRecordTests.bad.map(\.text) {
      let octets = Array(text.utf8)
      for end in octets.indices { _ = STSDiscovery(texts: [Array(octets[..<end])]) }
      for place in octets.indices {
        for octet: UInt8 in [0, 9, 0x20, 0x3b, 0x3d, 0x80, 0xff] {
          var changed = octets
          changed[place] = octet
          _ = STSDiscovery(texts: [changed])
        }
      }
    }
  }
}
