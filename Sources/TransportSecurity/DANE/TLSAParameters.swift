public import DNSRecords

/// What a TLSA record says of a service's certificates, by the acronyms of RFC 7218.
public enum TLSAUsage: UInt8, Hashable, Sendable, CaseIterable {
  case pkixTA = 0
  case pkixEE = 1
  /// An authority of the publisher's own, which the server presents with its certificate (RFC 7672 §3.1.2).
  case daneTA = 2
  /// The server's own certificate or key (§3.1.1).
  case daneEE = 3
}

/// What of a certificate a TLSA record is matched with. Source: RFC 6698 §2.1.2.
public enum TLSASelector: UInt8, Hashable, Sendable, CaseIterable {
  case certificate = 0
  /// Its SubjectPublicKeyInfo.
  case publicKey = 1
}

/// In which form a TLSA record has it. Source: RFC 6698 §2.1.3.
public enum TLSAMatchingType: UInt8, Hashable, Sendable, CaseIterable {
  /// Octet for octet.
  case full = 0
  case sha256 = 1
  case sha512 = 2
}

extension TLSARecord {
  /// Each is nil where the record is too short for it or has a number that nobody has given a meaning.
  public var usage: TLSAUsage? { parts.flatMap { TLSAUsage(rawValue: $0.usage) } }
  public var selector: TLSASelector? { parts.flatMap { TLSASelector(rawValue: $0.selector) } }
  public var matchingType: TLSAMatchingType? { parts.flatMap { TLSAMatchingType(rawValue: $0.matchingType) } }
}
