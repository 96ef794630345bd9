package import MailSyntax
import NIOCore
package import NIOSSL
import SMTPSessions
package import TransportSecurity

/// The client's side of TLS: one context for all connections, and the judge of what servers present.
///
/// NIOSSL has no client-side resumption, which suits us: a resumed session shows no certificate to judge.
package final class ClientTLS: Sendable {
  private let context: NIOSSLContext
  private let judge: CertificateJudge
  private let now: @Sendable () -> UTCInstant

  package init(roots: TrustRoots, now: @escaping @Sendable () -> UTCInstant) throws(TrustRootsFault) {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.cipherSuiteValues = allowedCipherSuites
    configuration.verifySignatureAlgorithms = allowedSignatures
    // The callback replaces all of BoringSSL's checks; with `.none` it would not be called.
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates([])
    do {
      context = try NIOSSLContext(configuration: configuration)
    } catch {
      throw .noContext("\(error)")
    }
    judge = CertificateJudge(roots: roots)
    self.now = now
  }

  /// - Parameter judged: told what the server presented, on the wire's loop, before the handshake goes on or fails.
  package func handler(
    for peer: ExpectedPeer, on station: TransportLoops.Station,
    judged: @escaping (CertificateFacts) -> Void
  ) throws -> NIOSSLClientHandler {
    let judged = NIOLoopBound(judged, eventLoop: station.loop)
    // RFC 6066 §3: an address is no server name.
    let serverName = IPAddress(peer.serverName) == nil ? peer.serverName : nil
    return try NIOSSLClientHandler(context: context, serverHostname: serverName) {
      [judge, now] certificates, promise in
      // One that can't be written out stays in its place, as nothing: the first is the server's own, never the next.
      let presented = certificates.prefix(CertificateJudge.maximumPresentedCertificates + 1)
        .map { (try? $0.toDERBytes()) ?? [] }
      Task(executorPreference: station.executor) {
        let facts = await judge.judge(presented: presented, for: peer, at: now())
        judged.value(facts)
        promise.succeed(peer.fault(with: facts) == nil ? .certificateVerified : .failed)
      }
    }
  }

  /// Why a handshake failed that the certificate isn't to blame for, for people.
  package static func describe(_ error: any Error) -> String {
    switch error {
    case NIOSSLError.handshakeFailed(let reason): BoringSSLWords.describe(reason)
    case let reason as BoringSSLError: BoringSSLWords.describe(reason)
    case let reason as IOError: systemWords(for: reason.errnoCode)
    case NIOSSLError.uncleanShutdown: "the other side closed the connection"
    case _: "\(error)"
    }
  }
}
