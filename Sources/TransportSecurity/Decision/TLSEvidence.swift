public import DNSRecords
public import MailSyntax

/// What is known, before a connection is made, of how safely mail for a domain must go to one of its MX hosts: every
/// voice that may ask for more. DESIGN of the rule: the strictest of all counts.
public struct TLSEvidence: Hashable, Sendable {
  /// The MX host's name; nil for an address literal, of which nothing is published.
  public var host: DomainName?
  /// Where the host is connected to: its TLSA records stand there (RFC 7672 §3.1).
  public var port: UInt16 = 25
  /// What the sender asks for.
  public var wish = TLSWish.unstated
  /// What our own operator demands for the domain.
  public var floor: OperatorFloor
  /// Whether it was proven that the host is the domain's.
  public var exchangers = DNSSECState.insecure
  public var tlsa = TLSAEvidence.absent
  /// The policy domain's; `.absent` for literals.
  public var sts = STSEvidence.absent
  /// What the domain's hosts have steadily shown before.
  public var history: SteadyTLS?

  public init(host: DomainName?, floor: OperatorFloor) {
    self.host = host
    self.floor = floor
  }
}

/// The least that an operator lets mail go by. It never falls back (Law 2).
public enum TLSFloor: String, Hashable, Sendable, CaseIterable {
  /// TLS wherever it can be had, cleartext where it can't. RFC 7435.
  case opportunistic
  /// TLS, whoever answers.
  case encrypt
  /// TLS with a certificate that proves the MX host's name, by a public authority, or by DANE proven from the MX on.
  case verified
  /// DANE, proven from the MX record on, or nothing. RFC 7672 §6.
  case dane
}

/// A floor, and where a person finds what set it.
public struct OperatorFloor: Hashable, Sendable {
  public var floor: TLSFloor
  /// `outbound.tls.floor`, `outbound.tls.domains .example.net`, `override 7 by anna until 2026-12-01T12:00Z: why`.
  public var origin: String
  /// The override's number; nil for a floor of the configuration.
  public var override: Int64?

  public init(_ floor: TLSFloor, origin: String, override: Int64? = nil) {
    self.floor = floor
    self.origin = origin
    self.override = override
  }
}

/// What the DNS says of a host's TLSA records. Source: RFC 7672 §2.2.
public enum TLSAEvidence: Hashable, Sendable {
  /// They were not looked for: what leads to them isn't proven (§2.2.2).
  case notSought(reason: String)
  /// There are none, or none that is proven.
  case absent
  /// Nobody could say, or nobody may be believed: the host is not to be used (§2.1.2, §2.2).
  case failed(reason: String)
  /// At least one record, proven.
  case published(TLSASet)
}

/// What a domain's mail hosts have steadily shown, where no published policy speaks for them.
public struct SteadyTLS: Hashable, Sendable {
  public enum Level: String, Hashable, Comparable, Sendable, CaseIterable {
    case encrypted, verified
    public static func < (left: Level, right: Level) -> Bool { left == .encrypted && right == .verified }
  }
  /// What follows from less than that (`outbound.tls.on_downgrade`).
  public enum Conduct: String, Hashable, Sendable, CaseIterable {
    /// The mail goes, and it is said.
    case alert
    /// The mail waits, for a bounded time.
    case hold
  }
  public let level: Level
  public let since: UTCInstant
  public let conduct: Conduct

  public init(_ level: Level, since: UTCInstant, conduct: Conduct) {
    self.level = level
    self.since = since
    self.conduct = conduct
  }
}

/// An operator's word for one domain and a bounded time, in place of the configuration's floor.
public struct FloorOverride: Hashable, Sendable {
  public var domain: DomainName
  /// Also for every domain below.
  public var includesSubdomains: Bool
  public var floor: TLSFloor
  public var from: UTCInstant
  public var until: UTCInstant
  public var reason: String
  public var author: String

  public init(
    domain: DomainName, includesSubdomains: Bool = false, floor: TLSFloor, from: UTCInstant, until: UTCInstant,
    reason: String, author: String
  ) {
    self.domain = domain
    self.includesSubdomains = includesSubdomains
    self.floor = floor
    self.from = from
    self.until = until
    self.reason = reason
    self.author = author
  }

  public func isInForce(at moment: UTCInstant) -> Bool { from <= moment && moment < until }
}
