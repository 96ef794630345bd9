import MailSyntax
import Testing

@Suite("String.cut")
struct StringCutTests {
  @Test("what fits stays; what doesn't ends in an ellipsis, within the bound, with whole characters")
  func cut() {
    #expect("short".cut(toOctets: 5) == "short")
    #expect("longer".cut(toOctets: 5) == "lo…")
    for limit in 0...20 {
      let cut = "aé日👩‍👩‍👧 end".cut(toOctets: limit)
      #expect(cut.utf8.count <= max(limit, 3))
      #expect("aé日👩‍👩‍👧 end".hasPrefix(cut.dropLast(cut.hasSuffix("…") ? 1 : 0)))
    }
  }
}
