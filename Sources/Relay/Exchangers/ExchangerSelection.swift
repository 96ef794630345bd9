import DNSRecords
import MailSyntax
import OrderedCollections

/// Which hosts take a domain's mail, in the order to try them, or why none does. Pure. Source: RFC 5321 §5.1, RFC 7505.
enum ExchangerSelection: Hashable, Sendable {
  /// Never empty; no host twice. With the names that stand for the next hop: the domain, and where its CNAME leads
  /// (RFC 7672 §3.2.2); and how many hosts there are beyond `maximumHosts`, of whose TLS nobody will know.
  case hosts([ExchangerHost], names: [DomainName], leftOut: Int)
  case fault(DestinationFault)

  /// Of a domain's hosts, so many are looked at. The first would have to fail, all of them.
  static let maximumHosts = 20

  /// - Parameters:
  ///   - answer: of the look-up of the domain's MX records.
  ///   - own: the names by which others know us as a mail exchanger.
  ///   - generator: shuffles hosts of equal preference.
  static func choose(
    from answer: DNSAnswer<MailExchanger>, for domain: DomainName, own: Set<DomainName>,
    using generator: inout some RandomNumberGenerator
  ) -> ExchangerSelection {
    switch answer {
    case .records(let set):
      return choose(from: set, for: domain, own: own, using: &generator)
    case .none(let security):
      // RFC 5321 §5.1: a domain without MX records is its own mail host, with preference 0.
      guard !own.contains(domain) else { return .fault(.onlyOurselves(domain)) }
      let host = ExchangerHost(name: .name(domain), preference: 0, isImplicit: true, security: security)
      return .hosts([host], names: [domain], leftOut: 0)
    case .noSuchName: return .fault(.noSuchDomain(domain))
    case .failed(let reason): return .fault(.lookupFailed(domain, reason: reason))
    case .bogus(let reason): return .fault(.bogus(domain, reason: reason))
    }
  }

  private static func choose(
    from set: DNSRecordSet<MailExchanger>, for domain: DomainName, own: Set<DomainName>,
    using generator: inout some RandomNumberGenerator
  ) -> ExchangerSelection {
    var preferences: OrderedDictionary<DomainName, UInt16> = [:]
    var isNull = false
    for record in set.records {
      switch record.exchange {
      case .host(let name): preferences[name] = min(preferences[name] ?? .max, record.preference)
      case .null: isNull = true
      case .unusable: break
      }
    }
    // RFC 7505 §3: a null MX stands alone. Beside real ones it is a mistake, and they count.
    guard !preferences.isEmpty else {
      return .fault(isNull ? .takesNoMail(domain) : .noUsableHost(domain))
    }
    // RFC 5321 §5.1: where we are listed ourselves, we and all who are no better are left out; else mail would circle.
    let ours = preferences.filter { own.contains($0.key) }.values.min()
    let better = preferences.filter { preference in ours.map { preference.value < $0 } ?? true }
    guard !better.isEmpty else { return .fault(.onlyOurselves(domain)) }
    var hosts: [ExchangerHost] = better.map {
      ExchangerHost(name: .name($0.key), preference: $0.value, isImplicit: false, security: set.security)
    }
    // Shuffled first: the sort keeps the order of equals.
    hosts.shuffle(using: &generator)
    hosts.sort { $0.preference < $1.preference }
    let names = set.canonicalName == domain ? [domain] : [domain, set.canonicalName]
    return .hosts(
      Array(hosts.prefix(maximumHosts)), names: names, leftOut: max(0, hosts.count - maximumHosts))
  }
}

/// One host that takes a domain's mail.
struct ExchangerHost: Hashable, Sendable {
  /// A name, or for mail to an address literal that literal.
  let name: MailDomain
  let preference: UInt16
  /// The domain itself, for want of MX records.
  let isImplicit: Bool
  /// Whether its being the domain's mail host was proven.
  let security: DNSSECState
}

extension ExchangerHost: CustomStringConvertible {
  var description: String { name.description }
  /// SNI and reference identifier.
  var tlsName: String {
    switch name {
    case .name(let name): name.folded
    case .literal(let literal): literal.address.description
    }
  }
}
