public import MailQueue
public import MailSyntax
public import TransportSecurity

/// What operators did to the transport policy, kept for good: nothing in it is ever changed or taken out.
public protocol PolicyAudit: Sendable {
  /// Returns when the record survives a power cut.
  func record(_ record: PolicyAuditRecord) async throws(StoreFault)
  /// The newest `limit`, the oldest of them first.
  func auditRecords(limit: Int) async throws(StoreFault) -> [PolicyAuditRecord]
}

/// One deed: who, what, why, when.
public struct PolicyAuditRecord: Hashable, Sendable {
  public enum Deed: String, Hashable, Sendable, CaseIterable {
    case overrideAdded = "override-added"
    /// By a person, before its time.
    case overrideEnded = "override-ended"
    /// By itself, at its time.
    case overrideExpired = "override-expired"
    /// A kept MTA-STS policy was forgotten by a person's word.
    case policyForgotten = "policy-forgotten"
  }

  public let deed: Deed
  public let at: UTCInstant
  public let domain: DomainName
  public let author: String
  public let reason: String
  /// The override's; nil for a policy.
  public let override: Override?
  /// Of an override that was added: the stricter floors within its reach, as far as they were known; nil for none.
  public let weakerThan: String?

  public struct Override: Hashable, Sendable {
    public let number: Int64
    public let floor: TLSFloor
    public let until: UTCInstant
    public init(number: Int64, floor: TLSFloor, until: UTCInstant) {
      self.number = number
      self.floor = floor
      self.until = until
    }
  }

  public init(
    _ deed: Deed, at: UTCInstant, domain: DomainName, author: String, reason: String, override: Override? = nil,
    weakerThan: String? = nil
  ) {
    self.deed = deed
    self.at = at
    self.domain = domain
    self.author = author
    self.reason = reason
    self.override = override
    self.weakerThan = weakerThan
  }

  /// What a store writes with every override that it takes in.
  public static func added(
    _ override: NumberedOverride, weakerThan: String? = nil, at moment: UTCInstant
  ) -> PolicyAuditRecord {
    PolicyAuditRecord(
      .overrideAdded, at: moment, domain: override.override.domain, author: override.override.author,
      reason: override.override.reason, override: Override(override), weakerThan: weakerThan)
  }

  /// What a store writes with an override that ends with the addition of another.
  public static func replaced(
    _ override: NumberedOverride, by other: NumberedOverride, at moment: UTCInstant
  ) -> PolicyAuditRecord {
    // One whose time was over already, and nobody had looked, ended by itself.
    guard moment < override.override.until else {
      return .ended(
        override, at: override.override.until, author: override.override.author, reason: NumberedOverride.expiry)
    }
    return .ended(
      override, at: moment, author: other.override.author,
      reason: NumberedOverride.replacement(by: other.number))
  }

  /// What a store writes with every override that it lets go: at its time or behind it, it ended by itself.
  public static func ended(
    _ override: NumberedOverride, at moment: UTCInstant, author: String, reason: String
  ) -> PolicyAuditRecord {
    PolicyAuditRecord(
      moment < override.override.until ? .overrideEnded : .overrideExpired, at: moment,
      domain: override.override.domain, author: author, reason: reason, override: Override(override))
  }
}

extension PolicyAuditRecord.Override {
  fileprivate init(_ override: NumberedOverride) {
    self.init(number: override.number, floor: override.override.floor, until: override.override.until)
  }
}

/// How much a policy store keeps.
public struct PolicyStoreBounds: Sendable {
  /// The longest unused go first; an unexpired enforce policy goes for want of room only where no weaker one can, and
  /// that is an alarm.
  public var policies = 100_000
  /// Whole domains go, those first of which nothing was seen for longest.
  public var steadyRecords = 200_000
  public init() {}
}

extension StoredSTSPolicy {
  /// Stands for a stored policy of mode enforce, or of an unknown one, that can't be read any more: it lists no host. So
  /// the domain's mail waits, unless DANE speaks for it, until the policy is fetched anew or a person forgets it (Law 2).
  public static func unreadable(
    _ domain: DomainName, fetchedAt: UTCInstant, usedAt: UTCInstant, maxAge: Duration = STSPolicy.maximumAge
  ) -> StoredSTSPolicy {
    StoredSTSPolicy(
      domain: domain,
      known: KnownSTSPolicy(
        // No TXT record has this id, so that whoever looks after policies fetches it at once.
        policy: STSPolicy(mode: .enforce, maxAge: maxAge, patterns: []), recordID: "", fetchedAt: fetchedAt),
      usedAt: usedAt)
  }

  public var isUnreadable: Bool { known.policy.mode == .enforce && known.policy.patterns.isEmpty }
}
