import Testing

@testable import Configuration

@Suite("Spelling")
struct SpellingTests {
  @Test(
    "the distance counts changed, added, dropped and swapped letters",
    arguments: [
      ("", "", 0), ("a", "", 1), ("", "abc", 3), ("retry", "retry", 0), ("rerty", "retry", 1), ("retri", "retry", 1),
      ("retrys", "retry", 1), ("kitten", "sitting", 3), ("ca", "abc", 3),
    ])
  func distance(_ left: String, _ right: String, _ expected: Int) {
    #expect(Spelling.distance(Array(left.utf8), Array(right.utf8)) == expected)
    #expect(Spelling.distance(Array(right.utf8), Array(left.utf8)) == expected)
  }

  @Test(
    "the nearest word is found, and none where all are far",
    arguments: [
      ("hostnam", "hostname"), ("host_name", "hostname"), ("HostName", "hostname"), ("lisen", "listen"),
      ("quue", "queue"), ("zebra", nil), ("x", nil), ("", nil),
    ])
  func nearest(_ word: String, _ expected: String?) {
    #expect(Spelling.nearest(to: word, among: ["hostname", "listen", "queue"]) == expected)
  }
}
