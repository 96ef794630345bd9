@_spi(TLSProofMinting) import SMTPSessions
import TransportSecurity

/// The end of a TLS handshake in a simulated world, where the channel is secure because nobody else is there.
enum ModelledHandshake {
  /// As a server sees it.
  static var proof: TLSProof { proof(with: nil) }
  /// As a client sees it whose peer's certificate proves `hostName`.
  static func proof(of hostName: String) -> TLSProof {
    proof(with: certificate([hostName], .verified(hostName: hostName)))
  }
  /// … and one whose peer's certificate proves nothing.
  static var proofOfNobody: TLSProof { proof(with: certificate([], .failed(.notTrusted(reason: "self-signed")))) }

  private static func certificate(_ names: [String], _ verification: CertificateVerification) -> CertificateFacts {
    CertificateFacts(sha256Fingerprint: Array(repeating: 7, count: 32), dnsNames: names, verification: verification)
  }

  private static func proof(with certificate: CertificateFacts?) -> TLSProof {
    TLSProof(
      facts: TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec),
        peerCertificate: certificate))
  }
}
