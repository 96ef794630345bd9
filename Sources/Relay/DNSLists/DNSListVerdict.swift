public import MailSyntax
import SMTPGrammar

/// What the lists say of one address.
public struct DNSListVerdict: Hashable, Sendable {
  /// In the order of the lists.
  public var listings: [Listing] = []

  public struct Listing: Hashable, Sendable {
    public let list: DNSList
    public let answer: IPAddress
    /// What the list's TXT record says: why, and how to be taken off. On one line, printable ASCII.
    public let reason: String?
  }

  /// What a recipient from there is told; nil where no list that lists the address refuses.
  func refusal(of address: IPAddress) -> Reply? {
    guard let listing = listings.first(where: { $0.list.action == .refuse }) else { return nil }
    // RFC 5321 §4.3.2 has 550 for RCPT and 554 only for the greeting; §7.9: a refusal by policy is 550.
    return Reply(
      550, EnhancedStatusCode(.permanent, 7, 1),
      "\(address) is listed by \(listing.list.name): \(listing.reason ?? "if that is wrong, write to postmaster here")")
  }
}

/// The text of a list's TXT record, as it may stand in a reply and in a log. RFC 5782 §2.1.
enum DNSListReason {
  /// With code, address and the longest zone a reply line stays within 512 octets (RFC 5321 §4.5.3.1.5).
  static let maximumOctets = 240

  /// Nil where nothing is left: control characters and what isn't ASCII become spaces, and many spaces one.
  static func text(_ records: [[UInt8]]) -> String? {
    guard let first = records.min(by: { $0.lexicographicallyPrecedes($1) }) else { return nil }
    let words = first.prefix(4 * maximumOctets).split { $0 <= 0x20 || $0 >= 0x7f }
    let text = words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    return text.isEmpty ? nil : String(decoding: text.utf8.prefix(maximumOctets), as: UTF8.self)
  }
}
