public import MailQueue
public import MailSyntax
public import Relay

extension RouteKey {
  /// The delivery of one of our domains.
  public static func domain(_ name: DomainName) -> RouteKey { RouteKey(rawValue: "domain/\(name.folded)") }
}

extension Configuration {
  /// Our domains as the relay knows them, in the order of the file. Each has the route `RouteKey.domain` of its name.
  public var localDomains: [LocalDomain] {
    domains.map(\.local)
  }

  /// Where mail for other domains goes; nil where it is refused.
  public var outboundRoute: Routing.Outbound? {
    switch outbound.route {
    case .none: nil
    case .exchangers: .exchangers
    case .smarthost, .local: .route(.outbound)
    }
  }

  /// Throws for a configuration that `ConfigurationFile` made only where two spellings name one domain.
  public func routing(converter: any IDNAConverter = UnchangedNames()) throws(RoutingFaults) -> Routing {
    try Routing(domains: localDomains, outbound: outboundRoute, converter: converter)
  }

  // MARK: Places in the file

  static func place(of domain: DomainName) -> String { "domains.\(domain.folded)" }
  static func place(ofRecipient localPart: String, in domain: String) -> String {
    "\(domain).recipients.\(localPart.lowercasedASCII())"
  }
  static func place(ofAlias localPart: String, in domain: String) -> String {
    "\(domain).aliases/\(localPart.lowercasedASCII())"
  }
}

extension Configuration.Domain {
  var local: LocalDomain {
    var domain = LocalDomain(
      name: name, recipients: recipients.map { LocalDomain.Recipient($0) },
      aliases: aliases.map { LocalDomain.Alias($0.localPart, targets: $0.targets) }, catchAll: catchAll,
      delivery: .domain(name), postmaster: postmaster, abuse: abuse, recipientDelimiter: recipientDelimiter)
    domain.asksForRecipients = asksForRecipients
    return domain
  }
}
