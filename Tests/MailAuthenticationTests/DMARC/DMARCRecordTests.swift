import MailAuthentication
import MailSyntax
import Testing

@Suite("The DMARC policy record")
struct DMARCRecordTests {
  struct Row: CustomTestStringConvertible, Sendable {
    let text: String
    var p: DMARCDisposition? = .some(.none)
    var sp: DMARCDisposition?
    var np: DMARCDisposition?
    var dkim = DMARCRecord.Alignment.relaxed
    var spf = DMARCRecord.Alignment.relaxed
    var suffix = DMARCRecord.PublicSuffix.unknown
    var isTest = false
    var fo: [DMARCRecord.FailureOption] = [.allFailed]
    var rua: [String] = []
    var ruf: [String] = []
    var faults: [DMARCRecordFault] = []
    var testDescription: String { text }
  }

  /// RFC 9989 §B.2, and a row for each rule of §4.7, §4.8.
  static let rows: [Row] = [
    Row(
      text: "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com", rua: ["mailto:dmarc-feedback@example.com"]),
    Row(
      text: "v=DMARC1; p=none; rua=mailto:dmarc-feedback@example.com; ruf=mailto:auth-reports@thirdparty.example.net",
      rua: ["mailto:dmarc-feedback@example.com"], ruf: ["mailto:auth-reports@thirdparty.example.net"]),
    Row(
      text: "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,mailto:tld-test@thirdparty.example.net; t=y",
      p: .quarantine, isTest: true,
      rua: ["mailto:dmarc-feedback@example.com", "mailto:tld-test@thirdparty.example.net"]),
    Row(text: "v=DMARC1;p=reject;sp=quarantine;np=none", p: .reject, sp: .quarantine, np: .some(.none)),
    Row(text: "v=DMARC1; p=reject; adkim=s; aspf=s; psd=n", p: .reject, dkim: .strict, spf: .strict, suffix: .no),
    Row(text: "v = DMARC1 ;\tp\t=\treject ; psd=y ;", p: .reject, suffix: .yes),
    // No order but that of v; RFC 7489 wanted p next to it.
    Row(text: "v=DMARC1; adkim=s; p=reject", p: .reject, dkim: .strict),
    // Literals of RFC 5234 in any case.
    Row(text: "v=DMARC1; p=REJECT; aspf=S; t=Y; psd=U", p: .reject, spf: .strict, isTest: true),
    // pct, rf and ri are gone, others never were.
    Row(text: "v=DMARC1; p=reject; pct=50; rf=afrf; ri=3600; future=x:y/z", p: .reject),
    Row(text: "v=DMARC1; p=reject; pct=0; pct=10; rf=; ri=none", p: .reject),
    Row(text: "v=DMARC1; p=reject; P=none; x=1; x=2", p: .reject),
    // Defaults in the place of what is not to be understood.
    Row(
      text: "v=DMARC1; p=reject; adkim=x; aspf=; psd=maybe; t=1", p: .reject,
      faults: [
        .badValue(tag: "adkim", "x"), .badValue(tag: "aspf", ""), .badValue(tag: "psd", "maybe"),
        .badValue(tag: "t", "1"),
      ]),
    Row(text: "v=DMARC1; garbage; p=reject;; =; ;", p: .reject, faults: [.notATag(" garbage"), .notATag(" =")]),
    Row(
      text: "v=DMARC1; p=reject fo=1", p: nil, faults: [.badValue(tag: "p", "reject fo=1")]),
    // fo
    Row(
      text: "v=DMARC1; p=none; fo=1:d:s; ruf=mailto:a@example.com", fo: [.anyFailed, .dkimFailed, .spfFailed],
      ruf: ["mailto:a@example.com"]),
    Row(text: "v=DMARC1; p=none; fo=d; ruf=mailto:a@example.com", fo: [.dkimFailed], ruf: ["mailto:a@example.com"]),
    Row(text: "v=DMARC1; p=none; fo=1"),
    Row(
      text: "v=DMARC1; p=none; fo=0:1; ruf=mailto:a@example.com", ruf: ["mailto:a@example.com"],
      faults: [.badValue(tag: "fo", "0:1")]),
    Row(
      text: "v=DMARC1; p=none; fo=d:d; ruf=mailto:a@example.com", ruf: ["mailto:a@example.com"],
      faults: [.badValue(tag: "fo", "d:d")]),
    // §4.10.1: p, sp or np not to be understood.
    Row(
      text: "v=DMARC1; rua=mailto:a@example.com", p: .some(.none), rua: ["mailto:a@example.com"],
      faults: [.missingPolicy]),
    Row(
      text: "v=DMARC1; p=refuse; sp=reject; rua=mailto:a@example.com", p: .some(.none), rua: ["mailto:a@example.com"],
      faults: [.badValue(tag: "p", "refuse")]),
    Row(
      text: "v=DMARC1; p=reject; sp=refuse; rua=mailto:a@example.com", p: .some(.none), rua: ["mailto:a@example.com"],
      faults: [.badValue(tag: "sp", "refuse")]),
    Row(
      text: "v=DMARC1; p=reject; np=refuse; rua=mailto:a@example.com", p: .some(.none), rua: ["mailto:a@example.com"],
      faults: [.badValue(tag: "np", "refuse")]),
    Row(text: "v=DMARC1", p: nil, faults: [.missingPolicy]),
    Row(text: "v=DMARC1;", p: nil, faults: [.missingPolicy]),
    Row(text: "v=DMARC1; p=", p: nil, faults: [.badValue(tag: "p", "")]),
    Row(
      text: "v=DMARC1; p=reject; np=x", p: nil, faults: [.badValue(tag: "np", "x")]),
    Row(
      text: "v=DMARC1; p=x; rua=a@example.com", p: nil,
      faults: [.badURI(tag: "rua", "a@example.com"), .badValue(tag: "p", "x")]),
  ]

  @Test(
    "DMARC-003, DMARC-004: every tag is read, unknown ones are ignored, and faults give way to defaults",
    arguments: rows)
  func reads(_ row: Row) throws {
    let record = try DMARCRecord(Array(row.text.utf8))
    #expect(record.policies?.domain == row.p)
    #expect(record.policies?.subdomains == row.sp)
    #expect(record.policies?.nonexistentSubdomains == row.np)
    #expect(record.dkimAlignment == row.dkim && record.spfAlignment == row.spf)
    #expect(record.publicSuffix == row.suffix && record.isTest == row.isTest)
    #expect(record.failureOptions == row.fo)
    #expect(record.aggregateReports.map(\.description) == row.rua)
    #expect(record.failureReports.map(\.description) == row.ruf)
    #expect(record.faults == row.faults)
  }

  static let void: [(text: String, fault: DMARCRecordFault)] = [
    ("", .noVersion),
    ("v=spf1 -all", .noVersion),
    ("v=dmarc1; p=reject", .noVersion),
    ("V=DMARC1; p=reject", .noVersion),
    (" v=DMARC1; p=reject", .noVersion),
    ("p=reject; v=DMARC1", .noVersion),
    ("v=DMARC2; p=reject", .noVersion),
    ("v=DMARC11; p=reject", .noVersion),
    ("v=DMARC1 p=reject", .noVersion),
    ("v=DMARC1, p=reject", .noVersion),
    ("v=DMARC1; p=reject; p=none", .duplicate(tag: "p")),
    ("v=DMARC1; v=DMARC1; p=reject", .duplicate(tag: "v")),
    ("v=DMARC1; p=reject; rua=mailto:a@example.com; rua=mailto:b@example.com", .duplicate(tag: "rua")),
    ("v=DMARC1; p=reject;" + String(repeating: "x=1;", count: 70), .tooManyTags),
    ("v=DMARC1; p=reject; x=" + String(repeating: "y", count: 4096), .tooLong),
  ]

  @Test("DMARC-003: what doesn't begin with v=DMARC1, as it is written there, is no policy record", arguments: void)
  func voids(_ row: (text: String, fault: DMARCRecordFault)) {
    let octets = Array(row.text.utf8)
    #expect(throws: row.fault) { try DMARCRecord(octets) }
    #expect(DMARCRecord.isRecord(octets) == (row.fault != .noVersion))
    #expect(row.fault.description.utf8.count < 300)
  }

  static let uris: [(text: String, written: String?, mailbox: String?)] = [
    ("mailto:a@example.com", "mailto:a@example.com", "a@example.com"),
    ("MAILTO:a@example.com", "MAILTO:a@example.com", "a@example.com"),
    ("mailto:a@example.com!10m", "mailto:a@example.com", "a@example.com"),
    ("mailto:a@example.com!5", "mailto:a@example.com", "a@example.com"),
    ("mailto:a@example.com!50G", "mailto:a@example.com", "a@example.com"),
    ("mailto:a%21b@example.com", "mailto:a%21b@example.com", "a!b@example.com"),
    ("mailto:a@example.com?subject=x%20y", "mailto:a@example.com?subject=x%20y", "a@example.com"),
    ("mailto:%22a%20b%22@example.com", "mailto:%22a%20b%22@example.com", "\"a b\"@example.com"),
    ("https://example.com/r?x=1#y", "https://example.com/r?x=1#y", nil),
    ("mailto:a@example.com!", nil, nil),
    ("mailto:a@example.com!m", nil, nil),
    ("mailto:a!b@example.com", nil, nil),
    ("mailto:a@example.com!10x", nil, nil),
    ("mailto:", nil, nil),
    ("mailto:?to=a@example.com", nil, nil),
    ("mailto:a", nil, nil),
    ("mailto:a@example.com%2Cb@example.com", nil, nil),
    ("mailto:a%0D%0ABcc:b@example.com", nil, nil),
    ("mailto:a@exa mple.com", nil, nil),
    ("mailto:a%4", nil, nil),
    ("mailto:a%4g@example.com", nil, nil),
    ("mailto:a\u{7}@example.com", nil, nil),
    ("mailto:ä@example.com", nil, nil),
    (":a@example.com", nil, nil),
    ("1x:a@example.com", nil, nil),
    ("a@example.com", nil, nil),
    ("", nil, nil),
    ("mailto:" + String(repeating: "a", count: 2000) + "@example.com", nil, nil),
  ]

  @Test(
    "DMARC-004: an address for reports is a URI, a mailto: has one mailbox, an obsolete size is dropped",
    arguments: uris)
  func uri(_ row: (text: String, written: String?, mailbox: String?)) {
    let uri = DMARCReportURI(row.text)
    #expect(uri?.description == row.written)
    #expect(uri?.mailbox?.description == row.mailbox)
  }

  @Test("DMARC-004: no more addresses are kept than the bound says, and the record says so")
  func manyURIs() throws {
    let uris = (0..<40).map { "mailto:r\($0)@example.com" }.joined(separator: " , ")
    let record = try DMARCRecord(Array("v=DMARC1; p=none; rua=\(uris)".utf8))
    #expect(record.aggregateReports.count == DMARCRecord.maximumURIs)
    #expect(record.faults == [.tooManyURIs(tag: "rua")])
    let bad = try DMARCRecord(Array("v=DMARC1; p=none; ruf=\(String(repeating: ",", count: 3000))".utf8))
    #expect(bad.faults.count == DMARCRecord.maximumURIs + 1)
  }

  @Test("DMARC-003: a record cut off anywhere, or with any octet in it, is read or refused, and nothing else happens")
  func truncated() {
    for text in DMARCRecordTests.rows.map(\.text) + DMARCRecordTests.void.map(\.text).filter({ $0.utf8.count < 300 }) {
      let octets = Array(text.utf8)
      for end in octets.indices { _ = try? DMARCRecord(Array(octets[..<end])) }
      for place in octets.indices {
        for octet: UInt8 in [0, 9, 0x20, 0x21, 0x25, 0x2c, 0x3a, 0x3b, 0x3d, 0x80, 0xff] {
          var changed = octets
          changed[place] = octet
          let faults = (try? DMARCRecord(changed))?.faults ?? []
          #expect(faults.allSatisfy { fault in fault.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } })
        }
      }
    }
  }
}
