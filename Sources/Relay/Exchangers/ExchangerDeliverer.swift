public import DNSRecords
public import MailQueue
public import MailSyntax
public import SMTPSessions
import TransportSecurity

/// Delivers to the hosts that the recipients' domain names by its MX records (RFC 5321 §5.1), as safely as `decide` says
/// and never more weakly (Laws 2 and 6).
public struct ExchangerDeliverer: Deliverer {
  let settings: ExchangerSettings
  let lookup: ExchangerLookup
  let gatherer: EvidenceGatherer
  let memory: PolicyMemory
  let connections: ExchangerConnections
  let dialer: any Dialer
  let clock: any MailClock
  let events: any EventSink
  private let domainPace: PaceLedger
  private let hostPace: PaceLedger
  private let portBlock: PortBlockWatch
  let watch: (any DialogueWatch)?

  /// - Parameters:
  ///   - memory: what is known of domains beside the DNS and the configuration.
  ///   - random: shuffles hosts of equal preference.
  public init(
    _ settings: ExchangerSettings, resolver: any Resolver, memory: PolicyMemory = PolicyMemory(),
    dialer: any Dialer, clock: any MailClock,
    random: any RandomSource, events: any EventSink, watch: (any DialogueWatch)? = nil
  ) {
    var settings = settings
    settings.spellOnce()
    self.settings = settings
    lookup = ExchangerLookup(resolver: resolver, own: settings.ownNames, random: random)
    self.memory = memory
    gatherer = EvidenceGatherer(settings, resolver: resolver, memory: memory, clock: clock)
    connections = ExchangerConnections(settings.pool, settings.perHost)
    domainPace = PaceLedger(settings.perDomain)
    hostPace = PaceLedger(settings.perHost)
    portBlock = PortBlockWatch(port: settings.port)
    self.dialer = dialer
    self.clock = clock
    self.events = events
    self.watch = watch
  }

  /// - Parameter job: its recipients are of one domain; `QueueRunner` sees to that.
  public func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    guard let written = job.recipients.first?.recipient.address.domain else {
      return DeliveryResult(host: "", tls: nil, outcomes: [])
    }
    // One domain, however it is spelled: rules, limits, look-ups and certificates go by the A-labels (RFC 5890 §2.3.2.1).
    let domain = settings.converter.canonicalForm(of: written)
    if let wait = domainPace.begin(domain, at: clock.uptime) { return .busy(domain, for: wait) }
    switch await lookup.hosts(of: domain) {
    case .fault(let fault):
      return DeliveryResult(
        host: domain.description, tls: nil,
        outcomes: job.everyRecipient(DeliveryFault(stage: .lookup, cause: .destination(fault))))
    case .hosts(let hosts, let names, let leftOut):
      var result = await deliver(job, to: domain, names, hosts, leftOut)
      if let settling = job.settling(after: result) {
        result.replace(by: await deliver(settling, to: domain, names, hosts, leftOut), for: settling)
      }
      // Nothing was begun, so nothing is counted.
      if result.busyFor != nil { domainPace.takeBack(domain) }
      return result
    }
  }

  private func deliver(
    _ job: DeliveryJob, to domain: MailDomain, _ names: [DomainName], _ hosts: [ExchangerHost],
    _ leftOut: Int
  ) async -> DeliveryResult {
    let envelope = job.message.message
    let evidence = await gatherer.evidence(
      of: domain, names: names, wish: job.wish, leastFloor: job.leastFloor,
      isLastAttempt: clock.now >= envelope.expiresAt, from: envelope.reversePath)
    var attempt = ExchangerAttempt(job, to: evidence, by: self)
    return await attempt.run(hosts, leftOut: leftOut)
  }

  /// Leaves every idle connection by QUIT. What is delivered later is put off.
  public func close() async { await connections.drain() }

  /// Nil where a connection to the host may be used now.
  func pace(of host: MailDomain) -> Duration? { hostPace.begin(host, at: clock.uptime) }

  func noteReach(of host: MailDomain, _ reach: OpeningFault.Reach) {
    let event: MailEvent? =
      switch reach {
      case .answered: portBlock.met(host)
      case .silent: portBlock.silent(host)
      case .unknown: nil
      }
    if let event { events.record(event) }
  }
}

extension DeliveryResult {
  /// How long a route waits whose host has as many connections as it may.
  static let busyPause = Duration.seconds(1)

  static func busy(_ host: MailDomain, for wait: Duration) -> DeliveryResult {
    var result = DeliveryResult(host: host.description, tls: nil, outcomes: [])
    result.busyFor = max(wait, .milliseconds(100))
    return result
  }
}
