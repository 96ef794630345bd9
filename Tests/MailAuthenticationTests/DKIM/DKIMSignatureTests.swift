import MailSyntax
import Testing

@testable import MailAuthentication

@Suite("DKIM-Signature fields")
struct DKIMSignatureTests {
  private static let good: [String: String] = [
    "v": "1", "a": "rsa-sha256", "b": "QUJD", "bh": "REVG", "d": "example.org", "s": "sel", "h": "From:To",
  ]

  private func text(_ changes: [String: String?]) -> String {
    let tags = DKIMSignatureTests.good.merging(changes.compactMapValues(\.self)) { $1 }
    return tags.filter { changes[$0.key] != .some(nil) }.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }
      .joined(separator: "; ")
  }

  @Test("DKIM-009: each tag is read, folding and white space are nothing, unknown tags are passed over")
  func tags() throws {
    let signature = try DKIMSignature(
      " v=1; a=RSA-SHA256;\r\n c=Relaxed/Simple; d=Example.ORG; s=a.b;\r\n\th=From : TO:\r\n from; i=joe@sub.example.org; l=12;\r\n q=dns/other:dns/txt; t=100; x=200; z=From:x|To:y; bh=RE\r\n VG; b=QU\r\n JD"
        .utf8)
    #expect(signature.algorithm == .rsaSHA256 && signature.domain.folded == "example.org")
    #expect(signature.headerCanonicalization == .relaxed && signature.bodyCanonicalization == .simple)
    #expect(signature.fieldNames == ["from", "to", "from"] && signature.bodyLimit == 12)
    #expect(signature.signature == Array("ABC".utf8) && signature.bodyHash == Array("DEF".utf8))
    #expect(signature.signedAt == UTCInstant(seconds: 100) && signature.expiresAt == UTCInstant(seconds: 200))
    #expect(signature.keyName?.folded == "a.b._domainkey.example.org" && signature.mark == "QUJD")
    let plain = try DKIMSignature(text([:]).utf8)
    #expect(plain.headerCanonicalization == .simple && plain.bodyCanonicalization == .simple)
    #expect(try DKIMSignature(text(["c": "relaxed"]).utf8).bodyCanonicalization == .simple)
  }

  @Test(
    "DKIM-009, DKIM-011: a tag that is missing or no good makes it none, and the fault names the tag",
    arguments: [
      ("v", nil), ("v", "2"), ("a", nil), ("a", "rsa-sha512"), ("b", nil), ("b", ""), ("b", "Q"), ("b", "QUJ="),
      ("bh", nil),
      ("bh", "!"), ("d", nil), ("d", "exa mple.org"), ("d", "-x"), ("s", nil), ("s", "a..b"), ("h", nil), ("h", "To"),
      ("h", "From::To"), ("h", ":"), ("c", "loose"), ("c", "simple/"), ("c", "simple/simple/simple"), ("i", "joe"),
      ("i", "@example.com"), ("i", "joe@badexample.org"), ("l", "-1"), ("l", "1x"), ("l", ""), ("q", "http"),
      ("t", "now"),
      ("x", "12.5"),
    ] as [(String, String?)])
  func faults(_ tag: String, _ value: String?) {
    let fault = #expect(throws: DKIMSignatureFault.self) { try DKIMSignature(text([tag: value]).utf8) }
    #expect(fault?.description.hasPrefix("\(tag)=") == true)
  }

  @Test("DKIM-014: what expires before it was made is none, and numbers of any length are some time")
  func times() throws {
    #expect(throws: DKIMSignatureFault.self) { try DKIMSignature(text(["t": "10", "x": "10"]).utf8) }
    let far = try DKIMSignature(text(["t": "1", "x": "99999999999999999999999"]).utf8)
    #expect(far.expiresAt == UTCInstant(nanoseconds: .max))
    #expect(try DKIMSignature(text(["l": "99999999999999999999999"]).utf8).bodyLimit == .max)
  }

  @Test("whatever a field holds, it is read or refused")
  func garbage() {
    var state: UInt64 = 3
    let pieces = [
      "v=1", ";", "=", "a=rsa-sha256", "b=QUJD", "bh=QUJD", "d=example.org", "s=x", "h=from", " ", "\r\n ", ":", "l=",
      "9", "x=", "t=", "i=@", "c=", "/", "\u{e9}",
    ]
    for _ in 0..<20_000 {
      var text = "v=1;a=rsa-sha256;b=QUJD;bh=QUJD;d=example.org;s=x;h=from;"
      for _ in 0..<6 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text += pieces[Int(state >> 33) % pieces.count]
      }
      _ = try? DKIMSignature(text.utf8)
    }
  }
}

@Suite("DKIM keys")
struct DKIMKeyTests {
  @Test(
    "DKIM-010: records that are keys",
    arguments: [
      "p=QUJD", "v=DKIM1; p=QUJD", "v=DKIM1;k=rsa;s=*;p=QU JD;",
      "k=RSA; h=sha1:sha256; s=other:email; t=y:s; n=note; x=y; p=QUJD",
    ])
  func records(_ text: String) throws {
    let record = try DKIMKeyRecord(text.utf8)
    #expect(record.kind == .rsa && record.key == Array("ABC".utf8))
    #expect(record.isTesting == text.contains("t=y") && record.isStrict == text.contains("y:s"))
  }

  @Test(
    "DKIM-010: records that are none",
    arguments: [
      "", "v=DKIM1", "p=!", "p=QUJD; v=DKIM1", "v=DKIM2; p=QUJD", "v=dkim1; p=QUJD", "k=dsa; p=QUJD", "s=chat; p=QUJD",
      "p=QUJD; p=QUJD", "hello",
    ])
  func faults(_ text: String) {
    #expect(throws: DKIMKeyFault.self) { try DKIMKeyRecord(text.utf8) }
  }

  @Test(
    "DKIM-002: RSA keys have 1024 to 4096 bits, whoever signs with them",
    arguments: [(512, false), (1_016, false), (1_024, true), (2_048, true), (4_096, true), (4_104, false)])
  func sizes(_ bits: Int, _ isTaken: Bool) throws {
    let octets = HollowKey(bits: bits).subjectPublicKeyInfo
    let record = try DKIMKeyRecord("p=\(Base64.text(octets))".utf8)
    if isTaken {
      #expect(try record.publicKey().bits == bits)
    } else {
      #expect(throws: DKIMKeyFault.self) { try record.publicKey() }
    }
  }

  @Test("DKIM-002: nobody signs with an RSA key of less than 1024 bits")
  func shortSigner() {
    let key = """
      -----BEGIN PRIVATE KEY-----
      MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEAuG2o+Lm+PvDZnx4v
      LKQas8lC2ENvG7Mirxq69MAOvqJKAr9CQjBQrwsM6eHHwT1upvX4gA6JKuk90Ono
      t2ulHQIDAQABAkAvWxkUJL2Q888taFa8o7ani3o6hbY16p1xUO/IgLhIgnvMJMlB
      ToBIFL9WzrY7e59uikXxMIXKge91QtdA9CUBAiEA4ZBuYTp2kPWCfyNYKTGhAOkn
      Un7ghnDvKju/XRRLppECIQDRUEqXEH3ohDZaXP2ldvAtFbX/GT09KHyC1JlJUBKT
      zQIhALck6jqPmY2Bif9o10A7R5rRtFfLJMqED+yernYI8JPBAiAvqIJzRvQEHyZp
      CMdQB3bELS9VOB/zbuZ6u4FzaeHw+QIgEQ0ygp1WIgJUGVqEr3XSsX2YkLXFDHbs
      vDCkeqF3PvY=
      -----END PRIVATE KEY-----
      """
    let fault = #expect(throws: DKIMKeyFileFault.self) { try DKIMKey(pem: Secret(key)) }
    #expect(fault?.description.contains("1024 bits or more") == true)
  }

  @Test("DKIM-002: a key of 1024 bits may sign, and it is said that it should not")
  func advice() throws {
    let key = try DKIMKey(
      pem: Secret(
        """
        -----BEGIN PRIVATE KEY-----
        MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAML9vFgXBvTcOZl1
        Cyzw4N/R5zr44emfbRDZzicRqv1V6AEywEdI+3QfhEN/Pv0rjRJWKDJzAgK/KleR
        BbOQw1P0hICJpY6fGrWqZLs0en6QnoxSKdOkFYWPxePaPLvQdhJr7oLgiPDFrB5/
        wowkxCQvFeVwNaibiCpZKknT2CUlAgMBAAECgYAj2KGXUCRnP1UXcPzs9hthCiWI
        IdjmKfjS8DeF1ymoCPLtxXazpCcV4fVeszXRNQBqLoyVOa9U8e/GyVJTAHnn0wmL
        6PvDJqlDeRu/OMwfHA9Mk1ZIgUi7jXH+fSIdaGuXOK2A6Fr7ONAZbxOrQYXRJ8I4
        SwxQ7UuSF4L2rov4wQJBAOdIP5fyP/fvjQHx7ukha4ChMC5stCrJPYTe3H+kYMHk
        kUrzLGgVRqPcqt8IZoIT2DiwANzjFqOMVJuZ3Isjp1sCQQDX1JWLNJRLyrsi2v4s
        gmIaOQMCs1og4OrCM0ToWeqkTjKBGAgm8g8GCC3zZvlUIcp775S9YZ1S1MBBtNep
        4Y1/AkBWEdAAttlRZmd+Us+LGLHOA65PiIqf5ZYsTVeXdM/BOFNNpiNfdJN+RY+d
        Qp4LSGFN70nS6fuxz3ZpFaA6c4FDAkAGjAhNRLcK5YdvszzqlLntGbWhq1cckDYO
        1gdNFQ0tFsIpcFUu+UDDahQawhDmIHBH+iiE5iUjkhiS5a11FcZ5AkBI49eXloLS
        tTMxQ4UVwgplfC6sUZIvOlG5tm6LCQ1DJ1SivndKdIE95Nj2AkBYYP3oKUxk1ptk
        h22YN5VWkrsc
        -----END PRIVATE KEY-----
        """))
    #expect(key.advice?.hasPrefix("an RSA key of 1024 bits") == true)
    #expect(SampleKey.shared.allSatisfy { $0.key.advice == nil })
  }

  @Test("DKIM-002: an RSA key is read in either of its forms; an Ed25519 key has 32 octets")
  func forms() throws {
    #expect(throws: DKIMKeyFault.self) { try DKIMKeyRecord("k=ed25519; p=QUJD".utf8).publicKey() }
    let key = try SampleKey.of(.rsa).key
    let record = try DKIMKeyRecord(key.record.utf8)
    #expect(try record.publicKey().bits == 2_048)
    // SubjectPublicKeyInfo has 24 octets in front of RSAPublicKey.
    let bare = try DKIMKeyRecord("p=\(Base64.text(record.key.dropFirst(24)))".utf8)
    #expect(try bare.publicKey().bits == 2_048)
  }

  @Test(
    "a private key is read back from its PEM, says the same in public, and shows itself nowhere",
    arguments: DKIMKey.Kind.allCases)
  func pem(_ kind: DKIMKey.Kind) throws {
    let key = try SampleKey.of(kind).key
    let again = try DKIMKey(pem: key.pem)
    #expect(again.record == key.record && again.kind == kind)
    let inner = key.pem.withExposedBytes { String(decoding: $0, as: UTF8.self) }.split(separator: "\n")[1]
    #expect(!"\(key)\(String(reflecting: key))".contains(inner.prefix(20)))
    for text in [
      "", "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n", String(repeating: "x", count: 20_000),
    ] {
      #expect(throws: DKIMKeyFileFault.self) { try DKIMKey(pem: Secret(text)) }
    }
  }
}
