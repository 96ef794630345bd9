public import SMTPGrammar
public import TransportSecurity

/// Why a channel isn't as safe as was asked for. Its description is a clause for people, without a full stop.
public enum SecurityFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// STARTTLS isn't among what the server offers, or was cut out on the way.
  case notOffered
  /// STARTTLS was offered, and answered with no (RFC 3207 §4).
  case refused(ServerReply)
  /// The session was refused before TLS, which was demanded: anybody on the way may have said so.
  case refusedBeforeTLS(ServerReply)
  /// The handshake ended without TLS.
  case handshake(String)
  /// The server's best is TLS 1.1 (RFC 8996 §5).
  case obsoleteTLS
  /// What was presented doesn't prove the host that was to be met, as it was demanded.
  case certificate(CertificateFault)
  /// A credential waits for a peer whose name is proven (Law 3).
  case noProvenPeer
  /// None of the server's mechanisms fits the credential.
  case noMechanism
  /// The server claims success without having shown that it knows the password (RFC 5802 §5).
  case unprovenSuccess(String)
  /// The exchange of AUTH went where it must not.
  case authentication(String)
  /// Mail was given to a session in clear without a `CleartextPermit`.
  case noPermit

  public var description: String {
    switch self {
    case .notOffered: "the server doesn't offer STARTTLS"
    case .refused(let reply): "the server refused STARTTLS: \(reply)"
    case .refusedBeforeTLS(let reply): "the server refused before TLS, where anybody may say so: \(reply)"
    case .handshake(let reason): "the TLS handshake failed: \(reason)"
    case .obsoleteTLS: "the server speaks TLS 1.1 at most"
    case .certificate(let fault): "the certificate doesn't prove the server: \(fault.explanation)"
    case .noProvenPeer: "the server's certificate doesn't prove its name: no credential is sent"
    case .noMechanism: "the server offers no AUTH mechanism that fits the credential"
    case .unprovenSuccess(let reason): "the server claims success without proof: \(reason)"
    case .authentication(let reason): "AUTH can't go on: \(reason)"
    case .noPermit: "mail doesn't go over a channel without TLS here"
    }
  }
}

extension CertificateFault {
  fileprivate var explanation: String {
    switch self {
    case .hostMismatch(let expected, let presented):
      "it is for \(presented.joined(separator: ", ")), not for \(expected)"
    case .expired: "it has expired"
    case .notTrusted(let reason): reason
    case .tlsaMismatch(let reason, _): "DANE: \(reason)"
    }
  }
}
