import MailAuthentication
import Testing

@Suite("Authentication-Results, read")
struct AuthenticationResultsReadingTests {
  struct Row: CustomTestStringConvertible, Sendable {
    let text: String
    var id = "example.org"
    var version: String?
    /// `method=result` and behind it `name=value` of each property.
    var results: [[String]] = []
    var reasons: [String?]?
    var testDescription: String { text }
  }

  /// The forms of RFC 8601 §B, and what is met beside them.
  static let rows: [Row] = [
    Row(text: "example.org 1; none", version: "1"),
    Row(text: "example.org; none"),
    Row(text: "example.org; none;"),
    Row(text: "example.org; spf=pass smtp.mailfrom=example.net", results: [["spf=pass", "smtp.mailfrom=example.net"]]),
    Row(
      text: "example.org; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net",
      results: [["auth=pass", "smtp.auth=sender@example.net"], ["spf=pass", "smtp.mailfrom=example.net"]]),
    Row(
      text: "foo.example (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
        + "  policy (A dot can go here) . (like that) expired\r\n  (this surprised me) = (as I wasn't expecting it)"
        + " 1362471462", id: "foo.example", version: "1", results: [["dkim=fail", "policy.expired=1362471462"]]),
    Row(
      text: "example.org; dkim=fail reason=\"bad \\\"x\\\" signature\" header.d=a.example",
      results: [["dkim=fail", "header.d=a.example"]], reasons: ["bad \"x\" signature"]),
    Row(text: "\"example.org\";spf=pass", results: [["spf=pass"]]),
    Row(text: "(a (b (c)) \\) ;) example.org (d) ; (e) SPF = PASS (f)", results: [["spf=pass"]]),
    Row(
      text: "example.org; dkim=pass header.b=AbC+/== header.i=\"a b\"@example.com; spf=none",
      results: [["dkim=pass", "header.b=AbC+/==", "header.i=a b@example.com"], ["spf=none"]]),
    Row(text: "bücher.example; none", id: "bücher.example"),
    Row(text: "EXAMPLE.org; x-vendor_1=strange", id: "EXAMPLE.org", results: [["x-vendor_1=strange"]]),
  ]

  @Test("AR-001: a field is read with its comments, quotation marks, versions and folds", arguments: rows)
  func reads(_ row: Row) throws {
    let reading = try AuthenticationResultsReading(Array(row.text.utf8))
    #expect(reading.authservID == row.id && reading.version == row.version)
    #expect(
      reading.results.map { ["\($0.method)=\($0.result)"] + $0.properties.map { "\($0.name)=\($0.value)" } }
        == row.results)
    if let reasons = row.reasons { #expect(reading.results.map(\.reason) == reasons) }
  }

  static let bad: [(text: String, fault: AuthenticationResultsFault)] = [
    ("", .noAuthservID),
    ("; none", .noAuthservID),
    ("(only)", .noAuthservID),
    ("example.org", .noResults),
    ("example.org;", .noResults),
    ("example.org; ; spf=pass", .unexpected(UInt8(ascii: ";"))),
    ("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=a.example; dkim=none", .unexpected(UInt8(ascii: "="))),
    ("example.org spf=pass", .unexpected(UInt8(ascii: "s"))),
    ("example.org; spf", .unexpected(nil)),
    ("example.org; spf=", .unexpected(nil)),
    ("example.org; spf=pass smtp", .unexpected(nil)),
    ("example.org; spf=pass smtp.mailfrom", .unexpected(nil)),
    ("example.org; spf=pass smtp.mailfrom=", .unexpected(nil)),
    ("example.org; spf=pass smtp.mailfrom=;", .unexpected(UInt8(ascii: ";"))),
    ("example.org; spf=pass reason=\"a", .unclosedQuote),
    ("\"example.org; spf=pass", .unclosedQuote),
    ("(example.org; spf=pass", .unclosedComment),
    ("example.org (\\", .unclosedComment),
    (String(repeating: "(", count: 17) + String(repeating: ")", count: 17) + "example.org; none", .commentsTooDeep),
    ("=?utf-8?q?example.org?=; none", .noAuthservID),
    ("example.org" + String(repeating: "; spf=pass", count: 65), .tooManyResults),
    ("example.org; spf=pass" + String(repeating: " a.b=c", count: 65), .tooManyResults),
    (String(repeating: "x", count: 17 << 10), .tooLong),
  ]

  @Test("AR-001: a field that breaks the grammar says where", arguments: bad)
  func refuses(_ row: (text: String, fault: AuthenticationResultsFault)) {
    #expect(throws: row.fault) { try AuthenticationResultsReading(Array(row.text.utf8)) }
    #expect(!row.fault.description.isEmpty)
  }

  @Test("AR-001: a field cut off anywhere, or with any octet in it, is read or refused, and nothing else happens")
  func truncated() {
    for text in Self.rows.map(\.text) + Self.bad.map(\.text).filter({ $0.utf8.count < 200 }) {
      let octets = Array(text.utf8)
      for end in octets.indices { _ = try? AuthenticationResultsReading(Array(octets[..<end])) }
      for place in octets.indices {
        for octet: UInt8 in [0, 9, 0x0a, 0x20, 0x22, 0x28, 0x29, 0x2e, 0x2f, 0x3b, 0x3d, 0x40, 0x5c, 0x80, 0xff] {
          var changed = octets
          changed[place] = octet
          _ = try? AuthenticationResultsReading(changed)
        }
      }
    }
  }
}
