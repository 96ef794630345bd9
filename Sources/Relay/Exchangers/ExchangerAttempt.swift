import MailQueue
import MailSyntax
import OrderedCollections
import SMTPGrammar
import SMTPSessions
import TransportSecurity

/// The way of one job through the hosts of its domain: each in turn, until every recipient has an answer that another
/// host could not better.
///
/// Law 2, RFC 3207 §4.1: where STARTTLS was offered and TLS could not be had, the next host is tried and not the same one
/// in clear. Only when every host has had its chance, and only where nobody asks for more, are those met once more on new
/// connections in clear, and the reason goes into the record.
struct ExchangerAttempt {
  private let job: DeliveryJob
  private let domain: MailDomain
  private let deliverer: ExchangerDeliverer
  private let decision: TLSDecision
  private let begun: Uptime

  private var account: ExchangerAccount
  /// Hosts where STARTTLS was offered and TLS could not be had, and at which addresses.
  private var withoutTLS: OrderedDictionary<ExchangerHost, [SocketEndpoint]> = [:]
  /// Sessions that may still be opened. A host's first failure of TLS costs none: it says that every other host has to
  /// be asked.
  private var budget = ExchangerSettings.maximumSessions
  /// Each of them is left a session, as far as there are so many: no host's many addresses keep the next one's from
  /// being tried.
  private var hostsBehind = 0
  /// A host had TLS with us, was left out for limits of our own, or could not be looked up for now: what came of the
  /// others says nothing of TLS there, so nothing goes in clear (Law 2: only where it failed on every host).
  private var mayHaveTLS = false
  private var metOurselves = false
  /// A connection was asked for, or a kept one used: what comes of it is recorded, and the schedule goes on.
  private var hasTried = false
  private var busyFor: Duration?

  init(_ job: DeliveryJob, to domain: MailDomain, by deliverer: ExchangerDeliverer, under decision: TLSDecision) {
    self.job = job
    self.domain = domain
    self.deliverer = deliverer
    self.decision = decision
    begun = deliverer.clock.uptime
    account = ExchangerAccount(of: job.recipients)
  }

  mutating func run(_ hosts: [ExchangerHost]) async -> DeliveryResult {
    for (place, host) in hosts.enumerated() where !account.isSettled {
      guard mayGoOn else {
        mayHaveTLS = true
        account.leaveHope(.cutShort, DeliveryPlace(host: "\(domain)", tls: nil))
        break
      }
      // RFC 5321 §5.1: a worse host is for when the better ones fail, not for when our own limits keep us from them.
      if busyFor != nil, place > 0, hosts[place - 1].preference < host.preference { break }
      hostsBehind = hosts.count - place - 1
      await serve(host)
    }
    if !mayHaveTLS, let permit = decision.cleartextPermit(reason: "STARTTLS failed on every mail server of \(domain)") {
      budget = ExchangerSettings.maximumSessions
      for (place, (host, endpoints)) in withoutTLS.elements.enumerated() where mayGoOn {
        hostsBehind = withoutTLS.count - place - 1
        await serve(host, at: endpoints, over: .cleartext(permit))
      }
    }
    return result()
  }

  private var mayGoOn: Bool {
    !account.isSettled && budget > 0 && !Task.isCancelled
      && deliverer.clock.uptime - begun < ExchangerSettings.maximumTime
  }

  private func result() -> DeliveryResult {
    if !hasTried, !account.hasOutcome, let busyFor { return .busy(domain, for: busyFor) }
    guard metOurselves, let name = domain.name else { return account.result(of: domain, silence: .cancelled) }
    return account.result(
      of: domain, silence: DeliveryFault(stage: .greeting, cause: .destination(.onlyOurselves(name))))
  }

  // MARK: One host

  private mutating func serve(_ host: ExchangerHost) async {
    switch await deliverer.lookup.addresses(of: host) {
    case .fault(let fault):
      if fault.isUncertain { mayHaveTLS = true }
      account.note(
        DeliveryFault(stage: .lookup, cause: .destination(fault)), DeliveryPlace(host: "\(host)", tls: nil))
    case .found(let addresses):
      let endpoints = addresses.map { SocketEndpoint(address: $0, port: deliverer.settings.port) }
      await serve(host, at: endpoints, over: firstChannel(to: host))
    }
  }

  private func firstChannel(to host: ExchangerHost) -> ClientPlan.Security {
    let name = host.tlsName
    if let permit = decision.cleartextPermit(reason: "STARTTLS is not offered") {
      return .opportunisticStartTLS(hostName: name, ifNotOffered: permit)
    }
    switch decision.verdict {
    case .opportunistic, .encrypt: return .startTLS(hostName: name, demand: .recorded)
    case .authenticate: return .startTLS(hostName: name, demand: .verified)
    }
  }

  private mutating func serve(
    _ host: ExchangerHost, at endpoints: [SocketEndpoint], over security: ClientPlan.Security
  ) async {
    let isInClear = security.isInClear
    let verdict = decision.verdict
    let lease = deliverer.connections.checkOut(host.name) { idle in
      // DESIGN §4: another domain's connection carries this mail where its address is one of this domain's own host, and
      // where this domain's own decision holds for what the handshake left.
      !isInClear && idle.peer.endpoint.map(endpoints.contains) ?? false
        && verdict.isMet(by: idle.tls, host: host.tlsName)
    }
    guard let lease else { return stayAway(from: host, for: DeliveryResult.busyPause) }
    // A host's turn is taken once an attempt, and the second look in clear belongs to the first.
    if !isInClear, let wait = deliverer.pace(of: host.name) {
      deliverer.connections.checkIn(host.name, lease)
      return stayAway(from: host, for: wait)
    }
    hasTried = true
    if let reused = lease.conversation {
      let handover = await job.handOver(account.pending, .unsaid, over: reused)
      guard handover.diedUnheard else {
        keep(reused, to: host, transactions: lease.transactions + handover.transactions)
        return absorb(handover, from: host, over: reused)
      }
      // A server may leave an idle connection at any time; that says nothing of the message. Once, on a new one.
    }
    guard let fresh = await connect(to: host, endpoints, security) else { return keep(nil, to: host, transactions: 0) }
    let handover = await job.handOver(account.pending, .unsaid, over: fresh)
    // In clear for this domain's reasons is no way for another's mail.
    keep(isInClear ? nil : fresh, to: host, transactions: handover.transactions)
    if isInClear { fresh.leave() }
    absorb(handover, from: host, over: fresh)
  }

  private func keep(_ conversation: ClientConversation?, to host: ExchangerHost, transactions: Int) {
    deliverer.connections.checkIn(
      host.name, ConnectionLease(conversation: conversation, transactions: transactions))
  }

  /// A connection to one of the host's addresses: a session that fails at one says little of the next (RFC 5321 §5.1).
  private mutating func connect(
    to host: ExchangerHost, _ endpoints: [SocketEndpoint], _ security: ClientPlan.Security
  ) async -> ClientConversation? {
    var left = endpoints
    while !left.isEmpty, mayGoOn {
      guard left.count == endpoints.count || budget > hostsBehind else { break }
      budget -= 1
      do throws(OpeningFault) {
        let conversation = try await ClientConversation.open(
          plan(security, to: host), to: .addresses(left), by: deliverer.dialer)
        deliverer.noteReach(of: host.name, .answered)
        guard conversation.isOurselves(by: deliverer.settings.ownNames) else { return conversation }
        conversation.leave()
        noteOurselves(host, conversation.peer)
        return nil
      } catch {
        deliverer.noteReach(of: host.name, error.reach)
        let place = DeliveryPlace(host: (error.peer ?? DialledPeer(endpoint: nil)).named("\(host)"), tls: error.tls)
        guard let answered = error.peer?.endpoint else {
          account.note(DeliveryFault(error.fault), place)
          return nil
        }
        guard !believesInClear || !error.isOurselves(by: deliverer.settings.ownNames) else {
          noteOurselves(host, error.peer)
          return nil
        }
        if error.tls != nil { mayHaveTLS = true }
        if error.fault.isTLSFailure {
          if withoutTLS[host] == nil { budget += 1 }
          withoutTLS[host, default: []].append(answered)
        }
        account.note(inLight(of: place, DeliveryFault(error.fault)), place)
        left.removeAll { $0 == answered }
      }
    }
    if !left.isEmpty { account.leaveHope(.cutShort, DeliveryPlace(host: "\(host)", tls: nil)) }
    return nil
  }

  private func plan(_ security: ClientPlan.Security, to host: ExchangerHost) -> ClientPlan {
    let settings = deliverer.settings
    var plan = ClientPlan(
      egress: settings.egress, security: security, usesChunking: settings.usesChunking, timeouts: settings.timeouts,
      observe: deliverer.watch?.observer(of: "\(host)"))
    plan.timeouts.idle = settings.pool.idleTime
    return plan
  }

  // MARK: What came of it

  private mutating func absorb(
    _ handover: Handover, from host: ExchangerHost, over conversation: ClientConversation
  ) {
    if conversation.tls != nil { mayHaveTLS = true }
    let place = DeliveryPlace(
      host: conversation.peer.named("\(host)"), tls: conversation.tls, cleartextReason: conversation.cleartextReason)
    let answers: [(number: Int, outcome: RecipientResult)] = handover.outcomes.map { number, result in
      switch result {
      case .delivered: (number, result)
      case .fault(let fault): (number, .fault(inLight(of: place, fault)))
      }
    }
    account.absorb(answers, from: place)
  }

  /// What is said before TLS may be anybody's word. Where nobody asks for TLS that is as good as any; where somebody
  /// does, it must not bounce the mail.
  private var believesInClear: Bool { decision.verdict == .opportunistic }

  private func inLight(of place: DeliveryPlace, _ fault: DeliveryFault) -> DeliveryFault {
    guard place.tls == nil, case .reply(let reply) = fault.cause else { return fault }
    // RFC 3207 §4: 530 in clear asks for STARTTLS, which couldn't be had here: that is no word about the mail.
    if reply.code.rawValue == 530 { return DeliveryFault(stage: .startTLS, cause: .security(.refused(reply))) }
    guard !believesInClear, fault.stage == .greeting else { return fault }
    return DeliveryFault(stage: .greeting, cause: .security(.refusedBeforeTLS(reply)))
  }

  /// No room there at present. Where nothing has been tried yet the mail just waits its turn.
  private mutating func stayAway(from host: ExchangerHost, for wait: Duration) {
    mayHaveTLS = true
    busyFor = min(busyFor ?? wait, wait)
    account.note(.noRoom, DeliveryPlace(host: "\(host)", tls: nil))
  }

  private mutating func noteOurselves(_ host: ExchangerHost, _ peer: DialledPeer?) {
    metOurselves = true
    account.remember("\((peer ?? DialledPeer(endpoint: nil)).named("\(host)")): greets with our own name")
  }
}

extension DeliveryFault {
  fileprivate static let noRoom = DeliveryFault(
    stage: .connect, cause: .transport("as many connections or deliveries as we allow ourselves"))
  fileprivate static let cutShort = DeliveryFault(
    stage: .connect, cause: .transport("not every mail server could be tried in this attempt"))
  fileprivate static let cancelled = DeliveryFault(
    stage: .connect, cause: .transport("the delivery was cancelled"))
}

extension ClientConversation {
  /// An own host, whatever the DNS calls it, is told by the name that it greets with; inside TLS by that alone which it
  /// says there.
  fileprivate func isOurselves(by ownNames: Set<DomainName>) -> Bool {
    (tls == nil && ownNames.contains(greeter: greetingName)) || ownNames.contains(greeter: helloName)
  }
}

extension OpeningFault {
  fileprivate func isOurselves(by ownNames: Set<DomainName>) -> Bool {
    tls == nil && ownNames.contains(greeter: greetingName)
  }
}

extension Set<DomainName> {
  fileprivate func contains(greeter name: String?) -> Bool {
    name.flatMap { try? DomainName($0) }.map(contains) ?? false
  }
}

extension ClientPlan.Security {
  fileprivate var isInClear: Bool {
    switch self {
    case .cleartext: true
    case .implicitTLS, .startTLS, .opportunisticStartTLS: false
    }
  }
}
