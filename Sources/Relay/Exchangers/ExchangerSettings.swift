public import MailSyntax
public import SMTPSessions

/// How mail goes to the hosts that the recipients' domains name.
public struct ExchangerSettings: Sendable {
  /// Who we are on the way out.
  public var egress: Egress
  /// The names by which others know us as a mail exchanger: an MX record or a greeting with one of them is ourselves.
  public var ownNames: Set<DomainName>
  /// 25, but in a laboratory.
  public var port: UInt16 = 25
  public var rules: DestinationRules
  /// At once to one domain no more than the route of all exchangers allows, and slowly at first (`RouteTable`).
  public var perDomain: TrafficLimit
  public var perHost: TrafficLimit
  public var pool: PoolLimits
  public var usesChunking = true
  public var timeouts = ExchangerSettings.patience

  /// Spells domains that are written in other letters.
  public var converter: any IDNAConverter

  /// Of the connections of one attempt, so many are made, and as many again in clear. A host's first failure of TLS
  /// isn't counted: it says that every other host has to be asked (Law 2).
  public static let maximumSessions = 6
  /// An attempt that has taken so long begins with no further session: one slow destination holds few of our hands.
  public static let maximumTime = Duration.seconds(600)
  /// For a connection that is kept for the next message.
  public static let idleTime = Duration.seconds(10)

  /// RFC 5321 §4.5.3.2's times, but for the connection, of which it says nothing: who has several hosts and addresses to
  /// try doesn't wait long for one that is silent.
  public static let patience: ClientTimeouts = {
    var timeouts = ClientTimeouts()
    timeouts.connect = .seconds(30)
    return timeouts
  }()

  public init(
    egress: Egress, ownNames: Set<DomainName>, rules: DestinationRules = DestinationRules(),
    perDomain: TrafficLimit = TrafficLimit(), perHost: TrafficLimit = TrafficLimit(),
    pool: PoolLimits = PoolLimits(maximumConnections: 20, idleTime: ExchangerSettings.idleTime),
    converter: any IDNAConverter = UnchangedNames()
  ) {
    self.egress = egress
    self.ownNames = ownNames
    self.rules = rules
    self.perDomain = perDomain
    self.perHost = perHost
    self.pool = pool
    self.converter = converter
  }

  /// Every name in the one form that domains are looked up by.
  mutating func spellOnce() {
    rules.floors = rules.floors.spelled(by: converter)
    perDomain.rules = perDomain.rules.spelled(by: converter)
    perHost.rules = perHost.rules.spelled(by: converter)
  }
}
