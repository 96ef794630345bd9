import MailSyntax

/// Matches a certificate's DNS-IDs against the host a connection was meant for.
///
/// Strict as RFC 8461 §4.1 and RFC 9525 §6.3 ask: no common name, no address, a wildcard only as the whole left-most
/// label and for exactly one label. Names compare as A-labels, without ASCII case.
public enum DNSID {
  public static func matches(presented: String, host: String) -> Bool {
    let presented = presented.lowercasedASCII()
    let host = host.lowercasedASCII()
    guard presented.utf8.allSatisfy({ $0 < 0x80 }), !host.isEmpty else { return false }
    guard presented.hasPrefix("*.") else { return presented == host && !presented.contains("*") }
    let suffix = presented.dropFirst(1)
    guard !suffix.contains("*"), suffix.dropFirst().contains("."), host.hasSuffix(suffix) else { return false }
    let label = host.dropLast(suffix.count)
    return !label.isEmpty && !label.contains(".")
  }

  public static func anyMatches(presented: [String], host: String) -> Bool {
    presented.contains { matches(presented: $0, host: host) }
  }
}
