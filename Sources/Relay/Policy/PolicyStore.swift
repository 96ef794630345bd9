public import MailQueue
public import MailSyntax
public import TransportSecurity

/// What outlives a restart beside the queue: the MTA-STS policies that hold until they expire (Law 2), operators' dated
/// overrides, and what mail hosts have steadily shown. Each call returns when what it wrote survives a power cut.
public protocol PolicyStore: Sendable {
  func policies() async throws(StoreFault) -> [StoredSTSPolicy]
  func put(_ policy: StoredSTSPolicy) async throws(StoreFault)
  func removePolicy(of domain: DomainName) async throws(StoreFault)

  /// All that nobody has ended, the oldest first: in force, still to come, or over by the clock.
  func overrides() async throws(StoreFault) -> [NumberedOverride]
  /// Ends those of the same domain and reach in the same transaction. All of it is also written to the audit log.
  ///
  /// - Parameter weakerThan: the stricter floors within its reach, for the audit.
  func add(_ override: FloorOverride, weakerThan: String?) async throws(StoreFault) -> NumberedOverride
  /// Ends it now. Also written to the audit log, by whom and why.
  func end(_ number: Int64, at moment: UTCInstant, author: String, reason: String) async throws(StoreFault)

  func steadyRecords() async throws(StoreFault) -> [SteadyRecord]
  func put(_ records: [SteadyRecord]) async throws(StoreFault)
  func removeSteadyRecords(of domain: DomainName) async throws(StoreFault)
}

extension PolicyStore {
  /// Where no stricter floor stands within its reach, as far as anybody knows.
  public func add(_ override: FloorOverride) async throws(StoreFault) -> NumberedOverride {
    try await add(override, weakerThan: nil)
  }
}

/// A policy with what looking after it needs.
public struct StoredSTSPolicy: Hashable, Sendable {
  public let domain: DomainName
  public var known: KnownSTSPolicy
  /// The last time that the domain's mail asked for it: one that nobody asks for is left to expire.
  public var usedAt: UTCInstant
  public init(domain: DomainName, known: KnownSTSPolicy, usedAt: UTCInstant) {
    self.domain = domain
    self.known = known
    self.usedAt = usedAt
  }
}

public struct NumberedOverride: Hashable, Sendable {
  public let number: Int64
  public let override: FloorOverride
  public init(number: Int64, override: FloorOverride) {
    self.number = number
    self.override = override
  }
}

/// What one address of a domain's MX host has shown, over time.
public struct SteadyRecord: Hashable, Sendable {
  public struct Key: Hashable, Sendable {
    /// The recipients' domain.
    public let domain: DomainName
    public let host: DomainName
    public let address: IPAddress
    public init(domain: DomainName, host: DomainName, address: IPAddress) {
      self.domain = domain
      self.host = host
      self.address = address
    }
  }
  public let key: Key
  public var level: SteadyTLS.Level
  /// Sights at this level or a better one, one after another.
  public var successes: Int
  public var firstAt: UTCInstant
  public var lastAt: UTCInstant
  /// Of the drop that stands for the record's domain; each of its records has it, so that no restart begins the hold
  /// anew.
  public var drop: Drop?

  public struct Drop: Hashable, Sendable {
    public let firstAt: UTCInstant
    public var lastAt: UTCInstant
    public init(firstAt: UTCInstant, lastAt: UTCInstant) {
      self.firstAt = firstAt
      self.lastAt = lastAt
    }
  }

  public init(
    key: Key, level: SteadyTLS.Level, successes: Int, firstAt: UTCInstant, lastAt: UTCInstant, drop: Drop? = nil
  ) {
    self.key = key
    self.level = level
    self.successes = successes
    self.firstAt = firstAt
    self.lastAt = lastAt
    self.drop = drop
  }
}
