import MailSyntax
public import Relay
public import TransportSecurity

/// A kept MTA-STS policy as answers carry it.
public struct PolicyFacts: Hashable, Sendable, Codable {
  public let domain: String
  public let mode: String
  public let mx: [String]
  public let id: String
  public let fetchedAt: Timestamp
  public let expiresAt: Timestamp
  public let usedAt: Timestamp
  public let refreshAt: Timestamp?
  public let trouble: String?
  /// What was stored can't be read: mail waits until it is fetched anew.
  public let isUnreadable: Bool

  private enum CodingKeys: String, CodingKey {
    case domain, mode, mx, id, trouble
    case fetchedAt = "fetched_at"
    case expiresAt = "expires_at"
    case usedAt = "used_at"
    case refreshAt = "refresh_at"
    case isUnreadable = "unreadable"
  }

  public init(_ standing: PolicyStanding) {
    let known = standing.stored.known
    domain = standing.stored.domain.description
    mode = known.policy.mode.rawValue
    mx = known.policy.patterns.map(\.description)
    id = known.recordID
    fetchedAt = Timestamp(known.fetchedAt)
    expiresAt = Timestamp(known.expiresAt)
    usedAt = Timestamp(standing.stored.usedAt)
    refreshAt = standing.refreshAt.map { Timestamp($0) }
    trouble = standing.trouble?.description.cut(toOctets: ControlProtocol.maximumTextOctets)
    isUnreadable = standing.stored.isUnreadable
  }
}

/// An override as answers carry it.
public struct OverrideFacts: Hashable, Sendable, Codable {
  public let number: Int64
  public let domain: String
  public let subdomains: Bool
  public let floor: String
  public let from: Timestamp
  public let until: Timestamp
  public let author: String
  public let reason: String
  /// The configured floor of the domain, where that is known.
  public let configured: String?
  /// It lets mail go, somewhere within its reach, that another floor would hold back; nil where no configuration is
  /// known, and no override of the kind.
  public let isWeaker: Bool?
  /// Those stricter floors, the strictest first, `OperatorFloor.maximumNamed` at most: `verified (outbound.tls.floor)`.
  public let weakerThan: [String]
  /// How many more there are.
  public let moreWeakened: Int
  /// Of one that was added now: the numbers of those that ended with it.
  public let replaces: [Int64]
  /// Of one that was added now: those within its reach that count before it.
  public let nearer: [NearerOverride]

  /// `override 3 (dane) for mail.example.net`
  public struct NearerOverride: Hashable, Sendable, Codable {
    public let number: Int64
    public let domain: String
    public let floor: String
  }

  private enum CodingKeys: String, CodingKey {
    case number, domain, subdomains, floor, from, until, author, reason, configured, replaces, nearer
    case isWeaker = "weaker"
    case weakerThan = "weaker_than"
    case moreWeakened = "more_weakened"
  }

  /// - Parameters:
  ///   - configured: the configured floor of the domain; nil where no configuration is known.
  ///   - weakened: the stricter floors within its reach.
  ///   - added: what followed from its addition, where it was added now.
  public init(
    _ numbered: NumberedOverride, configured: OperatorFloor?, weakened: [OperatorFloor], added: AddedOverride? = nil
  ) {
    let override = numbered.override
    number = numbered.number
    domain = override.domain.description
    subdomains = override.includesSubdomains
    floor = override.floor.rawValue
    from = Timestamp(override.from)
    until = Timestamp(override.until)
    author = override.author
    reason = override.reason
    self.configured = configured?.floor.rawValue
    isWeaker = configured == nil && weakened.isEmpty ? nil : !weakened.isEmpty
    weakerThan = weakened.prefix(OperatorFloor.maximumNamed).map {
      $0.description.cut(toOctets: ControlProtocol.maximumTextOctets)
    }
    moreWeakened = weakened.count - weakerThan.count
    replaces = added?.replaced.map(\.number) ?? []
    nearer = (added?.nearer ?? []).prefix(OperatorFloor.maximumNamed).map {
      NearerOverride(number: $0.number, domain: $0.override.domain.description, floor: $0.override.floor.rawValue)
    }
  }
}

/// What one address of a domain's MX host has shown.
public struct SteadyFacts: Hashable, Sendable, Codable {
  public let domain: String
  public let host: String
  public let address: String
  public let level: String
  public let successes: Int
  public let firstAt: Timestamp
  public let lastAt: Timestamp

  private enum CodingKeys: String, CodingKey {
    case domain, host, address, level, successes
    case firstAt = "first_at"
    case lastAt = "last_at"
  }

  public init(_ record: SteadyRecord) {
    domain = record.key.domain.description
    host = record.key.host.description
    address = record.key.address.description
    level = record.successes == 0 ? "none" : record.level.rawValue
    successes = record.successes
    firstAt = Timestamp(record.firstAt)
    lastAt = Timestamp(record.lastAt)
  }
}
