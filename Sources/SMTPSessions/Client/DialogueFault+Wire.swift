import TransportSecurity

extension DialogueFault.Cause {
  /// How a wire ended, as a delivery sees it.
  init(_ fault: WireFault) {
    switch fault {
    case .peerClosed: self = .transport("the server closed the connection")
    case .reset(let reason): self = .transport("the connection was lost: \(reason)")
    case .handshakeFailed(let reason): self = .security("the TLS handshake failed: \(reason)")
    case .certificateRefused(let fault):
      self = .security("the certificate doesn't prove the server: \(fault.explanation)")
    case .obsoleteTLS: self = .security("the server speaks TLS 1.1 at most")
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
    }
  }
}
