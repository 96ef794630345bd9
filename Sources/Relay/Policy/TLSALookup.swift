public import DNSRecords
public import MailSyntax
public import TransportSecurity

/// Asks the DNS for the TLSA records that speak for a mail host. Source: RFC 7672 §2.2.
public struct TLSALookup: Sendable {
  private let resolver: any Resolver

  public init(_ resolver: any Resolver) { self.resolver = resolver }

  /// Looks the host's addresses up too.
  public func evidence(for host: DomainName, port: UInt16) async -> TLSAEvidence {
    async let six = resolver.addresses(of: host, family: .v6)
    async let four = resolver.addresses(of: host, family: .v4)
    return await evidence(for: host, port: port, addresses: [six, four])
  }

  /// - Parameters:
  ///   - host: the MX host's name in A-labels.
  ///   - port: that will be connected to.
  ///   - addresses: what was answered to the question for the host's addresses, in each family that is used.
  public func evidence(
    for host: DomainName, port: UInt16, addresses: [DNSAnswer<IPAddress>]
  ) async -> TLSAEvidence {
    switch TLSABase(of: host, addresses: addresses) {
    case .settled(let evidence): return evidence
    case .ask(let bases): return await evidence(at: bases, port: port)
    case .askAlias: break
    }
    switch TLSABase(of: host, addresses: addresses, alias: await resolver.alias(of: host)) {
    case .settled(let evidence): return evidence
    case .ask(let bases): return await evidence(at: bases, port: port)
    case .askAlias: return .notSought(reason: "its alias can't be had")
    }
  }

  private func evidence(at bases: [DomainName], port: UInt16) async -> TLSAEvidence {
    for base in bases {
      // A name too long for the DNS has no records.
      guard let service = try? DomainName("_\(port)._tcp", under: base) else { continue }
      switch await resolver.tlsaRecords(of: service) {
      case .records(let set):
        // What isn't proven is anybody's word, and as good as none.
        if set.security == .secure { return .published(TLSASet(base: base, records: set.records)) }
      case .none, .noSuchName: break
      case .failed(let reason), .bogus(let reason):
        // RFC 7672 §2.2: else whoever can suppress an answer could take the protection away. Nor does the next base
        // stand in for it.
        return .failed(reason: "\(service): \(reason)")
      }
    }
    return .absent
  }
}
