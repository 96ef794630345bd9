import MailMessage
import MailSyntax
import Testing

@Suite struct MessageDateTests {
  static let written: [(Int64, String)] = [
    (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
    (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
    (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"),
    (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
    (1_795_347_721, "Sun, 22 Nov 2026 11:42:01 +0000"),
    (-2_208_988_800, "Mon, 1 Jan 1900 00:00:00 +0000"),
    (9_214_646_400, "Wed, 1 Jan 2262 00:00:00 +0000"),
  ]

  @Test("dates are written with four-digit year and numeric zone (SMTP-044)", arguments: written)
  func writes(_ seconds: Int64, _ expected: String) {
    #expect(MessageDate.format(UTCInstant(seconds: seconds)) == expected)
  }

  @Test("every date written is read back")
  func readsItsOwn() throws {
    var seconds: Int64 = -2_200_000_000
    while seconds < 9_000_000_000 {
      #expect(try MessageDate.parse(MessageDate.format(UTCInstant(seconds: seconds))).seconds == seconds)
      seconds += 7_654_321
    }
  }

  static let read: [(String, Int64)] = [
    ("Sun, 22 Nov 2026 12:42:01 +0100", 1_795_347_721),
    ("22 Nov 2026 11:42:01 -0000", 1_795_347_721),
    ("sun , 22 nov 2026 11 : 42 : 01 GMT (Universal)", 1_795_347_721),
    ("Sun, 22 Nov 26 06:42:01 EST", 1_795_347_721),
    ("Sun, 22 Nov 2026 11:42", 1_795_347_680 - 20 + 60),
    ("1 Jan 70 00:00:00 Z", 0),
    ("1 Jan 099 00:00:00 +0000", 915_148_800),
    ("31 Dec 1998 23:59:60 +0000", 915_148_800),
  ]

  @Test("obsolete years, zone names and comments are read", arguments: read)
  func reads(_ value: String, _ seconds: Int64) throws {
    #expect(try MessageDate.parse(value).seconds == seconds)
  }

  @Test(
    "what is no date is refused",
    arguments: [
      "", "now", "2026-11-22T11:42:01Z", "Sun, 31 Nov 2026 11:42:01 +0000", "Sun, 29 Feb 2100 00:00:00 +0000",
      "Sun, 0 Nov 2026 11:42:01 +0000", "Sun, 22 Nov 2026 24:00:00 +0000", "Sun, 22 Nov 2026 11:60:00 +0000",
      "Sun, 22 Nov 2026 11:42:61 +0000", "Sun, 22 Nov 2026 11:42:01 +00000", "Sun, 22 Nov 2026 11:42:01 +0060",
      "Xyz, 22 Nov 2026 11:42:01 +0000", "Sun, 22 Nov 9999 11:42:01 +0000", "Sun, 22 Nov 2026 11:42:01 +0000 extra",
      "Sun, 22 Nov 2026 11:42:", ",", "22", "22 Nov 2026 11:42:01 +", "22 Nov 99999999999999999999 11:42 Z",
    ])
  func refuses(_ value: String) {
    #expect(throws: FieldSyntaxError.self) { try MessageDate.parse(value) }
  }
}
