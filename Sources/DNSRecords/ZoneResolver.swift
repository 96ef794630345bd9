public import MailSyntax

/// Answers from a zone in memory: for a demonstration, a laboratory and tests. What nothing is said of isn't there.
public struct ZoneResolver: Resolver, Hashable {
  private var exchangers: [DomainName: DNSAnswer<MailExchanger>] = [:]
  private var addresses: [DomainName: [AddressFamily: DNSAnswer<IPAddress>]] = [:]
  private var texts: [DomainName: DNSAnswer<[UInt8]>] = [:]
  private var tlsa: [DomainName: DNSAnswer<TLSARecord>] = [:]
  private var aliases: [DomainName: DNSAnswer<DomainName>] = [:]
  /// By the name below in-addr.arpa or ip6.arpa.
  private var pointers: [DomainName: DNSAnswer<DomainName>] = [:]
  /// Those that are there though nothing stands at them.
  private var bareNames: Set<DomainName> = []
  private var failingNames: Set<DomainName> = []

  /// One that holds whatever the zone doesn't say otherwise.
  public static let timeToLive = Duration.seconds(300)

  public init() {}

  public mutating func set(_ answer: DNSAnswer<MailExchanger>, for name: DomainName) { exchangers[name] = answer }
  public mutating func set(_ answer: DNSAnswer<IPAddress>, for name: DomainName, family: AddressFamily) {
    addresses[name, default: [:]][family] = answer
  }
  public mutating func set(_ answer: DNSAnswer<[UInt8]>, for name: DomainName) { texts[name] = answer }
  public mutating func set(_ answer: DNSAnswer<TLSARecord>, for name: DomainName) { tlsa[name] = answer }
  public mutating func set(_ answer: DNSAnswer<DomainName>, for name: DomainName) { aliases[name] = answer }
  public mutating func set(pointers answer: DNSAnswer<DomainName>, at name: DomainName) { pointers[name] = answer }

  /// A name of which nobody can say what it doesn't have here.
  public mutating func fail(_ name: DomainName) { failingNames.insert(name) }

  /// A name that is there, whatever stands at it.
  public mutating func add(_ name: DomainName) { bareNames.insert(name) }

  /// A domain whose mail goes to these hosts, the first of them first.
  public mutating func add(_ domain: DomainName, exchangers hosts: [DomainName], security: DNSSECState = .insecure) {
    let records = hosts.enumerated().map {
      MailExchanger(preference: UInt16(truncatingIfNeeded: 10 * ($0 + 1)), exchange: .host($1))
    }
    set(.of(records, at: domain, security), for: domain)
  }

  /// A host and where it is.
  public mutating func add(_ host: DomainName, at found: [IPAddress], security: DNSSECState = .insecure) {
    for family in AddressFamily.allCases {
      set(.of(found.filter { $0.family == family }, at: host, security), for: host, family: family)
    }
  }

  public func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    exchangers[name] ?? absence(of: name)
  }
  public func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    addresses[name]?[family] ?? absence(of: name)
  }
  public func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { texts[name] ?? absence(of: name) }
  public func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { tlsa[name] ?? absence(of: name) }
  public func alias(of name: DomainName) async -> DNSAnswer<DomainName> { aliases[name] ?? absence(of: name) }

  public func names(of address: IPAddress) async -> DNSAnswer<DomainName> {
    guard let name = address.reverseName else { return .noSuchName(.insecure) }
    return pointers[name] ?? absence(of: name)
  }

  private func absence<Record>(of name: DomainName) -> DNSAnswer<Record> {
    if failingNames.contains(name) { return .failed(reason: "no answer, as was asked for") }
    let isThere =
      exchangers[name] != nil || addresses[name] != nil || texts[name] != nil || tlsa[name] != nil
      || aliases[name] != nil || pointers[name] != nil || bareNames.contains(name)
    return isThere ? .none(.insecure) : .noSuchName(.insecure)
  }
}

extension DNSAnswer {
  fileprivate static func of(_ records: [Record], at name: DomainName, _ security: DNSSECState) -> DNSAnswer {
    guard !records.isEmpty else { return .none(security) }
    return .records(
      DNSRecordSet(
        records: records, canonicalName: name, security: security, timeToLive: ZoneResolver.timeToLive))
  }
}
