public import MailSyntax

/// A domain's SPF record, read. Nothing of it has been looked up.
///
/// Source: RFC 7208 §4.6, §5, §6, §12. What breaks the grammar anywhere breaks the whole record (§4.6), so that a slip at
/// its end doesn't show for some clients alone.
public struct SPFRecord: Hashable, Sendable {
  /// In their order; the first that matches decides.
  public let directives: [Directive]
  public let redirect: SPFMacroString?
  public let explanation: SPFMacroString?

  public struct Directive: Hashable, Sendable {
    public let qualifier: Qualifier
    public let mechanism: Mechanism
    /// As it stands in the record.
    public let text: String
  }

  /// What a match says. Source: RFC 7208 §4.6.2.
  public enum Qualifier: String, Hashable, Sendable, CaseIterable {
    case pass = "+"
    case fail = "-"
    case softfail = "~"
    case neutral = "?"

    public var result: SPFResult {
      switch self {
      case .pass: .pass
      case .fail: .fail
      case .softfail: .softfail
      case .neutral: .neutral
      }
    }
  }

  /// Whom a directive means. Without a name of its own the domain that is being looked at is meant.
  public enum Mechanism: Hashable, Sendable {
    case all
    case include(SPFMacroString)
    case addresses(of: SPFMacroString?, PrefixLengths)
    case exchangers(of: SPFMacroString?, PrefixLengths)
    case pointer(SPFMacroString?)
    case network(IPNetwork)
    case exists(SPFMacroString)
  }

  /// How many bits of an address count, by its family.
  public struct PrefixLengths: Hashable, Sendable {
    public let v4: Int
    public let v6: Int
    public static let whole = PrefixLengths(v4: 32, v6: 128)
  }
}

/// What is wrong with a record, in words for whoever publishes it.
public struct SPFRecordFault: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
