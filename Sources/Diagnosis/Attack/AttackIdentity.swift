public import MailSyntax
import NIOSSL

/// A certificate chain and its key, as an attacker shows them. Unlike a server's own identity it may be expired, for
/// another name, or of nobody's authority: only the key has to fit.
public struct AttackIdentity: Sendable {
  let context: NIOSSLContext

  /// - Parameters:
  ///   - chainPEM: the leaf first.
  ///   - keyPEM: of the leaf, unencrypted.
  /// - Throws: `AttackFault.badIdentity`.
  public init(chainPEM: String, keyPEM: Secret) throws(AttackFault) {
    do {
      let chain = try NIOSSLCertificate.fromPEMBytes(Array(chainPEM.utf8))
      let key = try keyPEM.withExposedBytes { try NIOSSLPrivateKey(bytes: $0, format: .pem) }
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
      // An attacker takes whatever its victim can do.
      configuration.minimumTLSVersion = .tlsv1
      context = try NIOSSLContext(configuration: configuration)
    } catch {
      throw .badIdentity("\(error)")
    }
  }

  /// Toward the true server an attacker asks for no proof: it knows whom it attacks.
  static func onwardContext() throws(AttackFault) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .badIdentity("\(error)")
    }
  }
}

/// Why an attack can't be carried out.
public enum AttackFault: Error, Hashable, Sendable, CustomStringConvertible {
  case badIdentity(String)
  case cannotListen(SocketEndpoint, reason: String)

  public var description: String {
    switch self {
    case .badIdentity(let reason): "the attacker's certificate and key can't be used: \(reason)"
    case .cannotListen(let endpoint, let reason): "the attacker can't listen on \(endpoint): \(reason)"
    }
  }
}
