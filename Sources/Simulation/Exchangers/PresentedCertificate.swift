import MailSyntax
import SMTPSessions
import TransportSecurity

/// What a server shows for itself in a simulated world.
struct PresentedCertificate {
  let key: HostKey
  /// What its certificate says it is called.
  let names: [DomainName]
  /// Whether a public authority has signed that.
  let isTrusted: Bool

  /// As a client sees it that expects a peer: with the facts that the judge who ships would find, or the fault for which
  /// he would end it.
  func judged(by peer: ExpectedPeer) -> Result<TLSProof, WireFault> {
    let (presented, isNamed) = (names.map(\.folded), names.contains { $0.folded == peer.hostName })
    var verification = CertificateVerification.verified(hostName: peer.hostName)
    if !isTrusted {
      verification = .failed(.notTrusted(reason: "self-signed"))
    } else if !isNamed {
      verification = .failed(.hostMismatch(expected: peer.hostName, presented: presented))
    }
    var certificate = CertificateFacts(
      sha256Fingerprint: key.digest, dnsNames: presented, verification: verification)
    certificate.sha256OfPublicKey = key.digest
    let mismatch = CertificateFault.tlsaMismatch(
      reason: "no TLSA record fits the key", isVouchedFor: isTrusted && isNamed)
    if let expected = peer.dane {
      let isMeant = key.isMeant(by: expected.tlsa.records)
      certificate.dane = isMeant ? .matched(key.record, name: nil) : .failed(mismatch)
    }
    var faults: [CertificateFault] = []
    if case .failed(let fault) = verification { faults.append(fault) }
    let keyFaults = key.isMeant(by: peer.dane?.tlsa.records ?? []) ? [] : [mismatch]
    let fault: CertificateFault? =
      switch peer.demand {
      case .recorded: nil
      case .verified: faults.first
      case .dane: keyFaults.first
      case .daneAndVerified: (keyFaults + faults).first
      }
    return fault.map { .failure(.certificateRefused($0)) } ?? .success(ModelledHandshake.proof(with: certificate))
  }
}
