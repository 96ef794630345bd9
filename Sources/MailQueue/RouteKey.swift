public import MailSyntax

/// Names a route: one of the configuration, `outbound` or `domain/example.com`, or `mx/example.org`, the mail exchangers
/// of a destination. It is looked up again at every attempt, so a changed configuration holds for mail that is already
/// queued.
public struct RouteKey: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public var description: String { rawValue }
  public static func < (left: RouteKey, right: RouteKey) -> Bool { left.rawValue < right.rawValue }
}

extension RouteKey {
  /// The way of mail for all other domains: a smarthost, or a place of our own.
  public static let outbound = RouteKey(rawValue: "outbound")

  /// The hosts that take a domain's mail (RFC 5321 §5.1): `mx/example.org`, in lower case, so that one domain is one
  /// route however it is written; `mx/[192.0.2.1]` for an address literal.
  public static func exchangers(of domain: MailDomain) -> RouteKey {
    switch domain {
    case .name(let name): RouteKey(rawValue: "\(exchangersPrefix)\(name.folded)")
    case .literal(let literal): RouteKey(rawValue: "\(exchangersPrefix)\(literal)")
    }
  }

  /// The domain whose exchangers are meant; nil for every other route, and where no domain stands behind `mx/`.
  public var destination: MailDomain? {
    guard leadsToExchangers else { return nil }
    return (try? Mailbox("x@\(rawValue.dropFirst(RouteKey.exchangersPrefix.count))"))?.domain
  }

  /// Whether it begins as `exchangers(of:)` makes it.
  public var leadsToExchangers: Bool { rawValue.utf8.starts(with: RouteKey.exchangersPrefix.utf8) }

  private static let exchangersPrefix = "mx/"
}
