public import DNSRecords
public import MailSyntax

/// Where a host's TLSA records are to be looked for, by what its addresses showed.
///
/// They are looked up first: where they aren't proven, TLSA records couldn't be, and many name servers of unsigned
/// zones answer such questions badly (RFC 7672 §2.2.2). Of a chain of aliases either end may have the records, never a
/// name in between (§2.2.2, §2.2.3).
public enum TLSABase: Hashable, Sendable {
  /// These in turn, until one has proven records. One or two.
  case ask([DomainName])
  /// The host is an alias and the chain as a whole isn't proven: whether its own CNAME is, has to be asked.
  case askAlias
  /// Nothing has to be asked.
  case settled(TLSAEvidence)

  /// - Parameters:
  ///   - host: the MX host's name in A-labels.
  ///   - addresses: what was answered in each family. One family that nobody could answer for doesn't matter where the
  ///     other is proven: the records are looked for, and bind every address. Two families of one name stand in one
  ///     zone, so nothing is proven by the failure of one but that it failed.
  ///   - alias: of the host, where `.askAlias` was answered before.
  public init(of host: DomainName, addresses: [DNSAnswer<IPAddress>], alias: DNSAnswer<DomainName>? = nil) {
    let found = addresses.compactMap(\.set)
    guard let first = found.first else {
      if let reason = addresses.lazy.compactMap(\.failure).first {
        self = .settled(.failed(reason: "its addresses can't be had: \(reason)"))
      } else {
        self = .settled(.notSought(reason: "it has no address"))
      }
      return
    }
    if let proven = found.first(where: { $0.security == .secure }) {
      self = .ask(proven.canonicalName == host ? [host] : [proven.canonicalName, host])
      return
    }
    guard first.canonicalName != host else {
      self = .settled(.notSought(reason: "its addresses aren't proven by DNSSEC"))
      return
    }
    guard let alias else {
      self = .askAlias
      return
    }
    switch alias {
    case .records(let set) where set.security == .secure: self = .ask([host])
    case .records, .none, .noSuchName:
      self = .settled(.notSought(reason: "neither its addresses nor its alias are proven by DNSSEC"))
    case .failed(let reason), .bogus(let reason):
      // RFC 7672 §2.1.3: an error in a chain fails the look-up.
      self = .settled(.failed(reason: "its alias can't be had: \(reason)"))
    }
  }
}

extension DNSAnswer {
  fileprivate var set: DNSRecordSet<Record>? {
    switch self {
    case .records(let set): set
    case .none, .noSuchName, .failed, .bogus: nil
    }
  }

  fileprivate var failure: String? {
    switch self {
    case .records, .none, .noSuchName: nil
    case .failed(let reason), .bogus(let reason): reason
    }
  }
}
