public import DNSRecords
public import MailAuthentication
import MailMessage
public import MailSyntax
import SMTPSessions
import Synchronization

/// How mail from other servers is authenticated: what our domains do with it, and by what it is looked up. A value; a
/// reload makes a new one.
public struct InboundAuthentication: Sendable {
  /// For all look-ups of one message: the client waits for its last reply, and has ten minutes for it (RFC 5321
  /// §4.5.3.2.6).
  public static let judgementTime: Duration = .seconds(60)
  /// Messages that are judged at the same time: each has two look-ups of SPF under way at the most, and one for each key
  /// (`DKIMVerifier.maximumSignatures`). Of more nothing is known, so that a flood in the names of domains whose servers
  /// are slow has an end.
  public static let maximumUnderWay = 200

  public struct Settings: Hashable, Sendable {
    /// Of a domain that says nothing else.
    public var mode: LocalPolicy.Mode
    /// By a domain's ASCII form.
    public var modes: [DomainName: LocalPolicy.Mode]
    /// Besides `IPNetwork.notGlobal`: the operator's own, and those of proxies, which come without a client in their
    /// header to ask whether we live.
    public var uncheckedNetworks: [IPNetwork]

    public init(
      mode: LocalPolicy.Mode = .monitor, modes: [DomainName: LocalPolicy.Mode] = [:],
      uncheckedNetworks: [IPNetwork] = []
    ) {
      self.mode = mode
      self.modes = modes
      self.uncheckedNetworks = uncheckedNetworks
    }
  }

  public var settings: Settings
  let resolver: @Sendable () -> (any Resolver)?
  let converter: any IDNAConverter
  let ledger: AuthenticationLedger?
  let answers = AnswerWatch()
  private let places = Places()

  /// - Parameters:
  ///   - resolver: asked for with each message; without one nothing is authenticated.
  ///   - ledger: counts what came in whose name, for reports.
  public init(
    _ settings: Settings, converter: any IDNAConverter, ledger: AuthenticationLedger? = nil,
    resolver: @escaping @Sendable () -> (any Resolver)?
  ) {
    self.settings = settings
    self.converter = converter
    self.ledger = ledger
    self.resolver = resolver
  }

  /// What `judge` finds; nil where there is no place for it.
  func inPlace<Findings: Sendable>(_ judge: @Sendable () async -> Findings?) async -> Findings? {
    guard places.take() else { return nil }
    defer { places.giveBack() }
    return await judge()
  }

  private final class Places: Sendable {
    private let taken = Mutex(0)

    func take() -> Bool {
      taken.withLock { taken in
        guard taken < InboundAuthentication.maximumUnderWay else { return false }
        taken += 1
        return true
      }
    }

    func giveBack() { taken.withLock { $0 -= 1 } }
  }

  /// Whether a client's mail is judged: who is no stranger sends in nobody's name but ours.
  func isAsked(about address: IPAddress) -> Bool {
    address.isStrange(besides: settings.uncheckedNetworks)
  }

  /// What is done with mail for a path. Who writes to complain must be heard, whatever is wrong with his domain.
  func mode(of path: ForwardPath, by routing: Routing) -> LocalPolicy.Mode {
    guard !routing.hearsComplaints(path), let domain = path.mailbox?.domain.name else { return .monitor }
    return settings.modes[converter.canonicalForm(of: domain)] ?? settings.mode
  }
}
