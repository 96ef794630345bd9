@_spi(TLSProofMinting) import SMTPSessions
import TransportSecurity

/// The end of a TLS handshake in a simulated world.
enum ModelledHandshake {
  /// As a server sees it.
  static var proof: TLSProof { proof(with: nil) }

  /// … and as a client does, with what it found of the certificate.
  static func proof(with certificate: CertificateFacts?) -> TLSProof {
    TLSProof(
      facts: TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec),
        peerCertificate: certificate))
  }
}
