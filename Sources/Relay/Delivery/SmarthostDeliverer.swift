public import MailSyntax
public import SASLMechanisms
public import SMTPSessions
import TransportSecurity

/// Hands everything to one server that knows us, over TLS whose certificate proves its name. There is no other way to
/// ask for it: a channel that isn't proven carries neither a password nor a message (Laws 2 and 3).
public struct SmarthostDeliverer: Deliverer {
  public enum TLSMode: Hashable, Sendable {
    /// TLS from the first byte, usually on 465 (RFC 8314 §3.3).
    case implicit
    /// STARTTLS, usually on 587; where it isn't offered, nothing is sent.
    case startTLS
  }

  public enum Credentials: Sendable {
    /// PLAIN, LOGIN or SCRAM-SHA-256, as the server offers.
    case password(user: String, Secret)
    /// OAUTHBEARER or XOAUTH2.
    case token(user: String, any AccessTokenSource)
  }

  public struct Settings: Sendable {
    public var host: DomainName
    public var port: UInt16
    public var tls: TLSMode
    public var credentials: Credentials?
    /// The name given in EHLO, and the local addresses to connect from.
    public var egress: Egress
    public var usesChunking = true
    public var timeouts = ClientTimeouts()
    public var pool = PoolLimits()

    public init(
      host: DomainName, port: UInt16, tls: TLSMode, credentials: Credentials? = nil, egress: Egress
    ) {
      self.host = host
      self.port = port
      self.tls = tls
      self.credentials = credentials
      self.egress = egress
    }
  }

  private let delivery: PooledDelivery

  /// - Parameters:
  ///   - random: for SCRAM's nonces; must not be guessable.
  ///   - derive: takes SCRAM's derivation, milliseconds of work, off the event loop.
  public init(
    _ settings: Settings, dialer: some Dialer, random: some RandomSource,
    derive: @escaping @Sendable (SCRAMDerivation) async -> SaltedPassword = { $0.run() },
    watch: (any DialogueWatch)? = nil
  ) {
    delivery = PooledDelivery(
      name: settings.host.description, pool: ConnectionPool(settings.pool),
      vouching: settings.credentials == nil ? .unsaid : .nobody
    ) {
      () async throws(OpeningFault) in
      var plan = settings.plan
      plan.derive = derive
      plan.observe = watch?.observer(of: settings.host.description)
      if let credential = try await settings.credential() {
        var generator = RandomSourceGenerator(random)
        plan.authentication = ClientPlan.Authentication(
          credential: credential, nonce: SCRAMNonce(using: &generator),
          server: ClientExchange.Server(host: settings.host, port: settings.port))
      }
      return try await ClientConversation.open(
        plan, to: .host(settings.host, port: settings.port), by: dialer)
    }
  }

  public func deliver(_ job: DeliveryJob) async -> DeliveryResult { await delivery.deliver(job.forOnlyServer) }

  /// Leaves every idle connection by QUIT. What is delivered later fails as cancelled.
  public func close() async { await delivery.pool.drain() }
}

extension SmarthostDeliverer.Settings {
  fileprivate var plan: ClientPlan {
    let security: ClientPlan.Security =
      switch tls {
      case .implicit: .implicitTLS(hostName: host.folded, demand: .verified)
      case .startTLS: .startTLS(hostName: host.folded, demand: .verified)
      }
    var plan = ClientPlan(egress: egress, security: security, usesChunking: usesChunking, timeouts: timeouts)
    plan.timeouts.idle = pool.idleTime
    return plan
  }

  fileprivate func credential() async throws(OpeningFault) -> ClientCredential? {
    switch credentials {
    case nil: return nil
    case .password(let user, let password)?: return .password(user: user, password)
    case .token(let user, let source)?:
      do throws(AccessTokenFault) {
        return .token(user: user, try await source.token())
      } catch {
        throw OpeningFault(DialogueFault(.authentication, .local("no access token: \(error.reason)")))
      }
    }
  }
}
