import DNSRecords
import MailSyntax
import PolicyTransport
import Relay
import Synchronization
import TransportSecurity

/// By what MTA-STS policies are found and fetched: a reload may put others in place, while what is known of policies
/// stays. What is under way ends on those it began with.
final class PolicyReach: Resolver, PolicyFetcher {
  private struct Standing {
    var resolver: (any Resolver)?
    var fetcher: (any PolicyFetcher)?
  }
  private let standing = Mutex(Standing())

  /// - Parameters:
  ///   - resolver: nil where the configuration needs none.
  ///   - fetcher: nil where nobody would be believed.
  func replace(resolver: (any Resolver)?, fetcher: (any PolicyFetcher)?) {
    standing.withLock { $0 = Standing(resolver: resolver, fetcher: fetcher) }
  }

  func fetch(_ domain: DomainName, for need: PolicyNeed) async throws(STSTrouble) -> STSPolicy {
    guard let fetcher = standing.withLock({ $0.fetcher }) else {
      throw STSTrouble(.stsPolicyFetchError, "this configuration sends no mail by MX and fetches no policies")
    }
    return try await fetcher.fetch(domain, for: need)
  }

  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
    await resolver?.mailExchangers(of: name) ?? PolicyReach.nobody()
  }
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
    await resolver?.addresses(of: name, family: family) ?? PolicyReach.nobody()
  }
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
    await resolver?.texts(of: name) ?? PolicyReach.nobody()
  }
  func textsAtHand(of name: DomainName) -> DNSAnswer<[UInt8]>? { resolver?.textsAtHand(of: name) }
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> {
    await resolver?.tlsaRecords(of: name) ?? PolicyReach.nobody()
  }
  func names(of address: IPAddress) async -> DNSAnswer<DomainName> {
    await resolver?.names(of: address) ?? PolicyReach.nobody()
  }
  func alias(of name: DomainName) async -> DNSAnswer<DomainName> {
    await resolver?.alias(of: name) ?? PolicyReach.nobody()
  }

  private var resolver: (any Resolver)? { standing.withLock { $0.resolver } }

  private static func nobody<Record>() -> DNSAnswer<Record> {
    .failed(reason: "this configuration looks up no names")
  }
}
