import MailMessage
import MailSyntax
import NIOCore
import Testing

@testable import MailAuthentication

/// The same numbers for every run.
private struct FixedNumbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }
}

@Suite("Authentication-Results, written")
struct AuthenticationResultsFieldTests {
  static let own = "mx.example.org"

  /// What a reader finds in the field as it goes out, folded and unfolded again.
  static func read(_ field: HeaderField) throws -> AuthenticationResultsReading {
    let header = try MailFixture.section(field.bytes)
    #expect(header.fields.count == 1 && header.fields.first?.name == "authentication-results")
    let value = try #require(header.fields.first)
    return try AuthenticationResultsReading(header.unfoldedValue(of: value))
  }

  @Test("AR-003: the field says what was checked, in the words of RFC 8601")
  func text() throws {
    let field = AuthenticationResultsField(
      authservID: try DomainName(Self.own),
      results: [
        AuthenticationResult(
          .spf(.pass), properties: [.init(.reversePath, "a@example.com"), .init(.greeting, "mail.example.com")]),
        AuthenticationResult(
          .dkim(.fail), reason: "body hash differs",
          properties: [
            .init(.signingDomain, "example.com"), .init(.signingIdentity, "@example.com"),
            .init(.signatureStart, "AbC+/=="),
          ]),
        AuthenticationResult(
          .dmarc(.pass), properties: [.init(.authorDomain, "example.com"), .init(.dmarcPolicy, "reject")]),
        AuthenticationResult(.iprev(.pass), properties: [.init(.clientAddress, "2001:db8::1")]),
        AuthenticationResult(.auth(.pass), properties: [.init(.authenticatedUser, "anna lund")]),
        AuthenticationResult(.arc(.none)),
      ])
    #expect(
      field.value() == """
        mx.example.org; spf=pass smtp.mailfrom=a@example.com smtp.helo=mail.example.com; \
        dkim=fail reason="body hash differs" header.d=example.com header.i=@example.com header.b="AbC+/=="; \
        dmarc=pass header.from=example.com policy.dmarc=reject; iprev=pass policy.iprev="2001:db8::1"; \
        auth=pass smtp.auth="anna lund"; arc=none
        """)
    let lines = String(buffer: try field.field().bytes).split(separator: "\r\n")
    #expect(lines.count > 4 && lines.allSatisfy { $0.utf8.count <= HeaderField.preferredLineOctets })
  }

  @Test("AR-003: where nothing was checked the field says none")
  func none() throws {
    let field = AuthenticationResultsField(authservID: try DomainName(Self.own), results: [])
    #expect(field.value() == "mx.example.org; none")
    #expect(try AuthenticationResultsFieldTests.read(field.field()).results.isEmpty)
  }

  @Test("AR-003: a name of U-labels is written as A-labels")
  func internationalName() throws {
    let name = try DomainName("bücher.example")
    #expect(
      AuthenticationResultsField(authservID: name, results: [], converter: OneIDNA()).value().hasPrefix(
        "xn--bcher-kva.example;"))
    let unconverted = AuthenticationResultsField(authservID: name, results: [])
    #expect(try AuthenticationResultsFieldTests.read(unconverted.field()).authservID == "bücher.example")
  }

  @Test("AR-003: properties that aren't registered for a method are left out, and so is what passes a bound")
  func registered() throws {
    let all = AuthenticationResult.PropertyName.allCases.map { AuthenticationResult.Property($0, "x") }
    let spf = AuthenticationResult(.spf(.fail), properties: all)
    #expect(spf.properties.map(\.name) == [.reversePath, .greeting])
    #expect(AuthenticationResult(.arc(.pass), properties: all).properties.map(\.name) == [.oldestPass, .remoteAddress])
    let many = AuthenticationResult(.spf(.fail), properties: Array(repeating: .init(.greeting, "x"), count: 99))
    #expect(many.properties.count == AuthenticationResult.maximumProperties)
    let field = AuthenticationResultsField(
      authservID: try DomainName(Self.own), results: Array(repeating: many, count: 99))
    #expect(field.results.count == AuthenticationResultsField.maximumResults)
    for name in AuthenticationResult.PropertyName.allCases { #expect(!name.methods.isEmpty) }
  }

  static let hostile: [(value: String, written: String)] = [
    ("example.com; dkim=pass header.d=bank.example", #""example.com; dkim=pass header.d=bank.example""#),
    (
      "a\r\nAuthentication-Results: mx.example.org; dkim=pass",
      #""a??Authentication-Results: mx.example.org; dkim=pass""#
    ),
    ("a\" header.d=\"bank.example", #""a\" header.d=\"bank.example""#),
    ("a\\", #""a\\""#),
    ("a\\\"; dkim=pass", #""a\\\"; dkim=pass""#),
    ("(a", #""(a""#),
    ("a)", #""a)""#),
    ("", #""""#),
    ("a@b@c", #""a@b@c""#),
    ("a@b.example", "a@b.example"),
    ("@b.example", "@b.example"),
    ("a@", #""a@""#),
    ("a\u{0}b\u{7f}c\u{85}d\u{2028}e\tf", "\"a?b?c?d?e?f\""),
    ("ä", #""?""#),
    ("=?utf-8?q?=22=3B_dkim=3Dpass?=", #""=_utf-8?q?=22=3B_dkim=3Dpass?=""#),
    ("=\u{1}utf-8\u{1}q\u{1}x", #""=_utf-8?q?x""#),
    ("2001:db8::1", #""2001:db8::1""#),
  ]

  @Test("AR-003: what a peer says is a token or a quoted string of printable text", arguments: hostile)
  func quotes(_ row: (value: String, written: String)) throws {
    let result = AuthenticationResult(.spf(.fail), properties: [.init(.greeting, row.value)])
    let field = AuthenticationResultsField(authservID: try DomainName(Self.own), results: [result])
    #expect(field.value() == "mx.example.org; spf=fail smtp.helo=\(row.written)")
  }

  @Test("AR-003: UTF-8 is written where the message may have it, and nowhere else; what is long is cut and says so")
  func utf8() throws {
    let long = String(repeating: "ä", count: 1000)
    let result = AuthenticationResult(
      .spf(.fail), properties: [.init(.greeting, "ä\u{2029}b"), .init(.greeting, long)])
    let field = AuthenticationResultsField(authservID: try DomainName(Self.own), results: [result])
    let expected = "ä?b"
    #expect(
      try AuthenticationResultsFieldTests.read(field.field(allowsUTF8: true)).results[0].properties[0].value == expected
    )
    #expect(field.value().utf8.allSatisfy { $0 < 0x80 })
    let cut = try AuthenticationResultsFieldTests.read(field.field(allowsUTF8: true)).results[0].properties[1].value
    #expect(cut.hasSuffix("ä...") && cut.utf8.count == FieldText.maximumOctets + 3)
  }

  @Test("AR-003: whatever peers say, the field is read back with exactly the statements that were put in")
  func fuzz() throws {
    var random = FixedNumbers(state: 8601)
    let pieces = [
      "\r\n", "\n", "\r", "\"", "\\", "\\\"", ";", "; dkim=pass", " ", "   ", "\t", "(", ")", "=", "=?", "?=", "@", "a",
      "b.example",
      "mx.example.org", "\u{0}", "\u{7f}", "\u{85}", "\u{2028}", "ä", "e\u{301}", "👍🏽", "none", "reason=", ".", "/", ":",
      ",", "<", ">", "[", "]",
      "Authentication-Results:", String(repeating: "x", count: 70), String(repeating: "\\", count: 500),
      String(repeating: " ", count: 90),
    ]
    func text() -> String {
      (0..<Int.random(in: 0...8, using: &random)).reduce("") { text, _ in
        text + (pieces.randomElement(using: &random) ?? "")
      }
    }
    let own = try DomainName(Self.own)
    for _ in 0..<300 {
      var results: [AuthenticationResult] = []
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        let verdicts: [AuthenticationVerdict] = [
          .spf(.softfail), .dkim(.pass), .dmarc(.fail), .arc(.pass), .auth(.none), .iprev(.temperror),
        ]
        let properties = AuthenticationResult.PropertyName.allCases.shuffled(using: &random).map {
          AuthenticationResult.Property($0, text())
        }
        results.append(
          AuthenticationResult(
            verdicts.randomElement(using: &random) ?? .arc(.none), reason: Bool.random(using: &random) ? text() : nil,
            properties: properties))
      }
      let field = AuthenticationResultsField(authservID: own, results: results)
      for allowsUTF8 in [false, true] {
        let read = try AuthenticationResultsFieldTests.read(field.field(allowsUTF8: allowsUTF8))
        #expect(read.authservID == Self.own && read.version == nil)
        #expect(read.results.map(\.method) == results.map(\.verdict.method.rawValue))
        #expect(read.results.map(\.result) == results.map(\.verdict.result))
        #expect(
          read.results.map(\.reason)
            == results.map { $0.reason.map { FieldText.sanitised($0, allowsUTF8: allowsUTF8) } })
        #expect(read.results.map { $0.properties.map(\.name) } == results.map { $0.properties.map(\.name.rawValue) })
        #expect(
          read.results.map { $0.properties.map(\.value) }
            == results.map { $0.properties.map { FieldText.sanitised($0.value, allowsUTF8: allowsUTF8) } })
      }
    }
  }

  @Test("AR-002: put in front of a message the field stands first, above Received, and all others stay as they are")
  func order() throws {
    let text =
      "Received: by mx.example.org\r\nAuthentication-Results: other.example; none\r\nFrom: a@example.com\r\n\r\n"
    var bytes = try AuthenticationResultsField(authservID: try DomainName(Self.own), results: []).field().bytes
    bytes.writeString(text)
    let header = try MailFixture.section(bytes)
    #expect(header.fields.map(\.name) == ["authentication-results", "received", "authentication-results", "from"])
    #expect(String(buffer: header.bytes).hasSuffix(text))
  }

  @Test("AR-003, DMARC-006: what DMARC came to is stated with the domain and the policy that decided")
  func dmarc() async throws {
    let zone = try AskedZone(["example.com": ["v=DMARC1; p=reject; sp=quarantine; t=y"]])
    func state(_ from: String) async throws -> String {
      let outcome = try await zone.evaluate(from: from, DMARCInput(spf: nil, dkim: []))
      return AuthenticationResultsField(authservID: try DomainName(Self.own), results: [AuthenticationResult(outcome)])
        .value()
    }
    #expect(
      try await state("a@example.com") == "mx.example.org; dmarc=fail header.from=example.com policy.dmarc=quarantine")
    #expect(
      try await state("a@a.example.com") == "mx.example.org; dmarc=fail header.from=a.example.com policy.dmarc=none")
    #expect(try await state("a@example.net") == "mx.example.org; dmarc=none header.from=example.net")
    #expect(
      try await state("nobody:;") == "mx.example.org; dmarc=permerror reason=\"the From field names no domain\"")
  }
}
