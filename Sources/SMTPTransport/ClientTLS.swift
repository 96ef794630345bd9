import MailSyntax
import NIOCore
import NIOSSL
import SMTPSessions
import TransportSecurity

/// The client's side of TLS: one context for all connections, and the judge of what servers present.
///
/// NIOSSL has no client-side resumption, which suits us: a resumed session shows no certificate to judge.
final class ClientTLS: Sendable {
  private let context: NIOSSLContext
  private let judge: CertificateJudge
  private let now: @Sendable () -> UTCInstant

  init(roots: TrustRoots, now: @escaping @Sendable () -> UTCInstant) throws(TrustRootsFault) {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.cipherSuiteValues = allowedCipherSuites
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
  func handler(
    hostName: String, demand: CertificateDemand, on station: TransportLoops.Station,
    judged: @escaping (CertificateFacts) -> Void
  ) throws -> NIOSSLClientHandler {
    let judged = NIOLoopBound(judged, eventLoop: station.loop)
    // RFC 6066 §3: an address is no server name.
    let serverName = IPAddress(hostName) == nil ? hostName : nil
    return try NIOSSLClientHandler(context: context, serverHostname: serverName) {
      [judge, now] certificates, promise in
      let presented = certificates.prefix(CertificateJudge.maximumPresentedCertificates + 1)
        .compactMap { try? $0.toDERBytes() }
      Task(executorPreference: station.executor) {
        let facts = await judge.judge(presented: presented, for: hostName, at: now())
        judged.value(facts)
        switch (demand, facts.verification) {
        case (.recorded, _), (.verified, .verified): promise.succeed(.certificateVerified)
        case (.verified, .failed): promise.succeed(.failed)
        }
      }
    }
  }
}
