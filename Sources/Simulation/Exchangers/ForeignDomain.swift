import DNSRecords
import MailSyntax
import TransportSecurity

/// A domain that isn't ours: what the DNS says of its mail, and what our operator demands of the way there.
struct ForeignDomain: Sendable {
  enum Mail: Sendable {
    case exchangers([MailExchanger])
    /// No MX record, and an address at the name itself.
    case implicit
    /// The name is there, and nothing at it takes mail.
    case nothing
    /// NXDOMAIN.
    case noSuchName
  }

  let name: DomainName
  let mail: Mail
  var floor = TLSFloor.opportunistic
  /// Its zone is: who its hosts are can be proven.
  var isSigned = false
  /// Its hosts have proven themselves for long.
  var isSteady = false
  var sts = Phases(always: STSPublication.none)

  /// The hosts that may see its mail (RFC 5321 §5.1): those better than ourselves, where we are among them.
  func hosts(own: DomainName) -> [DomainName] {
    switch mail {
    case .exchangers(let records):
      var best: UInt16?
      for record in records where record.exchange == .host(own) { best = min(best ?? .max, record.preference) }
      return records.compactMap { record in
        guard case .host(let host) = record.exchange, best.map({ record.preference < $0 }) ?? true else { return nil }
        return host
      }
    case .implicit: return [name]
    case .nothing, .noSuchName: return []
    }
  }
}
