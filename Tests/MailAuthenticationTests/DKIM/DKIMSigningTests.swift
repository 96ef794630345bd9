import DNSRecords
import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore
import Testing

@Suite("Signing and verifying by DKIM")
struct DKIMSigningTests {
  private let letter = SampleMessage(
    """
    Received: from somewhere
    From: Joe <joe@example.org>
    To: sue@example.net
    Subject: Your invoice
    List-Id: <news.example.org>

    Dear Sue,

    .. two dots, and \t white  space \u{20}
    .


    """)

  @Test(
    "DKIM-003, DKIM-005, DKIM-008: two keys make two fields, above all others, and both verify",
    arguments: [1, 3, 1 << 20])
  func dual(_ piece: Int) async throws {
    let keys = SampleKey.shared
    let signed = try letter.signed(try keys.map { try $0.signing }, piece: piece)
    let outcomes = try await signed.outcomes(keys.map(\.zone).joined())
    #expect(outcomes.map(\.result) == [.pass, .pass], "\(outcomes.map(\.reason))")
    #expect(signed.header.hasPrefix("DKIM-Signature: v=1; a=rsa-sha256;"))
    #expect(signed.header.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 78 })
    #expect(signed.header.hasSuffix(letter.header))
  }

  @Test(
    "DKIM-004: each canonicalization of header and body signs and verifies", arguments: DKIMCanonicalization.allCases,
    DKIMCanonicalization.allCases)
  func canonicalizations(_ header: DKIMCanonicalization, _ body: DKIMCanonicalization) async throws {
    let key = try SampleKey.of(.ed25519)
    var signing = try key.signing
    (signing.headerCanonicalization, signing.bodyCanonicalization) = (header, body)
    for text in ["", "x", "x\r\n", "\r\n\r\n", "a  b \r\n"] {
      let signed = try SampleMessage(header: letter.header, body: text).signed([signing])
      #expect(try await signed.outcomes(key.zone).map(\.result) == [.pass])
      let spaced = SampleMessage(
        header: signed.header.replacing("Your invoice", with: "Your  invoice"), body: signed.body)
      #expect(try await spaced.outcomes(key.zone).map(\.result) == [header == .relaxed ? .pass : .fail])
    }
  }

  @Test(
    "DKIM-005: a second field of those that a reader sees breaks the signature; one that lists add does not",
    arguments: [
      ("From: Mallory <m@example.org>\r\n", DKIMResult.fail), ("Subject: Pay\r\n", .fail), ("To: all\r\n", .fail),
      ("Cc: all\r\n", .fail),
      ("Reply-To: m@example.com\r\n", .fail), ("Content-Type: text/html\r\n", .fail), ("Date: now\r\n", .fail),
      ("List-Unsubscribe: <mailto:x>\r\n", .pass), ("Received: by next\r\n", .pass), ("X-Spam: no\r\n", .pass),
    ])
  func added(_ field: String, _ result: DKIMResult) async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try letter.signed([try key.signing])
    for header in [field + signed.header, signed.header + field] {
      let outcomes = try await SampleMessage(header: header, body: signed.body).outcomes(key.zone)
      #expect(outcomes.map(\.result) == [result])
    }
  }

  @Test("DKIM-007: a leading dot is signed as it stands in the message")
  func dots() async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try letter.signed([try key.signing])
    let stuffed = SampleMessage(header: signed.header, body: signed.body.replacing("\r\n.", with: "\r\n.."))
    #expect(try await signed.outcomes(key.zone).map(\.result) == [.pass])
    #expect(try await stuffed.outcomes(key.zone).map(\.result) == [.fail])
  }

  @Test("DKIM-014: a signature holds for its time and no longer")
  func expiry() async throws {
    let key = try SampleKey.of(.ed25519)
    var signing = try key.signing
    signing.lifetime = .seconds(3_600)
    let signed = try letter.signed([signing], at: UTCInstant(seconds: 1_000))
    #expect(try await signed.outcomes(key.zone, at: UTCInstant(seconds: 4_600)).map(\.result) == [.pass])
    #expect(try await signed.outcomes(key.zone, at: UTCInstant(seconds: 4_601)).map(\.result) == [.fail])
    let endless = try letter.signed([try key.signing])
    #expect(!endless.header.contains("x="))
  }

  @Test("DKIM-001: rsa-sha1 is not gone by, whatever it says, and no key is looked up for it")
  func sha1() async throws {
    let signed = try letter.signed([try SampleKey.of(.rsa).signing])
    let old = SampleMessage(header: signed.header.replacing("rsa-sha256", with: "rsa-sha1"), body: signed.body)
    let outcome = try #require(try await old.outcomes("", failing: ["r1._domainkey.example.org"]).first)
    #expect(outcome.result == .policy && outcome.reason.contains("rsa-sha1"))
  }

  @Test("DKIM-009: a signature of a part of the body vouches for no message that has more")
  func limited() async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try SampleMessage(header: letter.header, body: "x\r\n").signed([try key.signing])
    let limited = signed.header.replacing("t=1500000000;", with: "t=1500000000; l=3;")
    // The tag is signed too: this shows only that it is read; the next that it is heeded.
    #expect(try await SampleMessage(header: limited, body: "x\r\n").outcomes(key.zone).map(\.result) == [.fail])
    let outcomes = try await DKIMSigningTests.withLimit(key, letter.header)
    #expect(outcomes.map(\.result) == [.pass, .policy])
    #expect(outcomes[1].reason == "l=3 leaves 9 octets unsigned")
  }

  @Test("DKIM-009: l= counts no more octets than the body has", arguments: [(2, DKIMResult.pass), (3, .permerror)])
  func overlong(_ limit: Int, _ result: DKIMResult) async throws {
    let key = try SampleKey.of(.ed25519)
    let message = SampleMessage(header: letter.header, body: "\r\n")
    let signed = try ForeignSigner(key: key.key, selector: key.selector).signed(message, " l=\(limit);")
    let outcome = try #require(try await signed.outcomes(key.zone).first)
    #expect(outcome.result == result && (result == .pass || outcome.reason == "l=3 is more than the body's 2 octets"))
  }

  /// We sign nothing with `l=`: so it stands in the header's sample field, and the hash is made over what it counts.
  private static func withLimit(_ key: SampleKey, _ header: String) async throws -> [DKIMOutcome] {
    let message = SampleMessage(header: header, body: "x\r\n")
    let signed = try ForeignSigner(key: key.key, selector: key.selector).signed(message, " l=3;")
    let more = SampleMessage(header: signed.header, body: "x\r\nbuy now\r\n")
    return [try await signed.outcomes(key.zone)[0], try await more.outcomes(key.zone)[0]]
  }

  @Test(
    "DKIM-010, DKIM-013: each thing that can be wrong with a key is told apart",
    arguments: [
      ("", [], DKIMResult.permerror, "does not exist"),
      ("e1._domainkey.example.org A 192.0.2.1\n", [], .permerror, "has no TXT record"),
      ("e1._domainkey.example.org TXT hello\n", [], .permerror, "is no key"),
      ("e1._domainkey.example.org TXT \"v=DKIM1; k=ed25519; p=\"\n", [], .permerror, "revoked"),
      ("e1._domainkey.example.org TXT \"v=DKIM1; k=rsa; p=QUJD\"\n", [], .permerror, "is of rsa"),
      ("e1._domainkey.example.org TXT \"k=ed25519; h=sha1; p=QUJD\"\n", [], .permerror, "not for sha256"),
      ("e1._domainkey.example.org TXT \"k=ed25519; p=QUJD\"\n", [], .permerror, "no Ed25519 key"),
      (
        "e1._domainkey.example.org TXT \"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n", [], .fail,
        "another key"
      ),
      ("", ["e1._domainkey.example.org"], .temperror, "can't be had"),
    ] as [(String, [String], DKIMResult, String)])
  func keys(_ zone: String, _ failing: [String], _ result: DKIMResult, _ words: String) async throws {
    let signed = try letter.signed([try SampleKey.of(.ed25519).signing])
    let outcome = try #require(try await signed.outcomes(zone, failing: failing).first)
    #expect(outcome.result == result && outcome.reason.contains(words), "\(outcome.result): \(outcome.reason)")
    #expect(outcome.steps.last?.text.hasSuffix(": \(result.rawValue)") == true)
  }

  @Test("DKIM-010: of several records one may be a key, and not two")
  func severalRecords() async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try letter.signed([try key.signing])
    let name = "e1._domainkey.example.org"
    #expect(try await signed.outcomes("\(name) TXT hello\n" + key.zone).map(\.result) == [.pass])
    #expect(
      try await signed.outcomes(key.zone + SampleKey.zone(key.key.record + "; n=x", at: name)).map(\.result) == [
        .permerror
      ])
  }

  @Test("DKIM-010: t=y on what fails is said, and it is a failure as every other")
  func testing() async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try letter.signed([try key.signing])
    let zone = SampleKey.zone(key.key.record + "; t=y", at: "e1._domainkey.example.org")
    let broken = SampleMessage(header: signed.header.replacing("t=1500000000", with: "t=1500000001"), body: signed.body)
    let outcome = try #require(try await broken.outcomes(zone).first)
    #expect(outcome.result == .fail && outcome.isTesting)
  }

  @Test("DKIM-010: t=y says that the domain tries it out, and is said; t=s forbids i= below the domain")
  func flags() async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try letter.signed([try key.signing])
    let zone = SampleKey.zone(key.key.record + "; t=y:s", at: "e1._domainkey.example.org")
    #expect(try await signed.outcomes(zone).map { [$0.result == .pass, $0.isTesting] } == [[true, true]])
    let below = SampleMessage(
      header: signed.header.replacing("d=example.org;", with: "d=example.org; i=@a.example.org;"), body: signed.body)
    #expect(try await below.outcomes(zone).map(\.result) == [.permerror])
    #expect(try await below.outcomes(key.zone).map(\.result) == [.fail])
  }

  @Test("signatures are judged each for itself, and of a flood only so many are looked at")
  func flood() async throws {
    let key = try SampleKey.of(.ed25519)
    let signed = try letter.signed([try key.signing])
    let field = signed.header.dropLast(letter.header.count)
    let broken = "DKIM-Signature: v=1\r\n" + field.replacing("t=1500000000", with: "t=1500000001")
    let mixed = SampleMessage(header: broken + signed.header, body: signed.body)
    #expect(try await mixed.outcomes(key.zone).map(\.result) == [.neutral, .fail, .pass])
    let flood = SampleMessage(header: String(repeating: String(field), count: 30) + letter.header, body: signed.body)
    let outcomes = try await flood.outcomes(key.zone)
    #expect(outcomes.map(\.result) == Array(repeating: .pass, count: DKIMVerifier.maximumSignatures) + [.policy])
    #expect(outcomes.last?.reason == "20 more signatures are not looked at")
  }

  @Test("DKIM-011: a signature without From is none")
  func withoutFrom() async throws {
    let signed = try letter.signed([try SampleKey.of(.ed25519).signing])
    let other = SampleMessage(header: signed.header.replacing("from:", with: "x:"), body: signed.body)
    let outcome = try #require(try await other.outcomes("").first)
    #expect(outcome.result == .permerror && outcome.reason == "h= is without From")
  }

  @Test(
    "a message without one author is not signed",
    arguments: ["To: x\r\n", "From: a@example.org\r\nFrom: b@example.org\r\n"])
  func authors(_ header: String) throws {
    let message = SampleMessage(header: header, body: "")
    let signings = [try SampleKey.of(.ed25519).signing]
    #expect(throws: DKIMSigningFault.self) { try message.signed(signings) }
  }

  @Test("what nobody would verify is not signed: more fields than a signature may name")
  func fieldBound() async throws {
    let key = try SampleKey.of(.ed25519)
    func message(_ count: Int) -> SampleMessage {
      SampleMessage(header: "From: a@example.org\r\n" + String(repeating: "Cc:\r\n", count: count), body: "")
    }
    // One more than there is of each of the ten, and From.
    let most = DKIMSignature.maximumFieldNames - DKIMSigner.sealedFields.count - 1
    let signed = try message(most - 1).signed([try key.signing])
    #expect(try await signed.outcomes(key.zone).map(\.result) == [.pass])
    #expect(throws: DKIMSigningFault.self) { try message(most + 1).signed([try key.signing]) }
  }

  @Test("a resolver's words end no line")
  func reasons() async throws {
    var zone = ZoneResolver()
    zone.set(
      DNSAnswer<[UInt8]>.bogus(reason: "bad\r\nsignature"), for: try DomainName("e1._domainkey.example.org"))
    var verifier = DKIMVerifier(converter: UnchangedNames())
    verifier.begin(try letter.signed([try SampleKey.of(.ed25519).signing]).section())
    verifier.append(ByteBuffer(string: letter.body))
    let outcome = try #require(await verifier.finish(resolver: zone, now: UTCInstant(seconds: 1_600_000_000)).first)
    #expect(outcome.result == .temperror && outcome.reason.hasSuffix("bad??signature"))
    #expect(outcome.steps.last?.text.contains("bad??signature") == true)
  }

  @Test("a message without signatures has no outcome")
  func unsigned() async throws {
    #expect(try await letter.outcomes("").isEmpty)
  }

  @Test(
    "UTF8-009: d= and i= may be outside ASCII: the key is asked for by A-labels, and each spelling is the same domain",
    arguments: [
      ("bücher.example", "@bücher.example"), ("bücher.example", "jörg@xn--bcher-kva.example"),
      ("xn--bcher-kva.example", "jo@shop.bücher.example"),
    ])
  func international(_ domain: String, _ identity: String) async throws {
    struct OneWord: IDNAConverter {
      func asciiForm(of name: DomainName) -> DomainName? {
        try? DomainName(name.description.replacing("bücher", with: "xn--bcher-kva"))
      }
    }
    let key = try SampleKey.of(.ed25519)
    let message = SampleMessage(header: letter.header, body: "x\r\n")
    let signed = try ForeignSigner(key: key.key, selector: key.selector)
      .signed(message, domain: domain, " i=\(identity);")
    var verifier = DKIMVerifier(converter: OneWord())
    verifier.begin(try signed.section())
    verifier.append(ByteBuffer(string: signed.body))
    let zone = try ZoneFile(Array(SampleKey.zone(key.key.record, at: "e1._domainkey.xn--bcher-kva.example").utf8))
    let outcome = try #require(await verifier.finish(resolver: zone.resolver(), now: UTCInstant(seconds: 0)).first)
    #expect(outcome.result == .pass, "\(outcome.reason)")
    let result = AuthenticationResult(outcome)
    let told = Dictionary(uniqueKeysWithValues: result.properties.map { ($0.name, $0.value) })
    #expect(told[.signingDomain] == "xn--bcher-kva.example")
    #expect(told[.signingIdentity]?.hasSuffix("xn--bcher-kva.example") == true)
  }
}
