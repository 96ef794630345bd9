@_spi(TLSProofMinting) import SMTPSessions
import TransportSecurity

/// The end of a TLS handshake in a simulated world, where the channel is secure because nobody else is there.
enum ModelledHandshake {
  static var proof: TLSProof {
    TLSProof(
      facts: TLSFacts(
        version: .v1_3, cipherSuite: CipherSuite(rawValue: 0x1302), group: NamedGroup(rawValue: 0x11ec)))
  }
}
