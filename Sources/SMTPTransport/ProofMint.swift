@_spi(TLSProofMinting) import SMTPSessions
import TransportSecurity

/// The one place of this room that mints a proof; `WireChannelHandler` calls it when it has seen a handshake end.
func mintProof(of facts: TLSFacts) -> TLSProof { TLSProof(facts: facts) }
