import Certificates
import Crypto
import DNSRecords
import FoundationEssentials
import MailSyntax
import NIOCore
import NIOPosix
import NIOSSL
import SMTPSessions
import SwiftASN1
import Synchronization
import Testing
import TransportSecurity
import X509

@testable import SMTPTransport

@Suite("TLSA records over real handshakes", .timeLimit(.minutes(5)))
struct DANEHandshakeTests {
  let house = House.shared
  private static let base = "mx.example.test"

  private func peer(_ records: [TLSARecord], _ demand: CertificateDemand = .dane) throws -> ExpectedPeer {
    let base = try DomainName(Self.base)
    return ExpectedPeer(
      hostName: "alias.example.test", demand: demand,
      dane: DANEExpectation(tlsa: TLSASet(base: base, records: records), names: [base]))
  }

  private func record(_ usage: UInt8, of der: [UInt8]) throws -> TLSARecord {
    let key = try #require(TLSACertificate(der: der).publicKeyInfo)
    return TLSARecord(usage: usage, selector: 1, matchingType: 1, association: Array(SHA256.hash(data: key)))
  }

  private let wrong = TLSARecord(
    usage: 3, selector: 1, matchingType: 1, association: Array(repeating: 7, count: 32))

  /// What a client that goes to TLS at once ends with: the facts where it got in, else why not.
  private func meet(
    _ endpoint: SocketEndpoint, _ peer: ExpectedPeer, after: Duration = .zero
  ) async throws -> (dane: DANEVerification?, end: String) {
    let client = Player(opened: { $0.startTLS(.client(peer)) })
    try await house.dial(endpoint, client, dialer: house.dialer(now: House.today + after))
    await client.log.wait(until: { $0.contains { $0.hasPrefix("closed") || $0.hasPrefix("received 220") } })
    let dane = client.facts.withLock { $0?.peerCertificate?.dane }
    let end = client.log.events.first { $0.hasPrefix("closed") } ?? "in"
    client.perform { $0.close() }
    return (dane, end)
  }

  private func chain(_ crafted: Crafted...) throws -> String { try crafted.map { try $0.pem }.joined(separator: "\n") }

  private func identity(_ own: Crafted, _ chain: String) throws -> TLSIdentity {
    try TLSIdentity(
      chainPEM: Array(chain.utf8), keyPEM: Secret(own.key.serializeAsPEM().pemString))
  }

  @Test("DANE-013, DANE-015, DANE-021: an expired certificate of another name is met by its key, under the base's SNI")
  func endEntity() async throws {
    let own = try Crafted(Crafted.Form(commonName: "other", dnsNames: ["other.test"], lifetime: .seconds(60)))
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(
      .implicitTLS, server, identities: [try identity(own, chain(own))])
    let right = try record(3, of: own.der)
    let met = try await meet(endpoint, peer([right]), after: .seconds(86_400))
    #expect(met.end == "in" && met.dane == .matched(right, name: nil))
    #expect(server.facts.withLock { $0?.serverName } == Self.base)
    let fault = CertificateFault.tlsaMismatch(
      reason: "the TLSA record at mx.example.test doesn't fit the certificate (its key would be \(right))")
    for demand in [CertificateDemand.dane, .daneAndVerified] {
      let refused = try await meet(endpoint, peer([wrong], demand))
      #expect(refused.end == "closed \(WireFault.certificateRefused(fault))")
    }
    // What isn't demanded is written down.
    let recorded = try await meet(endpoint, peer([wrong], .recorded))
    #expect(recorded.end == "in" && recorded.dane == .failed(fault))
    await listener.stopAccepting()
  }

  @Test("DANE-020: a wrong SHA-512 digest beside a right SHA-256 one ends the handshake")
  func agility() async throws {
    let own = try Crafted(.server(Self.base))
    let (listener, endpoint) = try await house.listen(
      .implicitTLS, smtpLikePlayer(), identities: [try identity(own, chain(own))])
    let strong = TLSARecord(usage: 3, selector: 1, matchingType: 2, association: Array(repeating: 7, count: 64))
    let met = try await meet(endpoint, peer([strong, record(3, of: own.der)]))
    #expect(met.end.hasPrefix("closed certificateRefused(TransportSecurity.CertificateFault.tlsaMismatch"))
    await listener.stopAccepting()
  }

  @Test("DANE-016, DANE-017: an authority vouches over an intermediate, in date, for the name, where it is presented")
  func authority() async throws {
    let root = try Crafted(.authority("root"))
    let between = try Crafted(.authority("between"), issuedBy: root)
    let own = try Crafted(.server(Self.base), issuedBy: between)
    let right = try record(2, of: root.der)
    let (listener, endpoint) = try await house.listen(
      .implicitTLS, smtpLikePlayer(), identities: [try identity(own, chain(own, between, root))])
    let met = try await meet(endpoint, peer([right]))
    #expect(met.end == "in" && met.dane == .matched(right, name: Self.base))
    let late = try await meet(endpoint, peer([right]), after: .seconds(31 * 86_400))
    #expect(late.end == "closed \(WireFault.certificateRefused(.expired))")
    await listener.stopAccepting()

    let (short, shortEndpoint) = try await house.listen(
      .implicitTLS, smtpLikePlayer(), identities: [try identity(own, chain(own, between))])
    let missing = try await meet(shortEndpoint, peer([right]))
    #expect(missing.end.hasPrefix("closed certificateRefused(TransportSecurity.CertificateFault.tlsaMismatch"))
    await short.stopAccepting()

    let other = try Crafted(.server("other.test"), issuedBy: between)
    let (named, namedEndpoint) = try await house.listen(
      .implicitTLS, smtpLikePlayer(), identities: [try identity(other, chain(other, between, root))])
    let fault = CertificateFault.hostMismatch(expected: Self.base, presented: ["other.test"])
    #expect(
      try await meet(namedEndpoint, peer([right])).end == "closed \(WireFault.certificateRefused(fault))")
    await named.stopAccepting()
  }

  /// Servers that our own side refuses to be.
  @Test("DANE-015: keys of every kind, RSA of 1024 bits too, are met by DANE-EE, which says nothing of their strength")
  func kindsOfKeys() async throws {
    var pairs = [(RSAPair.certificate, RSAPair.key), WeakPairs.shortRSA]
    let keys: [Certificate.PrivateKey] = [
      .init(P384.Signing.PrivateKey()), .init(P521.Signing.PrivateKey()), .init(Curve25519.Signing.PrivateKey()),
    ]
    for key in keys {
      let crafted = try Crafted(.server("other.test"), key: key)
      pairs.append((try crafted.pem, try key.serializeAsPEM().pemString))
    }
    for (certificatePEM, keyPEM) in pairs {
      let certificate = try NIOSSLCertificate(bytes: Array(certificatePEM.utf8), format: .pem)
      let key = try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem)
      let context = try NIOSSLContext(
        configuration: .makeServerConfiguration(
          certificateChain: [.certificate(certificate)], privateKey: .privateKey(key)))
      let server = try await ServerBootstrap(group: house.loops.group).childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
          try channel.pipeline.syncOperations.addHandler(Greeter())
        }
      }.bind(host: "127.0.0.1", port: 0).get()
      let port = UInt16(try #require(server.localAddress?.port))
      let endpoint = SocketEndpoint(address: .v4(0x7f00_0001), port: port)
      let right = try record(3, of: certificate.toDERBytes())
      let met = try await meet(endpoint, peer([right]))
      #expect(met.end == "in" && met.dane == .matched(right, name: nil))
      #expect(try await meet(endpoint, peer([wrong])).end.hasPrefix("closed certificateRefused"))
      try await server.close()
    }
  }

  private final class Greeter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    /// NIOSSL holds it until the handshake is over.
    func channelActive(context: ChannelHandlerContext) {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "220 hello\r\n")), promise: nil)
      context.fireChannelActive()
    }
  }
}
