public import MailQueue
public import MailSyntax
public import TransportSecurity

/// What an operator may ask about the MTA-STS policies that are kept. Whoever looks after them answers; where nobody
/// does, `StoredPolicyDesk` answers from the store.
public protocol PolicyDesk: Sendable {
  /// By their names.
  func policies() async throws(StoreFault) -> [PolicyStanding]
  func policy(of domain: DomainName) async throws(StoreFault) -> PolicyStanding?
  /// Fetches a domain's policy now, whatever its TXT record says of news. Nil where it announces none and none is kept.
  func refresh(_ domain: DomainName) async throws(PolicyDeskFault) -> PolicyStanding?
  /// False where none is kept. The caller has written the audit.
  func forget(_ domain: DomainName) async throws(StoreFault) -> Bool
}

/// A policy that is kept, and how looking after it goes.
public struct PolicyStanding: Hashable, Sendable {
  public let stored: StoredSTSPolicy
  /// When it is looked after next, where that is known.
  public var refreshAt: UTCInstant?
  /// Why it could not be looked after the last time.
  public var trouble: STSTrouble?
  /// False for one that has expired: it is kept for a day more, in case the clock is wrong.
  public var isInForce: Bool
  public init(
    _ stored: StoredSTSPolicy, refreshAt: UTCInstant? = nil, trouble: STSTrouble? = nil, isInForce: Bool = true
  ) {
    self.stored = stored
    self.isInForce = isInForce
    self.refreshAt = refreshAt
    self.trouble = trouble
  }
}

public enum PolicyDeskFault: Error, Hashable, Sendable {
  /// Nobody here fetches policies.
  case noFetcher
  /// It could not be fetched; what is kept holds.
  case trouble(STSTrouble)
  case store(StoreFault)
}

/// The store alone, without anybody who fetches.
public struct StoredPolicyDesk: PolicyDesk {
  private let store: any PolicyStore
  private let clock: any MailClock

  public init(_ store: any PolicyStore, clock: any MailClock) {
    self.store = store
    self.clock = clock
  }

  public func policies() async throws(StoreFault) -> [PolicyStanding] {
    let now = clock.now
    return try await store.policies().map { PolicyStanding($0, isInForce: now < $0.known.expiresAt) }
  }

  public func policy(of domain: DomainName) async throws(StoreFault) -> PolicyStanding? {
    try await policies().first { $0.stored.domain == domain }
  }

  public func refresh(_ domain: DomainName) async throws(PolicyDeskFault) -> PolicyStanding? { throw .noFetcher }

  public func forget(_ domain: DomainName) async throws(StoreFault) -> Bool {
    guard try await policy(of: domain) != nil else { return false }
    try await store.removePolicy(of: domain)
    return true
  }
}
