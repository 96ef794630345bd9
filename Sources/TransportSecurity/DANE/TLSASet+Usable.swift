public import DNSRecords

extension TLSASet {
  /// The records that can be matched, in the order in which they are published: those without a `fault`, and of each
  /// usage and selector every full one, but of the digests those of the strongest kind alone. So whoever can forge for
  /// a weak digest gains nothing while a stronger one stands beside it (RFC 7671 §9).
  public var usable: [TLSARecord] {
    let sound = records.filter { $0.fault == nil }
    let strong = Set(sound.filter { $0.matchingType == .sha512 }.compactMap(Association.init))
    return sound.filter { record in
      switch record.matchingType {
      case .full, .sha512: true
      case .sha256: Association(record).map { !strong.contains($0) } ?? false
      case nil: false
      }
    }
  }

  /// Within one of these the strongest digest counts.
  private struct Association: Hashable {
    let usage: TLSAUsage
    let selector: TLSASelector

    init?(_ record: TLSARecord) {
      guard let usage = record.usage, let selector = record.selector else { return nil }
      self.usage = usage
      self.selector = selector
    }
  }
}

extension TLSARecord {
  /// Why the record can't be used, as a clause; nil where it can. A record that can't be used is passed over; where
  /// none can be, encryption is demanded all the same (RFC 7672 §2.2).
  public var fault: String? {
    guard let parts else { return "it has \(data.count) octets" }
    switch usage {
    case .daneTA, .daneEE: break
    // RFC 7672 §3.1.3: no two mail servers agree on the public authorities, so their word is not asked for beside it.
    case .pkixTA, .pkixEE, nil: return "usage \(parts.usage) has no meaning for mail servers"
    }
    guard let selector else { return "selector \(parts.selector) is unknown" }
    let count = parts.association.count
    switch matchingType {
    case nil: return "matching type \(parts.matchingType) is unknown"
    case .sha256: return count == 32 ? nil : "a SHA-256 digest has 32 octets, not \(count)"
    case .sha512: return count == 64 ? nil : "a SHA-512 digest has 64 octets, not \(count)"
    case .full:
      // A digest that is published by mistake as the thing itself would fit nothing, ever.
      switch selector {
      case .certificate:
        return CertificateDER.publicKeyInfo(of: Array(parts.association)) == nil ? "it holds no certificate" : nil
      case .publicKey:
        return CertificateDER.isPublicKeyInfo(parts.association) ? nil : "it holds no public key"
      }
    }
  }
}
