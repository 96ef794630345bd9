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
  let job: DeliveryJob
  let domain: MailDomain
  let deliverer: ExchangerDeliverer
  private let evidence: EvidenceGatherer.OfDomain
  private let begun: Uptime

  var account: ExchangerAccount
  /// Hosts where STARTTLS was offered and TLS could not be had, and at which addresses.
  private var withoutTLS: OrderedDictionary<ExchangerHost, WithoutTLS> = [:]
  /// Sessions that may still be opened. A host's first failure of TLS costs none: it says that every other host has to
  /// be asked.
  private var budget = ExchangerSettings.maximumSessions
  /// Each of them is left a session, as far as there are so many: no host's many addresses keep the next one's from
  /// being tried.
  private var hostsBehind = 0
  /// A host had TLS with us, was left out for limits of our own, or could not be looked up for now, be it for one family
  /// of its addresses: what came of the others says nothing of TLS there, so nothing goes in clear (Law 2: only where it
  /// failed on every host).
  var mayHaveTLS = false
  var metOurselves = false
  /// A connection was asked for, or a kept one used: what comes of it is recorded, and the schedule goes on.
  private var hasTried = false
  var busyFor: Duration?

  private struct WithoutTLS {
    let policy: AppliedPolicy
    var endpoints: [SocketEndpoint] = []
  }

  init(_ job: DeliveryJob, to evidence: EvidenceGatherer.OfDomain, by deliverer: ExchangerDeliverer) {
    self.job = job
    self.deliverer = deliverer
    self.evidence = evidence
    domain = evidence.domain
    begun = deliverer.clock.uptime
    account = ExchangerAccount(of: job.recipients)
  }

  /// - Parameter leftOut: hosts of the domain that aren't among these.
  mutating func run(_ hosts: [ExchangerHost], leftOut: Int) async -> DeliveryResult {
    for (place, host) in hosts.enumerated() where !account.isSettled {
      guard mayGoOn else {
        leaveUntried("\(domain)")
        break
      }
      // RFC 5321 §5.1: a worse host is for when the better ones fail, not for when our own limits keep us from them.
      if busyFor != nil, place > 0, hosts[place - 1].preference < host.preference { break }
      hostsBehind = hosts.count - place - 1
      await serve(host)
    }
    if leftOut > 0 { leaveUntried("\(domain)") }
    if !mayHaveTLS {
      budget = ExchangerSettings.maximumSessions
      for (place, (host, met)) in withoutTLS.elements.enumerated() where mayGoOn {
        hostsBehind = withoutTLS.count - place - 1
        let reason = "STARTTLS failed on every mail server of \(domain)"
        let policy = deliverer.gatherer.renewed(met.policy, for: host, of: evidence)
        guard let permit = policy.decision.cleartextPermit(reason: reason) else { continue }
        await serve(host, at: met.endpoints, under: policy, over: .cleartext(permit))
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
    let addresses = await deliverer.lookup.addresses(of: host)
    if let fault = addresses.fault(isImplicit: host.isImplicit) {
      if fault.isUncertain { mayHaveTLS = true }
      return account.note(
        DeliveryFault(stage: .lookup, cause: .destination(fault)), DeliveryPlace(host: "\(host)", tls: nil))
    }
    if !addresses.areAll { mayHaveTLS = true }
    let policy = await deliverer.gatherer.policy(for: host, of: evidence, addresses: addresses)
    guard let channel = firstChannel(to: host, under: policy) else { return passOver(host, policy) }
    let endpoints = addresses.found.map { SocketEndpoint(address: $0, port: deliverer.settings.port) }
    await serve(host, at: endpoints, under: policy, over: channel)
  }

  /// Nil where the host may not be used at all.
  private func firstChannel(to host: ExchangerHost, under policy: AppliedPolicy) -> ClientPlan.Security? {
    let verdict = policy.decision.verdict
    guard let peer = verdict.expectedPeer(hostName: host.tlsName, dane: policy.dane) else { return nil }
    guard let permit = policy.decision.cleartextPermit(reason: "STARTTLS is not offered") else {
      return .startTLS(peer)
    }
    return .opportunisticStartTLS(peer, ifNotOffered: permit)
  }

  /// RFC 8461 §8.4, RFC 7672 §2.2: a host that the policy rules out counts as one that can't be reached, in its turn.
  private mutating func passOver(_ host: ExchangerHost, _ policy: AppliedPolicy) {
    // Nobody has asked it.
    mayHaveTLS = true
    hasTried = true
    guard let fault = PolicyFault(policy.decision) else { return }
    account.note(
      DeliveryFault(stage: .lookup, cause: .policy(fault)),
      DeliveryPlace(host: "\(host)", tls: nil, policy: policy))
  }

  private mutating func serve(
    _ host: ExchangerHost, at endpoints: [SocketEndpoint], under policy: AppliedPolicy,
    over security: ClientPlan.Security
  ) async {
    let isInClear = security.isInClear
    let lease = deliverer.connections.checkOut(host.name) { idle in
      // DESIGN §4: another domain's connection carries this mail where its address is one of this domain's own host, and
      // where this domain's own decision holds for what the handshake left.
      !isInClear && idle.conversation?.peer.endpoint.map(endpoints.contains) ?? false
        && idle.meets(policy, hostName: host.tlsName)
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
        noteSight(.channel(reused.tls), of: host, reused.peer)
        let place = lease.place(under: policy) ?? place(at: host, over: reused, policy)
        keep(reused, at: place, to: host, transactions: lease.transactions + handover.transactions)
        return absorb(handover, from: place)
      }
      // A server may leave an idle connection at any time; that says nothing of the message. Once, on a new one. But it
      // had TLS a moment ago.
      if reused.tls != nil { mayHaveTLS = true }
    }
    guard let fresh = await connect(to: host, endpoints, policy, security) else {
      return keep(nil, at: nil, to: host, transactions: 0)
    }
    let handover = await job.handOver(account.pending, .unsaid, over: fresh)
    let place = place(at: host, over: fresh, policy)
    // In clear for this domain's reasons is no way for another's mail.
    keep(fresh.tls == nil ? nil : fresh, at: place, to: host, transactions: handover.transactions)
    if fresh.tls == nil { fresh.leave() }
    absorb(handover, from: place)
  }

  private func keep(
    _ conversation: ClientConversation?, at place: DeliveryPlace?, to host: ExchangerHost, transactions: Int
  ) {
    deliverer.connections.checkIn(
      host.name, ConnectionLease(conversation: conversation, transactions: transactions, place: place))
  }

  /// A connection to one of the host's addresses: a session that fails at one says little of the next (RFC 5321 §5.1).
  private mutating func connect(
    to host: ExchangerHost, _ endpoints: [SocketEndpoint], _ policy: AppliedPolicy, _ security: ClientPlan.Security
  ) async -> ClientConversation? {
    var left = endpoints
    while !left.isEmpty, mayGoOn {
      guard left.count == endpoints.count || budget > hostsBehind else { break }
      budget -= 1
      do throws(OpeningFault) {
        let conversation = try await ClientConversation.open(
          plan(security, to: host), to: .addresses(left), by: deliverer.dialer)
        deliverer.noteReach(of: host.name, .answered)
        if !security.isInClear { noteSight(.channel(conversation.tls), of: host, conversation.peer) }
        guard conversation.isOurselves(by: deliverer.settings.ownNames) else { return conversation }
        conversation.leave()
        noteOurselves(host, conversation.peer)
        return nil
      } catch {
        deliverer.noteReach(of: host.name, error.reach)
        let place = DeliveryPlace(
          host: (error.peer ?? DialledPeer(endpoint: nil)).named("\(host)"), tls: error.tls, policy: policy)
        guard let answered = error.peer?.endpoint else {
          account.note(DeliveryFault(error.fault), place)
          return nil
        }
        guard !place.believesInClear || !error.isOurselves(by: deliverer.settings.ownNames) else {
          noteOurselves(host, error.peer)
          return nil
        }
        if let sight = error.sightOfTLS { noteSight(sight, of: host, error.peer) }
        // A certificate that was refused is TLS, too.
        if error.tls != nil || error.fault.isRefusedCertificate || error.fault.brokeProtocolAtTLS { mayHaveTLS = true }
        if error.fault.isTLSFailure {
          if withoutTLS[host] == nil { budget += 1 }
          withoutTLS[host, default: WithoutTLS(policy: policy)].endpoints.append(answered)
        }
        account.note(inLight(of: place, DeliveryFault(error.fault)), place)
        left.removeAll { $0 == answered }
      }
    }
    if !left.isEmpty { leaveUntried("\(host)") }
    return nil
  }

  /// Those that weren't asked may have TLS, and might take the mail.
  private mutating func leaveUntried(_ place: String) {
    mayHaveTLS = true
    account.leaveHope(.cutShort, DeliveryPlace(host: place, tls: nil))
  }

  private func plan(_ security: ClientPlan.Security, to host: ExchangerHost) -> ClientPlan {
    let settings = deliverer.settings
    var plan = ClientPlan(
      egress: settings.egress, security: security, usesChunking: settings.usesChunking, timeouts: settings.timeouts,
      observe: deliverer.watch?.observer(of: "\(host)"))
    plan.timeouts.idle = settings.pool.idleTime
    return plan
  }
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
