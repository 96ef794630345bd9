public import DNSRecords
public import MailSyntax
public import SMTPSessions
public import TransportSecurity

/// All that a delivery to a domain would go by, host by host, with the decision of each: what `DestinationSurvey` found.
public struct DestinationAccount: Hashable, Sendable {
  /// In the one form that domains are looked up by.
  public let domain: MailDomain
  public let wish: TLSWish
  /// When it was looked at.
  public let moment: UTCInstant
  /// Where the hosts are connected to.
  public let port: UInt16
  public let floor: OperatorFloor
  /// Where the domain's CNAME leads.
  public internal(set) var alias: DomainName?
  /// `_mta-sts.DOMAIN`. RFC 8461 §3.1.
  public internal(set) var announcement = TextAnnouncement.notSought
  /// `_smtp._tls.DOMAIN`: where the domain wants its reports. RFC 8460 §3.
  public internal(set) var reporting = TextAnnouncement.notSought
  /// Nil where policies aren't looked at.
  public internal(set) var sts: STSEvidence?
  public internal(set) var history: SteadyTLS?
  /// In the order in which they are tried; empty where there is a fault.
  public internal(set) var hosts: [HostAccount] = []
  /// Why no host could be found.
  public internal(set) var fault: DestinationFault?

  /// Whether the hosts were proven to be the domain's; nil where there are none.
  public var exchangers: DNSSECState? { hosts.first?.security }

  init(_ domain: MailDomain, wish: TLSWish, floor: OperatorFloor, port: UInt16, at moment: UTCInstant) {
    self.domain = domain
    self.wish = wish
    self.floor = floor
    self.port = port
    self.moment = moment
  }

  /// What would be decided of a host that a forged MX record names: not proven, and of no TLSA record, for an attacker's
  /// own could only ask for more.
  ///
  /// - Parameter sts: another evidence of the domain's policy, in place of what was found.
  public func decision(forForgedHost host: DomainName, sts: STSEvidence? = nil) -> TLSDecision {
    var evidence = TLSEvidence(host: host, floor: floor)
    evidence.wish = wish
    evidence.history = history
    evidence.sts = sts ?? self.sts ?? .absent
    return decide(evidence)
  }
}

/// A TXT record that a domain may announce something by.
public enum TextAnnouncement: Hashable, Sendable {
  /// Of so many records at most, each cut to so many octets.
  public static let maximumTexts = 10
  public static let maximumOctets = 512

  /// The domain is an address, or has no mail host.
  case notSought
  case absent
  /// Those of the kind that was sought, as they stand there; never empty.
  case published([String], DNSSECState)
  /// Nobody could say for now, or nobody may be believed.
  case failed(reason: String)
}

/// One mail host of a domain.
public struct HostAccount: Hashable, Sendable {
  public struct Address: Hashable, Sendable {
    public let address: IPAddress
    public let security: DNSSECState
  }

  /// A name, or for mail to an address literal that literal.
  public let name: MailDomain
  public let preference: UInt16
  /// The domain itself, for want of MX records.
  public let isImplicit: Bool
  /// Whether its being the domain's mail host was proven.
  public let security: DNSSECState
  public let addresses: [Address]
  /// Why it has no address.
  public let fault: DestinationFault?
  /// Evidence and decision; nil where there is no address to go to.
  public let policy: AppliedPolicy?

  /// The reference identifier of its certificate.
  public let tlsName: String

  /// A connection may be made under the decision.
  public var mayBeUsed: Bool {
    switch policy?.decision.verdict {
    case .opportunistic, .encrypt, .authenticate: true
    case .tryLater, .refuse, nil: false
    }
  }

  /// The rule that keeps mail from it, with its obstacle.
  public var obstacle: (obstacle: TLSObstacle, rule: TLSFinding.Rule)? {
    policy.flatMap { PolicyFault($0.decision) }.map { ($0.obstacle, $0.rule) }
  }

  /// How the obstacle reads to a person.
  public var readingOfObstacle: TLSFailureReading? {
    guard let (obstacle, rule) = obstacle else { return nil }
    return policy?.evidence.reading(of: .obstacle(obstacle, rule: rule))
  }

  /// How a fault of a session with it reads to a person, as a delivery would tell it; nil where it is none of TLS.
  public func reading(of fault: DialogueFault) -> TLSFailureReading? {
    TLSFailure(DeliveryFault(fault)).flatMap { policy?.evidence.reading(of: $0) }
  }
}
