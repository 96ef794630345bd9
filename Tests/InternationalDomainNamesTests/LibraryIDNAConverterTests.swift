import InternationalDomainNames
import MailSyntax
import Testing

@Suite("A-labels by libidn2")
struct LibraryIDNAConverterTests {
  private let converter = LibraryIDNAConverter()

  @Test(
    "U-labels become A-labels, label by label, and what is ASCII stays",
    arguments: [
      ("bücher.example", "xn--bcher-kva.example"), ("BÜCHER.Example", "xn--bcher-kva.example"),
      ("straße.example", "xn--strae-oqa.example"), ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
      ("_mta-sts.bücher.example", "_mta-sts.xn--bcher-kva.example"), ("Mail.Example", "Mail.Example"),
      ("bu\u{308}cher.example", "xn--bcher-kva.example"),
    ])
  func converted(_ name: String, _ form: String) throws {
    #expect(converter.asciiForm(of: try DomainName(name))?.description == form)
  }

  /// RFC 5891 §4.2: unassigned code points, a label that begins with a combining mark, one that is too long as an
  /// A-label.
  @Test(
    "a name without an A-label has none",
    arguments: [
      "\u{308}a.example", "a\u{200D}b.example", "\u{10FFFD}.example",
      String(repeating: "a", count: 60) + "ü.example",
    ])
  func refused(_ name: String) throws {
    #expect(converter.asciiForm(of: try DomainName(name)) == nil)
  }
}
