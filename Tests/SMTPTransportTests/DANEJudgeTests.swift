import Crypto
import DNSRecords
import FoundationEssentials
import MailSyntax
import NIOSSL
import Testing
import TransportSecurity
import X509

@testable import SMTPTransport

@Suite("What TLSA records say of a presented chain", .timeLimit(.minutes(5)))
struct DANEJudgeTests {
  private static let base = "mx.example.test"

  private func judge(
    _ presented: [[UInt8]], _ records: [TLSARecord], names: [String] = [base], after: Duration = .zero
  ) async throws -> DANEVerification? {
    let expectation = DANEExpectation(
      tlsa: TLSASet(base: try DomainName(Self.base), records: records), names: try names.map { try DomainName($0) })
    let facts = await CertificateJudge(roots: House.shared.roots).judge(
      presented: presented, for: ExpectedPeer(hostName: Self.base, demand: .recorded, dane: expectation),
      at: House.today + after)
    return facts.dane
  }

  /// The record of these parameters that fits the certificate.
  private func record(_ usage: UInt8, _ selector: UInt8, _ type: UInt8, of der: [UInt8]) throws -> TLSARecord {
    let selected = selector == 0 ? der : try #require(TLSACertificate(der: der).publicKeyInfo)
    let association: [UInt8] =
      switch type {
      case 0: selected
      case 1: Array(SHA256.hash(data: selected))
      case _: Array(SHA512.hash(data: selected))
      }
    return TLSARecord(usage: usage, selector: selector, matchingType: type, association: association)
  }

  private func wrong(_ usage: UInt8, _ selector: UInt8, _ type: UInt8) -> TLSARecord {
    TLSARecord(
      usage: usage, selector: selector, matchingType: type,
      association: Array(repeating: 7, count: type == 1 ? 32 : 64))
  }

  private func der(pem: String) throws -> [UInt8] {
    try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem).toDERBytes()
  }

  private func isMismatch(_ verification: DANEVerification?, _ words: String = "") -> Bool {
    guard case .failed(let fault)? = verification, case .tlsaMismatch(let reason, _) = fault else { return false }
    return fault.resultType == "tlsa-invalid" && reason.contains(words)
  }

  private func isUntrusted(_ verification: DANEVerification?, _ words: String = "") -> Bool {
    guard case .failed(.notTrusted(let reason))? = verification else { return false }
    return reason.contains(words)
  }

  // MARK: DANE-EE

  @Test("DANE-015, DANE-018: DANE-EE asks for no name, date, issuer or size of key, whatever kind the key is of")
  func endEntity() async throws {
    let form = Crafted.Form(commonName: "other.test", dnsNames: ["other.test"], lifetime: .zero)
    var kinds = [
      "P-256": try Crafted(form).der,
      "P-384": try Crafted(form, key: .init(P384.Signing.PrivateKey())).der,
      "Ed25519": try Crafted(form, key: .init(Curve25519.Signing.PrivateKey())).der,
    ]
    kinds["RSA 2048"] = try der(pem: RSAPair.certificate)
    kinds["RSA 1024"] = try der(pem: WeakPairs.shortRSA.certificate)
    kinds["P-192"] = try der(pem: WeakPairs.smallCurve.certificate)
    kinds["SHA-1"] = try der(pem: WeakPairs.sha1.certificate)
    for (kind, der) in kinds {
      for selector in UInt8(0)...1 {
        for type in UInt8(0)...2 {
          let record = try record(3, selector, type, of: der)
          for records in [[record], [wrong(2, selector, 2), record]] {
            let verification = try await judge([der], records, after: .seconds(400 * 86_400))
            #expect(verification == .matched(record, name: nil), "\(kind) \(record)")
          }
        }
      }
      #expect(isMismatch(try await judge([der], [wrong(3, 1, 1)]), "the TLSA record at mx.example.test"), "\(kind)")
    }
  }

  @Test("the key that TLSA records are matched with is the one that the TLS library takes from the certificate")
  func sameKey() throws {
    let form = Crafted.Form.server("mx.example.test")
    let others = try [
      Crafted(form).der, Crafted(form, key: .init(P384.Signing.PrivateKey())).der,
      Crafted(form, key: .init(P521.Signing.PrivateKey())).der,
      Crafted(form, key: .init(Curve25519.Signing.PrivateKey())).der,
    ]
    let constants = try [RSAPair.certificate, WeakPairs.shortRSA.certificate, WeakPairs.sha1.certificate].map(der)
    for der in others + constants {
      let library = try NIOSSLCertificate(bytes: der, format: .der).extractPublicKey().toSPKIBytes()
      #expect(TLSACertificate(der: der).publicKeyInfo == library)
    }
  }

  @Test("DANE-015: DANE-EE speaks of the server's own certificate, and of none that it presents beside it")
  func notTheOthers() async throws {
    let own = try Crafted(.server("mx.example.test")).der
    let other = try Crafted(.server("mx.example.test")).der
    #expect(isMismatch(try await judge([own, other], [try record(3, 1, 1, of: other)])))
  }

  @Test("DANE-020: a wrong SHA-512 digest is not mended by a right SHA-256 one beside it")
  func agility() async throws {
    let own = try Crafted(.server("mx.example.test")).der
    let right = try record(3, 1, 1, of: own)
    #expect(isMismatch(try await judge([own], [wrong(3, 1, 2), right])))
    #expect(try await judge([own], [wrong(3, 0, 2), right]) == .matched(right, name: nil))
  }

  @Test("DANE-014: of PKIX-TA and PKIX-EE records nothing is said, though they fit")
  func publicAuthorities() async throws {
    let own = try Crafted(.server("mx.example.test")).der
    #expect(try await judge([own], [try record(1, 1, 1, of: own), try record(0, 0, 1, of: own)]) == nil)
  }

  @Test("with nothing presented, and with octets that are no certificate, nothing is proven")
  func nothing() async throws {
    let own = try Crafted(.server("mx.example.test")).der
    for presented in [[], [[]], [[1, 2, 3]], [[], own]] as [[[UInt8]]] {
      #expect(isMismatch(try await judge(presented, [try record(3, 1, 1, of: own)])))
      #expect(isMismatch(try await judge(presented, [try record(2, 1, 1, of: own)])) || presented.count == 2)
    }
  }

  // MARK: DANE-TA

  /// Root, intermediate, server.
  private struct Family {
    let root: Crafted
    let between: Crafted
    let server: Crafted

    init(_ form: Crafted.Form = .server("mx.example.test"), rootKey: Certificate.PrivateKey? = nil) throws {
      root = try Crafted(.authority("root"), key: rootKey ?? .init(P256.Signing.PrivateKey()))
      between = try Crafted(.authority("between"), issuedBy: root)
      server = try Crafted(form, issuedBy: between)
    }

    var chain: [[UInt8]] { get throws { [try server.der, try between.der, try root.der] } }
  }

  @Test(
    "DANE-016, DANE-018: an authority that is presented vouches, root or intermediate, by every selector and type",
    arguments: [UInt8(0), 1], [UInt8(0), 1, 2])
  func authority(_ selector: UInt8, _ type: UInt8) async throws {
    let rsa = try Certificate.PrivateKey(pemEncoded: RSAPair.key)
    for key in [rsa, .init(P384.Signing.PrivateKey()), .init(Curve25519.Signing.PrivateKey())] {
      let family = try Family(rootKey: key)
      for anchor in [family.root, family.between] {
        let record = try record(2, selector, type, of: anchor.der)
        let matched = DANEVerification.matched(record, name: "mx.example.test")
        #expect(try await judge(family.chain, [record]) == matched)
        // Whatever stands between or behind, and in whatever order.
        #expect(try await judge([family.chain[0]] + family.chain.dropFirst().reversed(), [record]) == matched)
      }
    }
  }

  @Test(
    "DANE-017: an authority known by its digest alone has to be presented; by its whole certificate or key it needn't")
  func notPresented() async throws {
    let family = try Family()
    let short = Array(try family.chain.prefix(2))
    for selector in UInt8(0)...1 {
      for type in UInt8(1)...2 {
        let record = try record(2, selector, type, of: family.root.der)
        #expect(isMismatch(try await judge(short, [record]), "an authority presented with it"))
      }
      let full = try record(2, selector, 0, of: family.root.der)
      #expect(try await judge(short, [full]) == .matched(full, name: "mx.example.test"))
      let stranger = try Family()
      #expect(isUntrusted(try await judge(short, [try record(2, selector, 0, of: stranger.root.der)])))
    }
  }

  @Test("a presented authority that did not issue the certificate vouches for nothing")
  func stranger() async throws {
    let family = try Family()
    let stranger = try Family()
    let presented = [try family.server.der, try family.between.der, try stranger.root.der]
    #expect(isUntrusted(try await judge(presented, [try record(2, 1, 1, of: stranger.root.der)])))
    // Nor does one whose name it carries.
    let namesake = try Crafted(.authority("between"))
    #expect(
      isUntrusted(
        try await judge([try family.server.der, try namesake.der], [try record(2, 1, 1, of: namesake.der)])))
  }

  @Test("an authority's record that fits the server's own certificate is told for what it is, and proves nothing")
  func ownAsAuthority() async throws {
    let form = Crafted.Form(commonName: "mx.example.test", dnsNames: ["mx.example.test"], isAuthority: true)
    let own = try Crafted(form).der
    for type in UInt8(0)...2 {
      let record = try record(2, 0, type, of: own)
      #expect(isMismatch(try await judge([own], [record]), "usage 3"))
      #expect(isMismatch(try await judge([own, own], [record]), "usage 3"))
    }
  }

  @Test("DANE-016: under DANE-TA certificate and authority are in date, to the second")
  func dates() async throws {
    let family = try Family()
    let record = try record(2, 0, 1, of: family.between.der)
    let matched = DANEVerification.matched(record, name: "mx.example.test")
    let end = Duration.seconds(30 * 86_400)
    #expect(try await judge(family.chain, [record], after: end) == matched)
    #expect(try await judge(family.chain, [record], after: end + .seconds(1)) == .failed(.expired))
    #expect(try await judge(family.chain, [record], after: .seconds(-86_401)) == .failed(.expired))
    let brief = try Crafted(.authority("brief", lifetime: .seconds(60)))
    let server = try Crafted(.server("mx.example.test"), issuedBy: brief)
    #expect(
      try await judge([server.der, brief.der], [self.record(2, 0, 1, of: brief.der)], after: .seconds(61))
        == .failed(.expired))
  }

  @Test(
    "DANE-016, DANE-023: under DANE-TA the certificate carries the base domain or the next hop's, wildcards whole labels",
    arguments: [
      (["mx.example.test"], "mx.example.test"), (["MX.Example.Test"], "mx.example.test"),
      (["example.test"], "example.test"), (["*.example.test"], "mx.example.test"),
      (["other.test", "example.test", "mx.example.test"], "mx.example.test"),
      (["other.test"], nil), (["m*.example.test"], nil), (["*.test"], nil), (["*.mx.example.test"], nil),
      (["*"], nil), (["mx.example.test.other.test"], nil),
    ] as [([String], String?)])
  func names(_ presented: [String], _ expected: String?) async throws {
    let family = try Family(Crafted.Form(commonName: "mx.example.test", dnsNames: presented))
    let record = try record(2, 1, 1, of: family.root.der)
    let verification = try await judge(family.chain, [record], names: ["mx.example.test", "Example.Test"])
    if let expected {
      #expect(verification == .matched(record, name: expected))
    } else {
      #expect(
        verification == .failed(.hostMismatch(expected: "mx.example.test or example.test", presented: presented)))
    }
  }

  @Test("DANE-023: the common name counts where there is no DNS-ID, and by the same rules")
  func commonName() async throws {
    for (name, isGood) in [("mx.example.test", true), ("*.example.test", true), ("other.test", false), ("", false)] {
      let family = try Family(Crafted.Form(commonName: name))
      let record = try record(2, 1, 1, of: family.root.der)
      let expected =
        isGood
        ? DANEVerification.matched(record, name: "mx.example.test")
        : .failed(.hostMismatch(expected: "mx.example.test", presented: name.isEmpty ? [] : [name]))
      #expect(try await judge(family.chain, [record]) == expected)
    }
  }

  @Test("DANE-016: the usages that certificates state bind under DANE-TA as elsewhere")
  func usages() async throws {
    var form = Crafted.Form.server("mx.example.test")
    form.usage = .emailProtection
    let mail = try Family(form)
    #expect(isUntrusted(try await judge(mail.chain, [try record(2, 1, 1, of: mail.root.der)]), "TLS servers"))
    var authority = Crafted.Form.authority("idle")
    authority.signsCertificates = false
    let noAuthority = Crafted.Form(commonName: "leaf")
    for issuer in [authority, noAuthority] {
      let top = try Crafted(issuer)
      let server = try Crafted(.server("mx.example.test"), issuedBy: top)
      #expect(isUntrusted(try await judge([server.der, top.der], [try record(2, 1, 1, of: top.der)])))
    }
  }

  @Test("a certificate that can't be judged by its issuers is not trusted under DANE-TA, however it got there")
  func unreadable() async throws {
    let family = try Family()
    let short = try der(pem: WeakPairs.shortRSA.certificate)
    let record = try record(2, 1, 1, of: family.root.der)
    #expect(isUntrusted(try await judge([short, family.root.der], [record]), "no supported kind"))
    let names = (0..<1_000).map { "host-\($0).example.test" }
    let long = try Crafted(Crafted.Form(commonName: "", dnsNames: names), issuedBy: family.root)
    #expect(try long.der.count > CertificatePath.maximumCertificateOctets)
    #expect(isUntrusted(try await judge([long.der, family.root.der], [record]), "octets"))
    #expect(try await judge([long.der], [self.record(3, 1, 1, of: long.der)]) != nil)
  }

  @Test("the nearest to a proof is told: an authority's fault before a mismatch, its own certificate before everything")
  func bestFault() async throws {
    let family = try Family()
    let late = Duration.seconds(31 * 86_400)
    let authority = try record(2, 1, 1, of: family.root.der)
    #expect(try await judge(family.chain, [wrong(3, 1, 1), authority], after: late) == .failed(.expired))
    let own = try record(3, 1, 1, of: family.server.der)
    #expect(try await judge(family.chain, [authority, own], after: late) == .matched(own, name: nil))
  }

  // MARK: Bounds

  @Test("look-alikes that sign each other make no search without end, under public authorities nor under DANE")
  func lookAlikes() async throws {
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let alikes = try (0..<10).map {
      try Crafted(
        Crafted.Form(commonName: "alike", dnsNames: ["\($0).test"], isAuthority: true), key: key)
    }
    let server = try Crafted(.server("mx.example.test"), issuedBy: alikes[0])
    let stranger = try Crafted(.authority("stranger"))
    let presented = try [server.der] + alikes.map { try $0.der }
    let record = try record(2, 0, 0, of: stranger.der)
    #expect(isUntrusted(try await judge(presented, [record])))
    let last = try self.record(2, 0, 1, of: alikes[9].der)
    #expect(try await judge(presented, [last]) == .matched(last, name: "mx.example.test"))
  }

  @Test("a search is given so many candidates and no more")
  func allowance() throws {
    let certificate = try Crafted(.authority("one")).certificate
    let allowance = Allowance()
    var taken = 0
    for _ in 0..<20 { taken += allowance.take(Array(repeating: certificate, count: 10)).count }
    #expect(taken == CertificatePath.maximumCandidates)
  }

  @Test("hundreds of records beside the one that fits change nothing")
  func manyRecords() async throws {
    let family = try Family()
    let own = try record(3, 1, 1, of: family.server.der)
    #expect(
      try await judge(family.chain, Array(repeating: wrong(3, 1, 1), count: 255) + [own]) == .matched(own, name: nil))
    let keys = try (0..<40).map { _ in try record(2, 1, 0, of: Crafted(.authority("any")).der) }
    let authority = try record(2, 1, 1, of: family.root.der)
    #expect(try await judge(family.chain, keys + [authority]) == .matched(authority, name: "mx.example.test"))
  }
}
