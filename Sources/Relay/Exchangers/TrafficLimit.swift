import MailSyntax

/// How much mail goes at once to a recipients' domain, or to a mail server: for all of them alike, and for single ones.
public struct TrafficLimit: Hashable, Sendable {
  public var general: Rule
  public var rules = DomainTable<Rule>()

  public struct Rule: Hashable, Sendable {
    /// Of deliveries to a domain, of connections to a server.
    public var atOnce: Int?
    /// Deliveries that begin; nil is without bound.
    public var perMinute: Int?

    public init(atOnce: Int? = nil, perMinute: Int? = nil) {
      self.atOnce = atOnce.map { max(1, $0) }
      self.perMinute = perMinute.map { max(1, $0) }
    }
  }

  public init(atOnce: Int? = nil, perMinute: Int? = nil) { general = Rule(atOnce: atOnce, perMinute: perMinute) }

  /// What a rule of its own leaves open, the general one says.
  func rule(for domain: MailDomain) -> Rule {
    guard let own = rules[domain] else { return general }
    return Rule(atOnce: own.atOnce ?? general.atOnce, perMinute: own.perMinute ?? general.perMinute)
  }
}
