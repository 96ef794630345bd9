import DNSRecords
import MailSyntax
import NIOCore
import SMTPGrammar
import Testing

@testable import Relay

@Suite("A list in the DNS")
struct DNSListTests {
  private static let counted = ["127.0.0.2-127.0.0.11", "127.0.1.4"]

  private func list(_ answers: [String] = []) throws -> DNSList {
    DNSList(
      zone: try DomainName("list.example"),
      answers: try answers.map { text in
        let ends = try text.split(separator: "-").map { try #require(IPAddress($0)) }
        return try #require(DNSList.AnswerRange(ends[0], ends[ends.count - 1]))
      })
  }

  @Test("RFC 5782 §2.1 and §2.4: octets and nibbles are asked for in reverse order, under the zone")
  func question() throws {
    let rows = [
      ("192.0.2.99", "99.2.0.192.list.example"), ("127.0.0.2", "2.0.0.127.list.example"),
      (
        "2001:db8:1:2:3:4:567:89ab",
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.list.example"
      ),
      (
        "::ffff:7f00:2", "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.list.example"
      ),
    ]
    for (address, name) in rows {
      #expect(try list().question(about: #require(IPAddress(address)))?.description == name)
    }
  }

  @Test("the longest zone that is taken has room for an address in front, and one octet more is no name")
  func longZone() throws {
    func zone(_ octets: Int) throws -> DNSList {
      let label = String(repeating: "a", count: 62) + "."
      return DNSList(zone: try DomainName(String(String(repeating: label, count: 5).prefix(octets - 1)) + "b"))
    }
    let address = IPAddress.v6(high: 1, low: 2)
    #expect(try zone(DNSList.maximumZoneOctets).question(about: address)?.description.utf8.count == 253)
    #expect(try zone(192).question(about: address) == nil)
  }

  @Test(
    "which answers list an address",
    arguments: [
      (["127.0.0.2"], [], "127.0.0.2"), (["127.0.0.1"], [], nil), (["127.0.0.1", "127.0.0.4"], [], "127.0.0.4"),
      (["127.9.9.9"], [], "127.9.9.9"), (["192.0.2.1"], [], nil), (["128.0.0.2"], [], nil),
      (["127.0.0.11"], counted, "127.0.0.11"), (["127.0.0.12"], counted, nil), (["127.0.1.4"], counted, "127.0.1.4"),
      (["127.0.0.12", "127.0.0.9", "127.0.0.3"], counted, "127.0.0.3"), (["127.255.254.255"], [], "127.255.254.255"),
    ] as [([String], [String], String?)])
  func listing(_ answers: [String], _ ranges: [String], _ listed: String?) throws {
    let set = DNSRecordSet(
      records: try answers.map { try #require(IPAddress($0)) }, canonicalName: try DomainName("x.example"),
      security: .insecure, timeToLive: .seconds(1))
    let expected = try listed.map { DNSList.Finding.listed(try #require(IPAddress($0))) } ?? .notListed
    #expect(try list(ranges).finding(in: .records(set)) == expected)
  }

  @Test("what a list says of itself lists nobody, whatever else it says; and neither does the absence of an answer")
  func noListing() throws {
    let list = try list()
    for octet in [0, 1, 252, 254, 255] as [UInt32] {
      let set = DNSRecordSet(
        records: [IPAddress.v4(0x7f00_0002), .v4(0x7fff_ff00 | octet)], canonicalName: list.zone, security: .insecure,
        timeToLive: .seconds(1))
      guard case .declined(let reason) = list.finding(in: .records(set)) else {
        Issue.record("127.255.255.\(octet) was taken for an answer")
        continue
      }
      #expect(reason.contains("127.255.255.\(octet)"))
    }
    #expect(list.finding(in: .none(.insecure)) == .notListed)
    #expect(list.finding(in: .noSuchName(.secure)) == .notListed)
    #expect(list.finding(in: .failed(reason: "SERVFAIL")) == .unanswered("SERVFAIL"))
    #expect(list.finding(in: .bogus(reason: "forged")) == .unanswered("forged"))
  }

  @Test("a range the wrong way round, or outside of 127.0.0.0/8, is none")
  func ranges() {
    #expect(DNSList.AnswerRange(.v4(0x7f00_0003), .v4(0x7f00_0002)) == nil)
    #expect(DNSList.AnswerRange(.v4(0x7e00_0003), .v4(0x7f00_0002)) == nil)
    #expect(DNSList.AnswerRange(.v4(0x7f00_0003), .v4(0x8000_0002)) == nil)
    #expect(DNSList.AnswerRange(.v6(high: 0, low: 1), .v6(high: 0, low: 1)) == nil)
    #expect(DNSList.AnswerRange(.v4(0x7f00_0002), .v4(0x7f00_000b))?.description == "127.0.0.2-127.0.0.11")
  }

  @Test(
    "a reason is one line of printable ASCII, bounded",
    arguments: [
      ("See https://list.example/?ip=192.0.2.1", "See https://list.example/?ip=192.0.2.1"),
      ("one\r\n250 two\u{0}\u{7f}\tthree", "one 250 two three"), ("  gr\u{fc}n  ", "gr n"), ("\r\n", nil), ("", nil),
    ] as [(String, String?)])
  func reason(_ text: String, _ expected: String?) {
    #expect(DNSListReason.text([Array(text.utf8)]) == expected)
  }

  @Test("RFC 5321 §4.5.3.1.5: with the longest name, address and reason a refusal is a line of 512 octets at most")
  func longestRefusal() throws {
    let reason = try #require(DNSListReason.text([[UInt8](repeating: 120, count: 100_000)]))
    #expect(reason.utf8.count == DNSListReason.maximumOctets)
    let zone = try DomainName(String(repeating: "a23456789.", count: 18) + "a23456789")
    #expect(zone.description.utf8.count == DNSList.maximumZoneOctets)
    let address = IPAddress.v6(high: .max, low: .max)
    var verdict = DNSListVerdict()
    verdict.listings = [.init(list: DNSList(zone: zone), answer: .v4(0x7f00_0002), reason: reason)]
    let refusal = try #require(verdict.refusal(of: address))
    #expect(refusal.encoded.readableBytes <= 512)
    #expect(refusal.description.hasPrefix("550 5.7.1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff is listed by a2345"))
  }

  // MARK: RFC 5782 §5

  @Test(
    "a list is gone by for the families whose test entries are as they must be",
    arguments: [
      (["2.0.0.127"], [.v4], nil), (["2.0.0.127", Self.six + "2"], [.v4, .v6], nil), ([Self.six + "2"], [.v6], nil),
      ([], [], .listsNobody), (["1.0.0.127"], [], .listsEverybody), (["1.0.0.127", "2.0.0.127"], [], .listsEverybody),
      (["2.0.0.127", Self.six + "1"], [], .listsEverybody),
    ] as [([String], Set<AddressFamily>, DNSListFault?)])
  func proof(_ entries: [String], _ families: Set<AddressFamily>, _ fault: DNSListFault?) async throws {
    var zone = ZoneResolver()
    for entry in entries {
      let name = entry.hasPrefix(Self.six) ? Self.sixName(entry) : entry
      zone.add(try DomainName("\(name).list.example"), at: [.v4(0x7f00_0002)])
    }
    // Which answers refuse mail plays no part.
    let standing = await DNSListProof.run(of: try list(["127.0.0.10"])) { await zone.addresses(of: $0, family: .v4) }
    #expect(standing == .init(families: families, fault: fault))
  }

  @Test("a list that answers 127.255.255.254 or not at all is not gone by, and both are named")
  func refusingProof() async throws {
    let list = try list()
    let set = DNSRecordSet(
      records: [IPAddress.v4(0x7fff_fffe)], canonicalName: list.zone, security: .insecure, timeToLive: .seconds(1))
    guard case .declines? = await DNSListProof.run(of: list, asking: { _ in .records(set) }).fault else {
      Issue.record("a list that refuses is gone by")
      return
    }
    let silent = await DNSListProof.run(of: list) { _ in .failed(reason: "SERVFAIL") }
    #expect(silent.families.isEmpty && silent.fault == .silent("SERVFAIL"))
  }

  private static let six = "six-"
  private static func sixName(_ entry: String) -> String {
    entry.suffix(1) + ".0.0.0.0.0.f.7.f.f.f.f" + String(repeating: ".0", count: 20)
  }
}
