public import MailSyntax
public import Relay
public import TransportSecurity

/// What is asked of a domain's mail hosts now, by all but DANE, which is looked up with each delivery, and the senders.
/// The strictest counts.
public struct AskedFacts: Hashable, Sendable, Codable {
  public let domain: String
  /// The floor that holds, be it by an override; nil where it isn't known.
  public let floor: Floor?
  /// The configured one; nil where no configuration is known, or it sends no mail by MX.
  public let configured: Floor?
  /// Of the domains below that nothing nearer speaks of; nil where it isn't known.
  public let floorBelow: Floor?
  /// The kept MTA-STS policy; nil where none is in force.
  public let policy: Policy?
  /// What the hosts have steadily shown; nil where nothing is steady.
  public let steady: Steady?

  public struct Floor: Hashable, Sendable, Codable {
    public let floor: String
    /// `outbound.tls.floor`, `override 7 by anna until …`
    public let origin: String
    /// The override's number.
    public let override: Int64?
  }

  public struct Policy: Hashable, Sendable, Codable {
    public let mode: String
    public let until: Timestamp
  }

  public struct Steady: Hashable, Sendable, Codable {
    /// `encrypted` or `verified`
    public let level: String
    public let since: Timestamp
    /// `hold` where mail waits for less, `alert` where that is only said.
    public let conduct: String
  }

  private enum CodingKeys: String, CodingKey {
    case domain, floor, configured, steady
    case floorBelow = "floor_below"
    case policy = "mta_sts"
  }

  public init(
    _ domain: DomainName, floor: OperatorFloor?, configured: OperatorFloor?, floorBelow: OperatorFloor?,
    policy: PolicyStanding?, steady: SteadyTLS?
  ) {
    self.domain = domain.description
    self.floor = floor.map { Floor($0) }
    self.configured = configured.map { Floor($0) }
    self.floorBelow = floorBelow.map { Floor($0) }
    self.policy = policy.flatMap { standing in
      guard standing.isInForce else { return nil }
      let known = standing.stored.known
      return Policy(mode: known.policy.mode.rawValue, until: Timestamp(known.expiresAt))
    }
    self.steady = steady.map {
      Steady(level: $0.level.rawValue, since: Timestamp($0.since), conduct: $0.conduct.rawValue)
    }
  }
}

extension AskedFacts.Floor {
  init(_ floor: OperatorFloor) {
    self.init(
      floor: floor.floor.rawValue, origin: floor.origin.cut(toOctets: ControlProtocol.maximumTextOctets),
      override: floor.override)
  }
}

/// One record of the policy's audit as answers carry it.
public struct AuditFacts: Hashable, Sendable, Codable {
  public let at: Timestamp
  /// `override-added`, `override-ended`, `override-expired`, `policy-forgotten`
  public let deed: String
  public let domain: String
  public let author: String
  public let reason: String
  /// The override's.
  public let number: Int64?
  public let floor: String?
  public let until: Timestamp?
  /// The stricter floors that an added override let mail go below, as far as they were known.
  public let weakerThan: String?

  private enum CodingKeys: String, CodingKey {
    case at, deed, domain, author, reason, number, floor, until
    case weakerThan = "weaker_than"
  }

  public init(_ record: PolicyAuditRecord) {
    at = Timestamp(record.at)
    deed = record.deed.rawValue
    domain = record.domain.description
    author = record.author
    reason = record.reason
    number = record.override?.number
    floor = record.override?.floor.rawValue
    until = record.override.map { Timestamp($0.until) }
    weakerThan = record.weakerThan?.cut(toOctets: ControlProtocol.maximumTextOctets)
  }
}
