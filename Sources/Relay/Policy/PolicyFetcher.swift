public import MailSyntax
public import TransportSecurity

/// Gets the policy file that a domain publishes over HTTPS. Source: RFC 8461 §3.3.
public protocol PolicyFetcher: Sendable {
  /// Fetches it once, without a cache and within bounds of time and size of its own. Ends early when the task is
  /// cancelled.
  ///
  /// - Parameters:
  ///   - domain: the policy domain, in A-labels.
  ///   - need: where not everything can be fetched at once, mail that waits comes first.
  func fetch(_ domain: DomainName, for need: PolicyNeed) async throws(STSTrouble) -> STSPolicy
}

/// What a policy is fetched for.
public enum PolicyNeed: Hashable, Sendable {
  /// Mail waits for it, or an operator.
  case mail
  /// It is only looked after: the one that is kept holds meanwhile.
  case upkeep
}
