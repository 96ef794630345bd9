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
      let host = ExchangerHost(name: domain, preference: 0, isImplicit: true, security: .insecure)
      return .hosts([host], names: [], leftOut: 0)
    }
  }

  /// Every address in both families.
  func addresses(of host: ExchangerHost) async -> HostAddresses {
    switch host.name {
    case .literal(let literal): return .literal(literal.address)
    case .name(let name):
      async let six = resolver.addresses(of: name, family: .v6)
      async let four = resolver.addresses(of: name, family: .v4)
      return await .answers(of: name, v6: six, v4: four)
    }
  }
}

/// Where a host is.
enum HostAddresses: Hashable, Sendable {
  case literal(IPAddress)
  case answers(of: DomainName, v6: DNSAnswer<IPAddress>, v4: DNSAnswer<IPAddress>)

  /// The resolver's order, IPv6 first. One family that can't be looked up doesn't keep mail from the other.
  var found: [IPAddress] {
    switch self {
    case .literal(let address): [address]
    case .answers(_, let v6, let v4): [v6, v4].flatMap { $0.found.prefix(ExchangerLookup.maximumAddresses) }
    }
  }

  /// Whether `found` is every address that the host has: each family was answered for, and none of it was left out.
  var areAll: Bool {
    switch self {
    case .literal: true
    case .answers(_, let v6, let v4):
      [v6, v4].allSatisfy { $0.isCertain && $0.found.count <= ExchangerLookup.maximumAddresses }
    }
  }

  /// Why there is none.
  ///
  /// - Parameter isImplicit: the host is the domain itself, for want of MX records.
  func fault(isImplicit: Bool) -> DestinationFault? {
    guard case .answers(let name, let v6, let v4) = self, found.isEmpty else { return nil }
    if let fault = [v6, v4].compactMap({ $0.fault(of: name) }).first { return fault }
    return isImplicit ? .noMailHost(name) : .noAddress(name)
  }
}

extension DNSAnswer where Record == IPAddress {
  fileprivate var found: [IPAddress] {
    switch self {
    case .records(let set): set.records
    case .none, .noSuchName, .failed, .bogus: []
    }
  }

  fileprivate var isCertain: Bool {
    switch self {
    case .records, .none, .noSuchName: true
    case .failed, .bogus: false
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
