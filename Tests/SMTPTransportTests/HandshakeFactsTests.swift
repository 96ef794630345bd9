import Foundation
import MailSyntax
import NIOCore
import NIOPosix
import NIOSSL
import SMTPSessions
import Subprocess
import Synchronization
import Testing
import TransportSecurity

@testable import SMTPTransport

@Suite("What a handshake settled, against other TLS implementations' ways", .timeLimit(.minutes(5)))
struct HandshakeFactsTests {
  let house = House.shared

  @Test(
    "TLSB-010: TLS 1.2 gives forward secrecy and AEAD, and its group is read too",
    arguments: [
      // A client must know the certificate's own curve, P-256, in any case (RFC 8422 §5.3).
      [NIOTLSCurve.x25519, .secp256r1], [.secp384r1, .secp256r1], [.secp256r1],
    ])
  func tls12(_ curves: [NIOTLSCurve]) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    configuration.maximumTLSVersion = .tlsv12
    configuration.curves = curves
    let context = try NIOSSLContext(configuration: configuration)
    let channel = try await ClientBootstrap(group: house.loops.group).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(
          NIOSSLClientHandler(context: context, serverHostname: "localhost"))
      }
    }.connect(to: endpoint.socketAddress()).get()
    await server.log.wait(for: "opened")
    let facts = try #require(server.facts.withLock { $0 })
    #expect(facts.version == .v1_2)
    #expect(facts.cipherSuite.description.hasPrefix("TLS_ECDHE_ECDSA_WITH_"))
    #expect(!facts.cipherSuite.description.contains("CBC"))
    #expect(facts.group == curves.first.map { NamedGroup(rawValue: $0.rawValue) })
    // A client of NIOSSL waits for our close_notify.
    server.perform { $0.close() }
    try? await channel.close()
    await listener.stopAccepting()
  }

  @Test("TLSB-010: a client of CBC and static RSA alone is refused")
  func weakSuites() async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    configuration.maximumTLSVersion = .tlsv12
    configuration.cipherSuiteValues = [.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, .TLS_RSA_WITH_AES_128_GCM_SHA256]
    let context = try NIOSSLContext(configuration: configuration)
    _ = try await ClientBootstrap(group: house.loops.group).channelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
      }
    }.connect(to: endpoint.socketAddress()).get()
    #expect(await server.log.wait(for: "closed") == "closed handshakeFailed(\"no shared cipher\")")
    await listener.stopAccepting()
  }

  @Test(
    "a client that refuses our certificate by an alert in clear, as OpenSSL does, is named for that",
    arguments: [
      ([UInt8](), UInt8(48), "the other side doesn't trust the issuer of our certificate (alert unknown_ca)"),
      ([20, 3, 3, 0, 1, 1], 42, "the other side doesn't accept our certificate (alert bad_certificate)"),
      ([], 99, "the other side ended the handshake (alert 99)"),
    ])
  func refusedCertificate(_ before: [UInt8], _ alert: UInt8, _ sentence: String) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    let client = Player()
    try await house.dial(endpoint, client)
    client.say(RecordedHandshakes.clientHello)
    await client.log.wait(for: "received")
    client.say(before + [21, 3, 3, 0, 2, 2, alert])
    #expect(await server.log.wait(for: "closed") == "closed \(WireFault.handshakeFailed(sentence))")
    client.perform { $0.close() }
    await listener.stopAccepting()
  }

  /// What `openssl s_client` says of a server, where OpenSSL is at hand.
  private func openSSL(_ endpoint: SocketEndpoint, _ options: [String]) async throws -> String? {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl") else { return nil }
    return try await run(
      .name("openssl"), arguments: .init(["s_client", "-connect", endpoint.description, "-crlf"] + options),
      input: .inputWriter, output: .sequence, error: .combinedWithOutput
    ) { client in
      // The end of its input would end it before the handshake; where that has failed already nobody reads on.
      _ = try? await client.standardInputWriter.write("QUIT\n")
      var text = ""
      for try await line in client.standardOutput.strings() { text += line }
      return text
    }.closureResult
  }

  @Test(
    "RFC 9155: who takes handshakes signed with SHA-1 alone gets none from us, and who takes SHA-256 too gets that",
    arguments: [("ECDSA+SHA1", false), ("ECDSA+SHA1:ECDSA+SHA256", true)])
  func signedWithSHA1(_ algorithms: String, _ isServed: Bool) async throws {
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server)
    // OpenSSL itself signs and takes SHA-1 at its lowest level of security alone.
    let options = ["-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", algorithms]
    if let said = try await openSSL(endpoint, options) {
      #expect(said.contains("Peer signing digest: SHA256") == isServed, "\(said)")
      #expect(!said.contains("Peer signing digest: SHA1"), "\(said)")
      if !isServed { #expect(said.contains("handshake failure"), "\(said)") }
    }
    await listener.stopAccepting()
  }

  @Test("OpenSSL's client gets in on both kinds of port, with either version, and is asked for no certificate")
  func openSSLClient() async throws {
    for (opening, extra) in [(ListenerOptions.Opening.implicitTLS, [String]()), (.clear, ["-starttls", "smtp"])] {
      for (option, version) in [("-tls1_2", TLSVersion.v1_2), ("-tls1_3", .v1_3)] {
        let server = Player(
          opened: { wire in
            wire.write(ByteBuffer(string: "220 hello\r\n"))
            wire.flush()
          },
          received: { wire, bytes in
            while let line = bytes.takeLine() {
              switch line.prefix(4).uppercased() {
              case "STAR":
                wire.write(ByteBuffer(string: "220 go\r\n"))
                return wire.startTLS(.server)
              case "EHLO": wire.write(ByteBuffer(string: "250-mx.example\r\n250 STARTTLS\r\n"))
              case "QUIT":
                wire.write(ByteBuffer(string: "221 bye\r\n"))
                return wire.close()
              case _: wire.write(ByteBuffer(string: "250 ok\r\n"))
              }
            }
            wire.flush()
          })
        let (listener, endpoint) = try await house.listen(opening, server)
        guard let said = try await openSSL(endpoint, [option, "-servername", "localhost", "-ign_eof"] + extra) else {
          return await listener.stopAccepting()
        }
        #expect(said.contains("221 bye"), "\(said)")
        // ITLS-012.
        #expect(said.contains("No client certificate CA names sent"), "\(said)")
        let facts = try #require(server.facts.withLock { $0 })
        #expect(facts.version == version)
        #expect(facts.group?.description == "x25519")
        #expect(facts.serverName == "localhost")
        await listener.stopAccepting()
      }
    }
  }
}
