public import DNSRecords
public import MailSyntax

/// The TLSA records of a service, proven by DNSSEC. Source: RFC 7672 §2.2.
public struct TLSASet: Hashable, Sendable {
  /// Where they stand, without `_25._tcp.`: the TLSA base domain (§2.2.3).
  public let base: DomainName
  /// As they are published, usable or not.
  public let records: [TLSARecord]

  public init(base: DomainName, records: [TLSARecord]) {
    self.base = base
    self.records = records
  }
}

/// What a handshake's certificates are matched with under DANE.
public struct DANEExpectation: Hashable, Sendable {
  public let tlsa: TLSASet
  /// The names that a certificate issued by a DANE-TA may carry, the base domain first (RFC 7672 §3.2.2). A DANE-EE
  /// certificate's names don't count.
  public let names: [DomainName]

  public init(tlsa: TLSASet, names: [DomainName]) {
    self.tlsa = tlsa
    self.names = names
  }
}

/// What the TLSA records say of the certificates that a server presented.
public enum DANEVerification: Hashable, Sendable {
  /// - Parameter name: the one of `DANEExpectation.names` that the certificate carries, folded, under DANE-TA; nil
  ///   where DANE-EE matched.
  case matched(TLSARecord, name: String?)
  case failed(CertificateFault)
}
