import MailSyntax
import SMTPSessions
import TransportSecurity

extension ExchangerAttempt {
  /// What an address has shown of its TLS.
  enum SightOfTLS {
    /// A session that began; nil in clear.
    case channel(TLSFacts?)
    /// TLS, with a certificate that wasn't enough for what was asked.
    case unproven
    /// It wasn't offered, or failed.
    case none

    fileprivate var level: SteadyTLS.Level? {
      switch self {
      case .channel(let facts): facts?.steadyLevel
      case .unproven: .encrypted
      case .none: nil
      }
    }
  }

  /// For the ratchet. The second look in clear shows nothing new.
  func noteSight(_ sight: SightOfTLS, of host: ExchangerHost, _ peer: DialledPeer?) {
    guard let ratchet = deliverer.memory.ratchet, let domain = domain.name, let name = host.name.name,
      let address = peer?.endpoint?.address
    else { return }
    ratchet.note(domain, host: name, address: address, sight.level)
  }
}

extension OpeningFault {
  /// Nil where the failure says nothing of TLS.
  var sightOfTLS: ExchangerAttempt.SightOfTLS? {
    if fault.isRefusedCertificate { return .unproven }
    return fault.isTLSFailure || fault.cause == .security(.notOffered) ? ExchangerAttempt.SightOfTLS.none : nil
  }
}

extension TLSFacts {
  /// Whether the host was proven, whatever was demanded.
  fileprivate var steadyLevel: SteadyTLS.Level {
    switch (peerCertificate?.verification, peerCertificate?.dane) {
    case (.verified, _), (_, .matched): .verified
    case (_, _): .encrypted
    }
  }
}
