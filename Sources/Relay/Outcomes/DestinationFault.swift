public import MailSyntax

/// Why no host could be found, or asked, for a domain's mail.
public enum DestinationFault: Hashable, Sendable, CustomStringConvertible {
  /// NXDOMAIN. RFC 5321 §5.1.
  case noSuchDomain(DomainName)
  /// The domain has neither MX records nor an address.
  case noMailHost(DomainName)
  /// A null MX. RFC 7505.
  case takesNoMail(DomainName)
  /// Nobody but us would be left to send it to. RFC 5321 §5.1.
  case onlyOurselves(DomainName)
  /// MX records that name no host by a name that could be looked up.
  case noUsableHost(DomainName)
  /// The host of an MX record has no address.
  case noAddress(DomainName)
  /// Nobody could say for now.
  case lookupFailed(DomainName, reason: String)
  /// What the DNS says of the name isn't proven, though its zone is signed.
  case bogus(DomainName, reason: String)

  /// Nobody could say, or nobody may be believed: the host may well be there.
  public var isUncertain: Bool {
    switch self {
    case .lookupFailed, .bogus: true
    case .noSuchDomain, .noMailHost, .takesNoMail, .onlyOurselves, .noUsableHost, .noAddress: false
    }
  }

  /// The message is returned for it at the first attempt, and doesn't wait.
  public var isForGood: Bool {
    OutcomeTable.decide(DeliveryFault(stage: .lookup, cause: .destination(self)), of: .exchanger).action == .bounce
  }

  public var description: String {
    switch self {
    case .noSuchDomain(let name): "the domain \(name) does not exist"
    case .noMailHost(let name): "the domain \(name) has no mail server: neither MX records nor an address"
    case .takesNoMail(let name): "the domain \(name) takes no mail (null MX)"
    case .onlyOurselves(let name): "mail for \(name) would come back to this server"
    case .noUsableHost(let name): "the MX records of \(name) name no usable host"
    case .noAddress(let name): "the mail server \(name) has no address"
    case .lookupFailed(let name, let reason): "\(name) can't be looked up: \(reason)"
    case .bogus(let name, let reason): "what the DNS says of \(name) fails DNSSEC validation: \(reason)"
    }
  }
}
