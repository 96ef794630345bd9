public import MailSyntax

/// One MX record. Source: RFC 1035 §3.3.9.
public struct MailExchanger: Hashable, Sendable {
  /// The lower is tried first.
  public let preference: UInt16
  public let exchange: Exchange

  public enum Exchange: Hashable, Sendable, CustomStringConvertible {
    case host(DomainName)
    /// `.`: standing alone, the domain takes no mail (RFC 7505 §3).
    case null
    /// What can't be a host's name, as it stood in the record.
    case unusable(String)

    public var description: String {
      switch self {
      case .host(let name): name.description
      case .null: "."
      case .unusable(let text): text
      }
    }
  }

  public init(preference: UInt16, exchange: Exchange) {
    self.preference = preference
    self.exchange = exchange
  }
}
