import MailSyntax
import Testing

@testable import MailAuthentication

@Suite("SPF records")
struct SPFRecordTests {
  @Test(
    "SPF-003: a record is what begins with its version and a space, or is nothing but it",
    arguments: [
      ("v=spf1", true), ("V=SPF1", true), ("v=spf1 -all", true), ("v=spf1  ", true), ("v=spf10 -all", false),
      ("v=spf1-all", false), (" v=spf1", false), ("v=spf", false), ("", false), ("spf2.0/pra -all", false),
    ])
  func selection(_ text: String, _ isOne: Bool) {
    #expect(SPFRecord.isOne(text.utf8) == isOne)
  }

  @Test("each kind of term is read, in any case of letters")
  func terms() throws {
    let record = try SPFRecord(
      "v=spf1 a MX:mail.%{d}/24 ~include:_spf.%{d2} ?ip4:192.0.2.0/24 ip6:2001:db8::/32 -exists:%{l}.x.org PTR -ALL exp=e.org redirect=r.org x-y.z=%{s}"
        .utf8)
    let lengths = record.directives.compactMap { directive -> SPFRecord.PrefixLengths? in
      switch directive.mechanism {
      case .addresses(_, let lengths), .exchangers(_, let lengths): lengths
      case .all, .include, .pointer, .network, .exists: nil
      }
    }
    #expect(lengths == [.whole, SPFRecord.PrefixLengths(v4: 24, v6: 128)])
    #expect(record.directives.map(\.qualifier) == [.pass, .pass, .softfail, .neutral, .pass, .fail, .pass, .fail])
    #expect(record.directives[3].mechanism == .network(try #require(IPNetwork("192.0.2.0/24"))))
    #expect(record.redirect?.description == "r.org" && record.explanation?.description == "e.org")
  }

  @Test(
    "a name's own slash and each length are told apart",
    arguments: [
      ("a/24", 24, 128), ("a//64", 32, 64), ("a/0//0", 0, 0), ("a:x.org/8//16", 8, 16), ("a:x.org", 32, 128),
    ])
  func lengths(_ term: String, _ v4: Int, _ v6: Int) throws {
    guard case .addresses(_, let lengths) = try SPFRecord("v=spf1 \(term)".utf8).directives[0].mechanism else {
      Issue.record("no addresses")
      return
    }
    #expect(lengths == SPFRecord.PrefixLengths(v4: v4, v6: v6))
  }

  @Test(
    "SPF-005: what breaks the grammar anywhere breaks the whole record, and the fault names the term",
    arguments: [
      "all/8", "all:x.org", "a/33", "a//129", "a/", "a/08", "a:", "a:/24", "a:x", "a:x.123", "a:x.-y", "a:x.org/ab",
      "mx/24/64", "include", "include:", "include/24", "exists", "ip4", "ip4:", "ip4:1.2.3", "ip4:1.2.3.4/33",
      "ip4:1.2.3.4/032", "ip4:1.2.3.4//32", "ip4:2001:db8::", "ip6:192.0.2.1", "ip6:2001:db8::/129", "ptr:", "moo",
      "moo:x.org", "=x", "1x=y", "redirect=", "redirect=x", "redirect=a.org redirect=b.org", "exp=",
      "exp=a.org exp=b.org", "a:%", "a:%{", "a:%{d", "a:%{}", "a:%{q}", "a:%{c}", "a:%{r}", "a:%{t}", "a:%{d0}.org",
      "a:%{dr2}.org", "a:%{d*}.org", "a:%x.org", "x=%{q}", "++all", "+", "-", "a:b c.org\u{e9}", "a:x\u{1}.org",
    ])
  func faults(_ terms: String) {
    let fault = #expect(throws: SPFRecordFault.self, "\(terms)") { try SPFRecord("v=spf1 ip4:192.0.2.1 \(terms)".utf8) }
    #expect((fault?.description.utf8.count ?? 0) < 200)
  }

  @Test(
    "a fault is one short line, whatever the record is made of",
    arguments: ["a:\u{1}\r\nx.org", "\u{1b}[2J", "a:%{\u{7}}.org", "a:%{d1\u{8}}.org", "a:%{d0\t}.org", "a\u{7f}"])
  func words(_ term: String) throws {
    let long = "a:%{d\(String(repeating: "x", count: 9_000))}"
    for term in [term, long, "a:%{\(long)}"] {
      let fault = try #require(throws: SPFRecordFault.self) { try SPFRecord("v=spf1 \(term)".utf8) }
      #expect("\(fault)" == FieldText.sanitised("\(fault)", allowsUTF8: true) && "\(fault)".utf8.count < 300)
    }
  }

  @Test("no record is longer than its bounds")
  func bounds() {
    let many = "v=spf1" + String(repeating: " a", count: SPFRecord.maximumTerms + 1)
    #expect(throws: SPFRecordFault.self) { try SPFRecord(many.utf8) }
    let long = "v=spf1 x=" + String(repeating: "y", count: SPFRecord.maximumOctets)
    #expect(throws: SPFRecordFault.self) { try SPFRecord(long.utf8) }
    #expect(throws: Never.self) { try SPFRecord(("v=spf1" + String(repeating: " a", count: 1_000)).utf8) }
  }

  @Test("whatever a record is made of, it is read or refused")
  func garbage() {
    var state: UInt64 = 7
    let pieces = [
      "v=spf1", " ", "a", "mx", ":", "/", "//", "24", "%{", "}", "d", "r", "%", "=", "redirect", "exp", ".org", "-",
      "all", "\u{7f}",
    ]
    for _ in 0..<20_000 {
      var text = "v=spf1 "
      for _ in 0..<8 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text += pieces[Int(state >> 33) % pieces.count]
      }
      _ = try? SPFRecord(text.utf8)
    }
  }
}

@Suite("SPF macros")
struct SPFMacroTests {
  /// RFC 7208 §7.4.
  private func values(_ address: String = "192.0.2.3", localPart: String = "strong-bad") throws -> SPFMacroValues {
    SPFMacroValues(
      localPart: localPart, senderDomain: "email.example.com", domain: "email.example.com", helo: "mx.example.com",
      address: try #require(IPAddress(address)), receiver: "receiver.example", now: UTCInstant(seconds: 1_111))
  }

  @Test(
    "the examples of RFC 7208 come out as they stand there",
    arguments: [
      ("%{s}", "strong-bad@email.example.com"), ("%{o}", "email.example.com"), ("%{d}", "email.example.com"),
      ("%{d4}", "email.example.com"), ("%{d3}", "email.example.com"), ("%{d2}", "example.com"), ("%{d1}", "com"),
      ("%{dr}", "com.example.email"), ("%{d2r}", "example.email"), ("%{l}", "strong-bad"), ("%{l-}", "strong.bad"),
      ("%{lr}", "strong-bad"), ("%{lr-}", "bad.strong"), ("%{l1r-}", "strong"),
      ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
      ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
      ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
      ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
      ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
      ("%{h}", "mx.example.com"), ("%%%_%-", "% %20"), ("%{L}%{S}", "strong-badstrong-bad%40email.example.com"),
      ("%{d99999999999999999999}", "email.example.com"),
    ])
  func expansions(_ text: String, _ expanded: String) throws {
    #expect(try SPFMacroString(text, .terms, of: text).expanded(try values()) == expanded)
  }

  @Test("an IPv6 address is its thirty-two digits, and explanations have letters of their own")
  func others() throws {
    let six = try values("2001:db8::cb01")
    #expect(
      try SPFMacroString("%{ir}.%{v}._spf.%{d2}", .terms, of: "").expanded(six)
        == "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com")
    #expect(
      try SPFMacroString("%{c} %{r} %{t}", .explanation, of: "").expanded(six) == "2001:db8::cb01 receiver.example 1111"
    )
    #expect(try SPFMacroString("%{p}", .terms, of: "").expanded(six) == "unknown")
  }

  @Test("a name that is too long loses labels from the left, and no more than it must")
  func truncation() throws {
    let long = try values(localPart: Array(repeating: "abcdefghi", count: 30).joined(separator: "."))
    let name = try SPFMacroString("%{l}.%{d}", .terms, of: "").expandedName(long)
    #expect(name.utf8.count <= 253 && name.utf8.count > 253 - 10 && name.hasSuffix(".abcdefghi.email.example.com"))
  }
}
