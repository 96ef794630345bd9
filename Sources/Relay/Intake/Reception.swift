public import Accounts
public import MailQueue
public import MailSyntax
import SMTPSessions

/// How mail comes in: the part of the configuration that Intake reads. A value; a reload makes a new one and swaps it
/// whole, so that no session sees half of a change.
public struct Reception: Sendable {
  /// What `by` says in Received, and the domain of Message-IDs we add.
  public var hostName: DomainName
  public var routing: Routing
  public var users: UserDirectory
  /// Who is asked for the recipients of a route that knows them better than we do.
  public var recipientChecks: [RouteKey: RecipientCheck] = [:]
  /// Asked about domains that aren't ours, where mail for them goes by MX.
  public var nullExchangers: NullExchangerCheck?
  /// How mail of strangers on port 25 is authenticated; nil where it isn't.
  public var authentication: InboundAuthentication?
  /// Tells whether a name is ours however it is spelled.
  public var converter: any IDNAConverter = UnchangedNames()
  /// Connections that one address may begin in a minute; 0 sets no limit.
  public var connectionsPerAddressPerMinute = 0
  /// How far port 25 reaches; `.anywhere` only where all mail is caught, as in `martlet dev`.
  public var relayReach: RoutingReach
  /// The life of a message in the queue; the first failed attempt behind it is the last.
  public var giveUpAfter: Duration
  /// False leaves the address of a submitting client out of Received.
  public var showsClientAddress: Bool

  public init(
    hostName: DomainName, routing: Routing, users: UserDirectory, relayReach: RoutingReach = .ownDomains,
    giveUpAfter: Duration = .seconds(5 * 86_400), showsClientAddress: Bool = true
  ) {
    self.hostName = hostName
    self.routing = routing
    self.users = users
    self.relayReach = relayReach
    self.giveUpAfter = giveUpAfter
    self.showsClientAddress = showsClientAddress
  }
}

extension Reception {
  /// How a session's mail is authenticated; nil where it isn't.
  func authentication(of session: SessionFacts) -> InboundAuthentication? {
    guard !session.role.isSubmission, let authentication, authentication.isAsked(about: session.peer.address) else {
      return nil
    }
    return authentication
  }

  /// One message has one reply: it is for recipients of one policy. Whoever comes with another is asked to come again,
  /// as where there are too many (RFC 5321 §4.5.3.1.10): some clients do so in the same session, others after a while.
  func treatsAlike(_ path: ForwardPath, _ others: [Transaction.Recipient], _ session: SessionFacts) -> Bool {
    guard let authentication = authentication(of: session), let first = others.first else { return true }
    return authentication.mode(of: path, by: routing) == authentication.mode(of: first.path, by: routing)
  }
}
