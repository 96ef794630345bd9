import MailSyntax

/// One TLSA record as it is published: any octets, for a publisher's mistake must not hide the records beside it.
/// `TransportSecurity` says which of them can be used. Source: RFC 6698 §2.1.
public struct TLSARecord: Hashable, Sendable {
  /// The whole RDATA.
  public let data: [UInt8]

  public init(data: [UInt8]) { self.data = data }

  public init(usage: UInt8, selector: UInt8, matchingType: UInt8, association: [UInt8]) {
    data = [usage, selector, matchingType] + association
  }

  /// Its parts; nil where it is too short to have them.
  public var parts: (usage: UInt8, selector: UInt8, matchingType: UInt8, association: ArraySlice<UInt8>)? {
    guard data.count >= 3 else { return nil }
    return (data[0], data[1], data[2], data[3...])
  }
}

extension TLSARecord: CustomStringConvertible {
  /// Of the association, so many octets are shown.
  static let shownOctets = 64

  /// As zone files write it: `3 1 1 0123…`; a long association is cut.
  public var description: String {
    guard let parts else { return "\(data.count) octets, too few for a TLSA record" }
    let shown = parts.association.prefix(TLSARecord.shownOctets)
    let rest = parts.association.count > shown.count ? "… (\(parts.association.count) octets)" : ""
    return "\(parts.usage) \(parts.selector) \(parts.matchingType) \(shown.hexadecimal)\(rest)"
  }
}
