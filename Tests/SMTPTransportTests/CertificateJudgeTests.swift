import Certificates
import Crypto
import FoundationEssentials
import MailSyntax
import SMTPSessions
import SwiftASN1
import Synchronization
import Testing
import TransportSecurity
import X509

@testable import SMTPTransport

@Suite("What a presented certificate proves", .timeLimit(.minutes(5)))
struct CertificateJudgeTests {
  let house = House.shared

  private func der(_ issued: DevelopmentAuthority.Issued) throws -> [UInt8] {
    try Certificate(pemEncoded: issued.certificatePEM).serializeAsPEM().derBytes
  }

  private func judge(
    _ issued: DevelopmentAuthority.Issued, _ host: String, after: Duration = .zero, roots: TrustRoots? = nil
  ) async throws -> CertificateVerification {
    let facts = await CertificateJudge(roots: roots ?? house.roots)
      .judge(
        presented: [try der(issued)], for: ExpectedPeer(hostName: host, demand: .recorded), at: House.today + after)
    #expect(facts.sha256Fingerprint.count == 32)
    return facts.verification
  }

  private func issue(_ names: [String], _ addresses: [IPAddress] = []) throws -> DevelopmentAuthority.Issued {
    try house.authority.issue(for: .init(dnsNames: names, addresses: addresses), now: House.today)
  }

  @Test("ITLS-003: a good certificate proves its names and no others")
  func names() async throws {
    let issued = try issue(["mx.example.test", "*.wild.example.test"], [.v4(0x7f00_0001), .v6(high: 0, low: 1)])
    let names = ["mx.example.test", "*.wild.example.test"]
    for host in ["mx.example.test", "MX.Example.Test", "a.wild.example.test", "127.0.0.1", "::1"] {
      #expect(try await judge(issued, host) == .verified(hostName: host))
    }
    for host in ["example.test", "a.b.wild.example.test", "wild.example.test", "127.0.0.2", "::2", ""] {
      #expect(try await judge(issued, host) == .failed(.hostMismatch(expected: host, presented: names)), "\(host)")
    }
  }

  @Test("a name in the common name alone, or an address where a name is meant, proves nothing")
  func commonName() async throws {
    let issued = try issue([], [.v4(0x7f00_0001)])
    #expect(try await judge(issued, "server") == .failed(.hostMismatch(expected: "server", presented: [])))
    let named = try issue(["127.0.0.1"])
    #expect(
      try await judge(named, "127.0.0.1") == .failed(.hostMismatch(expected: "127.0.0.1", presented: ["127.0.0.1"])))
  }

  @Test("before its time and after it a certificate is expired, and one second within it isn't")
  func dates() async throws {
    let issued = try issue(["mx.example.test"])
    let lifetime = DevelopmentAuthority.leafLifetime
    #expect(try await judge(issued, "mx.example.test", after: lifetime) == .verified(hostName: "mx.example.test"))
    #expect(try await judge(issued, "mx.example.test", after: lifetime + .seconds(1)) == .failed(.expired))
    #expect(try await judge(issued, "mx.example.test", after: .seconds(-7_200)) == .failed(.expired))
    #expect(CertificateFault.expired.resultType == "certificate-expired")
  }

  @Test("another authority's certificate, and a self-signed one, are not trusted; a pinned one is")
  func trust() async throws {
    let issued = try issue(["mx.example.test"])
    let stranger = try DevelopmentAuthority(now: House.today)
    let strange = try TrustRoots.pem(Array(stranger.issued.certificatePEM.utf8))
    guard case .failed(.notTrusted) = try await judge(issued, "mx.example.test", roots: strange) else {
      Issue.record("trusted")
      return
    }
    let selfSigned = try Self.selfSigned(usage: .serverAuth)
    guard case .failed(.notTrusted) = try await judge(selfSigned, "mx.example.test") else {
      Issue.record("trusted")
      return
    }
    let pinned = try TrustRoots.pem(Array(selfSigned.certificatePEM.utf8))
    #expect(try await judge(selfSigned, "mx.example.test", roots: pinned) == .verified(hostName: "mx.example.test"))
  }

  @Test("a certificate for another use than TLS servers is not trusted")
  func usage() async throws {
    let mail = try Self.selfSigned(usage: .emailProtection)
    let pinned = try TrustRoots.pem(Array(mail.certificatePEM.utf8))
    #expect(
      try await judge(mail, "mx.example.test", roots: pinned)
        == .failed(.notTrusted(reason: "the certificate is not meant for TLS servers")))
  }

  @Test("bytes that are no certificate, and none at all, are a verdict and no error")
  func unreadable() async {
    for presented in [[], [[]], [[1, 2, 3]]] as [[[UInt8]]] {
      let facts = await CertificateJudge(roots: house.roots).judge(
        presented: presented, for: ExpectedPeer(hostName: "x", demand: .recorded), at: House.today)
      guard case .failed(.notTrusted) = facts.verification else {
        Issue.record("trusted")
        continue
      }
    }
  }

  @Test(
    "over the wire: `.verified` ends the handshake with the fault, `.recorded` writes it down",
    arguments: [
      CertificateDemand.verified, .recorded,
    ])
  func demands(_ demand: CertificateDemand) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let fault = CertificateFault.hostMismatch(expected: "mx.example.test", presented: ["localhost"])
    let client = implicitTLSPlayer("mx.example.test", demand)
    try await house.dial(endpoint, client)
    switch demand {
    case .verified:
      #expect(await client.log.wait(for: "closed") == "closed \(WireFault.certificateRefused(fault))")
      #expect(client.facts.withLock { $0 } == nil)
      #expect(await server.log.wait(for: "closed").hasPrefix("closed handshakeFailed"))
    case .recorded, .dane, .daneAndVerified:
      await client.log.waitToReceive("220 hello\r\n")
      #expect(client.facts.withLock { $0?.peerCertificate?.verification } == .failed(fault))
      client.perform { $0.close() }
    }
    await listener.stopAccepting()
  }

  @Test("over the wire: an expired certificate is refused as expired")
  func expiredOverTheWire() async throws {
    let (listener, endpoint) = try await house.listen(.implicitTLS, smtpLikePlayer())
    let client = implicitTLSPlayer("localhost")
    let later = House.today + DevelopmentAuthority.leafLifetime + .seconds(60)
    try await house.dial(endpoint, client, dialer: house.dialer(now: later))
    #expect(await client.log.wait(for: "closed") == "closed \(WireFault.certificateRefused(.expired))")
    await listener.stopAccepting()
  }

  @Test("over the wire: an address literal is proven by its iPAddress, and no SNI is sent for it")
  func addressOverTheWire() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let client = implicitTLSPlayer("127.0.0.1")
    try await house.dial(endpoint, client)
    await client.log.waitToReceive("220 hello\r\n")
    #expect(client.facts.withLock { $0?.peerCertificate?.verification } == .verified(hostName: "127.0.0.1"))
    #expect(server.facts.withLock { $0?.serverName } == nil)
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  private static func selfSigned(usage: ExtendedKeyUsage.Usage) throws -> DevelopmentAuthority.Issued {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName("mx.example.test") }
    let now = Date(timeIntervalSince1970: Double(House.today.seconds))
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
      notValidBefore: now.addingTimeInterval(-60), notValidAfter: now.addingTimeInterval(86_400), issuer: name,
      subject: name,
      extensions: try Certificate.Extensions {
        // As `openssl req -x509` marks its own.
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        try ExtendedKeyUsage([usage])
        SubjectAlternativeNames([.dnsName("mx.example.test")])
      }, issuerPrivateKey: .init(key))
    return .init(certificatePEM: try certificate.serializeAsPEM().pemString, keyPEM: Secret(key.pemRepresentation))
  }
}
