import Accounts
import MailSyntax
import Synchronization
import TransportSecurity

/// The last decision for each domain and host, so that a busy destination's is made once and not for every message.
/// `decide` is pure, and equal evidence has the same answer: what is compared is all of the evidence, every time.
final class DecidedPolicies: Sendable {
  /// Those decided longest ago go.
  static let maximumHosts = 4_096

  private struct Key: Hashable {
    let domain: MailDomain
    let host: MailDomain
  }
  private struct Entry {
    let names: [DomainName]
    let policy: AppliedPolicy
  }
  private let state = Mutex(RecencyTable<Key, Entry>(capacity: DecidedPolicies.maximumHosts))

  var count: Int { state.withLock { $0.count } }

  func policy(
    of domain: MailDomain, _ host: MailDomain, _ evidence: TLSEvidence, _ names: [DomainName]
  ) -> AppliedPolicy {
    let key = Key(domain: domain, host: host)
    if let known = state.withLock({ $0.value(for: key) }), known.policy.evidence == evidence, known.names == names {
      return known.policy
    }
    let policy = AppliedPolicy(evidence, names: names)
    state.withLock { $0.set(Entry(names: names, policy: policy), for: key) }
    return policy
  }
}
