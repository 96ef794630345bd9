public import MailSyntax

/// A key that validation begins at: a DS or DNSKEY record from a place that is trusted. Source: RFC 4033 §2, RFC 4034.
public struct TrustAnchor: Hashable, Sendable, CustomStringConvertible {
  /// Nil is the root.
  public let zone: DomainName?
  /// Which key it is, to a person's eye (RFC 4034 appendix B).
  public let keyTag: UInt16
  /// The record on one line in the form of zone files.
  public let description: String

  public var isRoot: Bool { zone == nil }

  /// Of a DS record of the root.
  init(root keyTag: UInt16, _ data: String) {
    zone = nil
    self.keyTag = keyTag
    description = ". IN DS \(keyTag) \(data)"
  }

  init(zone: DomainName?, keyTag: UInt16, type: String, data: [Substring]) {
    self.zone = zone
    self.keyTag = keyTag
    description = "\(zone.map { "\($0)." } ?? ".") IN \(type) \(data.joined(separator: " "))"
  }
}

/// The keys of the root of the DNS, as IANA publishes them in root-anchors.xml (RFC 7958,
/// <https://data.iana.org/root-anchors/root-anchors.xml>); Debian's package dns-root-data carries the same two.
public enum RootAnchors {
  /// KSK-2017. It signed the root until October 2026.
  public static let previousKeyTag: UInt16 = 20326
  /// KSK-2024, which has signed the root since. A file without it makes every signed domain bogus.
  public static let currentKeyTag: UInt16 = 38696

  public static let builtIn = [
    TrustAnchor(root: previousKeyTag, "8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"),
    TrustAnchor(root: currentKeyTag, "8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"),
  ]

  /// Whether these stand for the root and lack the key it is signed by.
  public static func areOutOfDate(_ anchors: [TrustAnchor]) -> Bool {
    let tags = anchors.filter(\.isRoot).map(\.keyTag)
    return tags.contains(previousKeyTag) && !tags.contains(currentKeyTag)
  }
}
