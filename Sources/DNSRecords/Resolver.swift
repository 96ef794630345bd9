public import MailSyntax

/// Looks names up in the DNS and says how far each answer can be trusted. Nothing throws: that a name isn't there, and
/// that nobody could say, are answers too, and what follows from each is the asker's to decide.
///
/// Names are asked for in their ASCII form (A-labels); a CNAME is followed (RFC 5321 §5.1). An implementation bounds the
/// time, the chain and the size of every answer, and honours each TTL.
public protocol Resolver: Sendable {
  /// In no particular order: choosing among them is `Relay`'s.
  func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger>
  func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress>
  /// The strings of each record put together, as octets. RFC 7208 §3.3, RFC 8461 §3.1.
  func texts(of name: DomainName) async -> DNSAnswer<[UInt8]>
  /// The same where the answer is at hand, so that nobody need be waited for; else nil.
  func textsAtHand(of name: DomainName) -> DNSAnswer<[UInt8]>?
  /// - Parameter name: of a service: `_25._tcp.mx.example.org` (RFC 6698 §3).
  func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord>
  /// The names of a host by its address, which whoever has the address gives (RFC 1035 §3.5, RFC 3596 §2.5).
  func names(of address: IPAddress) async -> DNSAnswer<DomainName>
  /// Where the name's own CNAME leads, one step (RFC 7672 §2.2.2 asks whether that step alone is secure).
  func alias(of name: DomainName) async -> DNSAnswer<DomainName>
}

extension Resolver {
  public func textsAtHand(of name: DomainName) -> DNSAnswer<[UInt8]>? { nil }
}

public enum AddressFamily: Hashable, Sendable, CaseIterable { case v4, v6 }

/// What the DNS says to one question.
public enum DNSAnswer<Record: Hashable & Sendable>: Hashable, Sendable {
  /// At least one record.
  case records(DNSRecordSet<Record>)
  /// The name is there and has no record of this type (NODATA).
  case none(DNSSECState)
  /// The name isn't there (NXDOMAIN).
  case noSuchName(DNSSECState)
  /// Nobody could say for now: SERVFAIL, a timeout, a lame delegation.
  case failed(reason: String)
  /// The answer's signatures don't hold, so it is nobody's (RFC 4035 §5).
  case bogus(reason: String)
}

/// The records of one name and type; never empty.
public struct DNSRecordSet<Record: Hashable & Sendable>: Hashable, Sendable {
  public let records: [Record]
  /// The name the records stand at, behind every CNAME.
  public let canonicalName: DomainName
  /// Secure only where every link of the chain is (RFC 7672 §2.1.3).
  public let security: DNSSECState
  /// How long it may be kept.
  public let timeToLive: Duration

  public init(records: [Record], canonicalName: DomainName, security: DNSSECState, timeToLive: Duration) {
    self.records = records
    self.canonicalName = canonicalName
    self.security = security
    self.timeToLive = timeToLive
  }
}

/// Whether an answer was proven. What should have been proven and wasn't is `DNSAnswer.bogus`.
public enum DNSSECState: String, Hashable, Sendable {
  case secure
  /// An unsigned zone, as its parent's proof shows, or a resolver that doesn't validate.
  case insecure
}
