import Crypto
public import DNSRecords

/// A certificate as TLSA records see it: octets and their digests. Whether its key signed the handshake, and who issued
/// it, is the TLS library's to say.
public struct TLSACertificate: Hashable, Sendable {
  public let der: [UInt8]
  /// Its SubjectPublicKeyInfo; nil where the octets are no certificate.
  public let publicKeyInfo: [UInt8]?

  public init(der: [UInt8]) {
    self.der = der
    publicKeyInfo = CertificateDER.publicKeyInfo(of: der)
  }

  /// Whether the record's association is of this certificate, whatever its usage (RFC 6698 §2.1). A record that can't
  /// be used is of none.
  public func matches(_ record: TLSARecord) -> Bool {
    guard record.fault == nil, let parts = record.parts, let selector = record.selector,
      let type = record.matchingType
    else { return false }
    let selected: [UInt8]?
    switch selector {
    case .certificate: selected = der
    case .publicKey: selected = publicKeyInfo
    }
    guard let selected else { return false }
    switch type {
    case .full: return selected.elementsEqual(parts.association)
    case .sha256: return SHA256.hash(data: selected).elementsEqual(parts.association)
    case .sha512: return SHA512.hash(data: selected).elementsEqual(parts.association)
    }
  }
}
