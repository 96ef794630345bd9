import MailSyntax

/// Whom a client's TLS handshake is to meet, and how surely.
public struct ExpectedPeer: Hashable, Sendable {
  /// The reference identifier that public authorities are to vouch for: a DNS name in A-labels, or the text of an address
  /// (RFC 9525 §6.1).
  public var hostName: String
  /// What SNI asks for: the host, or its TLSA base domain where TLSA records speak for it (RFC 7672 §8.1).
  public var serverName: String
  public var demand: CertificateDemand
  /// The TLSA records that speak for the host. They are matched whatever is demanded.
  public var dane: DANEExpectation?

  public init(hostName: String, demand: CertificateDemand, dane: DANEExpectation? = nil) {
    self.hostName = hostName
    self.demand = demand
    self.dane = dane
    serverName = dane?.tlsa.base.folded ?? hostName
  }

  /// Why what was presented isn't what was demanded; nil where it is. With nothing presented nothing is proven.
  public func fault(with presented: CertificateFacts?) -> CertificateFault? {
    guard let presented else {
      return demand == .recorded ? nil : .notTrusted(reason: "no certificate was presented")
    }
    return switch demand {
    case .recorded: nil
    case .verified: presented.fault(provingByAuthorities: hostName)
    case .dane: presented.daneFault
    case .daneAndVerified: presented.daneFault ?? presented.fault(provingByAuthorities: hostName)
    }
  }
}

/// By what a server has to prove itself.
public enum CertificateDemand: String, Hashable, Sendable, CaseIterable {
  /// By nothing: what is known of it is written down.
  case recorded
  /// By a chain to a public authority, in date, for the host's name (RFC 5280, RFC 9525).
  case verified
  /// By its TLSA records (RFC 7672).
  case dane
  /// By both.
  case daneAndVerified
}

extension CertificateFacts {
  fileprivate func fault(provingByAuthorities hostName: String) -> CertificateFault? {
    switch verification {
    case .verified(let proven) where proven.lowercasedASCII() == hostName.lowercasedASCII(): nil
    case .verified(let proven): .hostMismatch(expected: hostName, presented: [proven])
    case .failed(let fault): fault
    }
  }

  fileprivate var daneFault: CertificateFault? {
    switch dane {
    case .matched: return nil
    case .failed(.tlsaMismatch(let reason, _)):
      guard case .verified = verification else { return .tlsaMismatch(reason: reason) }
      return .tlsaMismatch(reason: reason, isVouchedFor: true)
    case .failed(let fault): return fault
    case nil: return .tlsaMismatch(reason: "no TLSA record was there to match")
    }
  }
}
