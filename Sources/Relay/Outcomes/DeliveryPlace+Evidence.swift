import MailQueue
import MailSyntax
import SMTPSessions
import TransportSecurity

extension DeliveryEvidence {
  /// Nil where nobody asks for a proof and there is nothing to prove.
  init?(of tls: TLSFacts?, under policy: AppliedPolicy?) {
    guard tls != nil || policy != nil else { return nil }
    let certificate = tls?.peerCertificate
    self.init(
      // A server that the configuration names proves itself, or there is no channel.
      verdict: "\(policy?.decision.verdict ?? .authenticate(.pkix))", demands: policy?.words ?? [],
      certificate: certificate?.sha256Fingerprint.hexadecimal,
      certificateNames: certificate?.dnsNames ?? [], dane: certificate?.dane?.description,
      policy: policy?.evidence.sts.summary)
  }
}

extension DeliveryPlace {
  /// The channel and what was asked of it on one line, for a report to the sender.
  var summaryForReports: String {
    let verdict = policy?.decision.verdict ?? .authenticate(.pkix)
    return (["\(channel)", "policy \(verdict)"] + (policy?.demandsForReports ?? [])).joined(separator: "; ")
  }

  /// What a failure of the channel's safety says to a person; nil where it was another's failure.
  func reading(of fault: DeliveryFault) -> TLSFailureReading? {
    guard let evidence = policy?.evidence, let failure = TLSFailure(fault) else { return nil }
    return evidence.reading(of: failure)
  }
}

extension TLSFailure {
  init?(_ fault: DeliveryFault) {
    switch fault.cause {
    case .policy(let fault): self = .obstacle(fault.obstacle, rule: fault.rule)
    case .protocolViolation where fault.stage == .startTLS || fault.stage == .handshake: self = .injected
    case .security(let fault):
      switch fault {
      case .notOffered: self = .notOffered
      case .refused: self = .refused
      case .refusedBeforeTLS: self = .refusedBeforeTLS
      case .handshake: self = .handshake
      case .obsoleteTLS: self = .obsolete
      case .certificate(let fault): self = .certificate(fault)
      case .noProvenPeer, .noMechanism, .unprovenSuccess, .authentication, .noPermit: return nil
      }
    case .reply, .transport, .protocolViolation, .unsupported, .local, .destination: return nil
    }
  }
}
