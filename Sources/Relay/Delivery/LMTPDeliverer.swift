public import MailSyntax
public import SMTPSessions
import TransportSecurity

/// Hands mail to an LMTP server for final delivery: an answer for each recipient (RFC 2033).
///
/// A server on this machine, by UNIX socket or loopback address, is spoken to in clear. One elsewhere must prove its
/// name under STARTTLS: mail on its last hop is mail all the same (Law 2).
public struct LMTPDeliverer: Deliverer {
  /// The server is on another machine and is given as an address: no certificate can prove that.
  public struct UnprovableHost: Error, Hashable, Sendable, CustomStringConvertible {
    public let target: DialTarget
    public var description: String {
      "\(target) is not on this machine: give the LMTP server by its host name, which its certificate must prove"
    }
  }

  public struct Settings: Sendable {
    public var target: DialTarget
    /// The name given in LHLO.
    public var identity: HostIdentity
    public var timeouts = ClientTimeouts()
    public var pool = PoolLimits()
    public init(target: DialTarget, identity: HostIdentity) {
      self.target = target
      self.identity = identity
    }
  }

  /// Steps of a question about a recipient: somebody waits at RCPT.
  public static let inquiryStepTime: Duration = .seconds(10)
  /// Connections that questions about recipients have of their own.
  public static let inquiryConnections = 2

  private let delivery: PooledDelivery
  let inquiry: PooledInquiry

  public init(
    _ settings: Settings, dialer: some Dialer, watch: (any DialogueWatch)? = nil
  ) throws(UnprovableHost) {
    let security: ClientPlan.Security
    switch (CleartextPermit.localDelivery(to: settings.target), settings.target) {
    case (let permit?, _): security = .cleartext(permit)
    case (nil, .host(let name, _)): security = .startTLS(hostName: name.folded, demand: .verified)
    case (nil, .address), (nil, .addresses), (nil, .unixSocket): throw UnprovableHost(target: settings.target)
    }
    var plan = ClientPlan(
      identity: settings.identity, dialect: .lmtp, security: security, timeouts: settings.timeouts)
    plan.timeouts.idle = settings.pool.idleTime
    let (finished, target) = (plan, settings.target)
    delivery = PooledDelivery(
      name: target.description, pool: ConnectionPool(settings.pool), vouching: .unsaid
    ) {
      () async throws(OpeningFault) in
      var plan = finished
      plan.observe = watch?.observer(of: target.description)
      return try await ClientConversation.open(plan, to: target, by: dialer)
    }
    var hasty = plan
    hasty.timeouts = ClientTimeouts(eachStep: LMTPDeliverer.inquiryStepTime, idle: settings.pool.idleTime)
    var limits = settings.pool
    limits.maximumConnections = LMTPDeliverer.inquiryConnections
    inquiry = PooledInquiry(pool: ConnectionPool(limits)) { [hasty] () async throws(OpeningFault) in
      try await ClientConversation.open(hasty, to: target, by: dialer)
    }
  }

  public func deliver(_ job: DeliveryJob) async -> DeliveryResult { await delivery.deliver(job.forFinalDelivery) }

  /// Leaves every idle connection by QUIT. What is delivered or asked later fails as cancelled.
  public func close() async {
    await delivery.pool.drain()
    await inquiry.pool.drain()
  }
}
