import DNSRecords
import MailSyntax

/// Asks the DNS who takes a domain's mail, and where they are.
struct ExchangerLookup: Sendable {
  /// Of a host's addresses of one family, so many are tried.
  static let maximumAddresses = 8

  let resolver: any Resolver
  /// The names by which others know us as a mail exchanger.
  let own: Set<DomainName>
  let random: any RandomSource

  func hosts(of domain: MailDomain) async -> ExchangerSelection {
    switch domain {
    case .name(let name):
      let answer = await resolver.mailExchangers(of: name)
      var generator = RandomSourceGenerator(random)
      return ExchangerSelection.choose(from: answer, for: name, own: own, using: &generator)
    case .literal:
      // RFC 5321 §2.3.4, §5.1: a literal is the host itself.
      return .hosts([ExchangerHost(name: domain, preference: 0, isImplicit: true, security: .insecure)])
    }
  }

  enum Addresses: Hashable, Sendable {
    /// Never empty: the resolver's order, IPv6 first.
    case found([IPAddress])
    case fault(DestinationFault)
  }

  /// Every address in both families. One family that can't be looked up doesn't keep mail from the other.
  func addresses(of host: ExchangerHost) async -> Addresses {
    switch host.name {
    case .literal(let literal):
      return .found([literal.address])
    case .name(let name):
      async let six = resolver.addresses(of: name, family: .v6)
      async let four = resolver.addresses(of: name, family: .v4)
      let answers = await [six, four]
      let found = answers.flatMap { Array($0.found.prefix(ExchangerLookup.maximumAddresses)) }
      guard found.isEmpty else { return .found(found) }
      if let fault = answers.compactMap({ $0.fault(of: name) }).first { return .fault(fault) }
      return .fault(host.isImplicit ? .noMailHost(name) : .noAddress(name))
    }
  }
}

extension DNSAnswer where Record == IPAddress {
  fileprivate var found: [IPAddress] {
    switch self {
    case .records(let set): set.records
    case .none, .noSuchName, .failed, .bogus: []
    }
  }

  /// Nil where the DNS said for sure that there is nothing.
  fileprivate func fault(of name: DomainName) -> DestinationFault? {
    switch self {
    case .records, .none, .noSuchName: nil
    case .failed(let reason): .lookupFailed(name, reason: reason)
    case .bogus(let reason): .bogus(name, reason: reason)
    }
  }
}
