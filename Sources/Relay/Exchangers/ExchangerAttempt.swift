import MailQueue
import MailSyntax
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

  /// Those that another host may do better for.
  private var pending: [QueuedRecipient]
  private var outcomes: [(number: Int, outcome: RecipientResult)] = []
  private var places: [Int: DeliveryPlace] = [:]
  /// The word that stands for those pending when no host is left.
  private var lastWord: (fault: DeliveryFault, place: DeliveryPlace)?
  /// What failed, host by host, for the record.
  private var trail: [String] = []
  /// Hosts where STARTTLS was offered and TLS could not be had.
  private var withoutTLS: [ExchangerHost] = []
  private var sessions = 0
  /// Each of them is left a session, as far as there are so many: no host's many addresses keep the next one's from
  /// being tried.
  private var hostsBehind = 0
  /// A host had TLS with us, was left out for limits of our own, or could not be looked up for now: what came of the
  /// others says nothing of TLS there, so nothing goes in clear (Law 2: only where it failed on every host).
  private var mayHaveTLS = false
  private var metOurselves = false
  private var busyFor: Duration?

  private static let maximumTrailOctets = 300

  init(_ job: DeliveryJob, to domain: MailDomain, by deliverer: ExchangerDeliverer, under decision: TLSDecision) {
    self.job = job
    self.domain = domain
    self.deliverer = deliverer
    self.decision = decision
    pending = job.recipients
  }

  mutating func run(_ hosts: [ExchangerHost]) async -> DeliveryResult {
    for (place, host) in hosts.enumerated() {
      guard mayGoOn else {
        mayHaveTLS = true
        break
      }
      hostsBehind = hosts.count - place - 1
      await serve(host, over: firstChannel(to: host))
    }
    if !mayHaveTLS, let permit = decision.cleartextPermit(reason: "STARTTLS failed on every mail server of \(domain)") {
      sessions = 0
      for (place, host) in withoutTLS.enumerated() where mayGoOn {
        hostsBehind = withoutTLS.count - place - 1
        await serve(host, over: .cleartext(permit))
      }
    }
    return result()
  }

  private var mayGoOn: Bool {
    !pending.isEmpty && sessions < ExchangerSettings.maximumSessions && !Task.isCancelled
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

  // MARK: One host

  private mutating func serve(_ host: ExchangerHost, over security: ClientPlan.Security) async {
    let endpoints: [SocketEndpoint]
    switch await deliverer.lookup.addresses(of: host) {
    case .fault(let fault):
      if fault.isUncertain { mayHaveTLS = true }
      return note(DeliveryFault(stage: .lookup, cause: .destination(fault)), DeliveryPlace(host: "\(host)", tls: nil))
    case .found(let addresses):
      endpoints = addresses.map { SocketEndpoint(address: $0, port: deliverer.settings.port) }
    }
    if let wait = deliverer.pace(of: host.name) { return stayAway(from: host, for: wait) }
    let verdict = decision.verdict
    let isNewConnectionDue = security.isInClear
    let lease = deliverer.connections.checkOut(host.name) { idle in
      // DESIGN §4: another domain's connection carries this mail where its address is one of this domain's own host, and
      // where this domain's own decision holds for what the handshake left.
      !isNewConnectionDue && idle.peer.endpoint.map(endpoints.contains) ?? false
        && verdict.isMet(by: idle.tls, host: host.tlsName)
    }
    guard let lease else { return stayAway(from: host, for: DeliveryResult.busyPause) }
    if let reused = lease.conversation {
      let handover = await job.handOver(pending, .unsaid, over: reused)
      guard handover.diedUnheard else {
        keep(reused, to: host, transactions: lease.transactions + handover.transactions)
        return absorb(handover, from: host, over: reused)
      }
      // A server may leave an idle connection at any time; that says nothing of the message. Once, on a new one.
    }
    guard let fresh = await connect(to: host, endpoints, security) else { return keep(nil, to: host, transactions: 0) }
    let handover = await job.handOver(pending, .unsaid, over: fresh)
    // In clear for this domain's reasons is no way for another's mail.
    keep(isNewConnectionDue ? nil : fresh, to: host, transactions: handover.transactions)
    if isNewConnectionDue { fresh.leave() }
    absorb(handover, from: host, over: fresh)
  }

  private func keep(_ conversation: ClientConversation?, to host: ExchangerHost, transactions: Int) {
    deliverer.connections.checkIn(host.name, conversation, transactions: transactions)
  }

  /// A connection to one of the host's addresses: a session that fails at one says little of the next (RFC 5321 §5.1).
  private mutating func connect(
    to host: ExchangerHost, _ endpoints: [SocketEndpoint], _ security: ClientPlan.Security
  ) async -> ClientConversation? {
    var left = endpoints
    while !left.isEmpty, mayGoOn {
      guard left.count == endpoints.count || sessions + hostsBehind < ExchangerSettings.maximumSessions else { break }
      sessions += 1
      do throws(OpeningFault) {
        let conversation = try await ClientConversation.open(
          plan(security, to: host), to: .addresses(left), by: deliverer.dialer)
        deliverer.noteReach(of: host.name, isSilent: false)
        guard isOurselves(conversation.greetingName) || isOurselves(conversation.helloName) else { return conversation }
        conversation.leave()
        noteOurselves(host, conversation.peer)
        return nil
      } catch {
        let place = DeliveryPlace(host: (error.peer ?? DialledPeer(endpoint: nil)).named("\(host)"), tls: error.tls)
        guard let answered = error.peer?.endpoint else {
          deliverer.noteReach(of: host.name, isSilent: error.isUnanswered)
          note(DeliveryFault(error.fault), place)
          return nil
        }
        deliverer.noteReach(of: host.name, isSilent: false)
        guard !isOurselves(error.greetingName) else {
          noteOurselves(host, error.peer)
          return nil
        }
        if error.tls != nil { mayHaveTLS = true }
        if error.fault.isTLSFailure, !withoutTLS.contains(host) { withoutTLS.append(host) }
        note(DeliveryFault(error.fault), place)
        left.removeAll { $0 == answered }
      }
    }
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
    var goOn: [QueuedRecipient] = []
    for (number, result) in handover.outcomes {
      switch result {
      case .delivered: settle(number, result, place)
      case .fault(let met):
        let fault = inLight(of: place, met)
        // Another host may be more willing; what concerns the recipient or the message, it would only say again.
        if OutcomeTable.decide(fault, of: .exchanger).scope == .host,
          let recipient = pending.first(where: { $0.number == number })
        {
          goOn.append(recipient)
          note(fault, place)
        } else {
          settle(number, .fault(fault), place)
        }
      }
    }
    pending = goOn
  }

  /// RFC 3207 §4: 530 in clear asks for STARTTLS, which couldn't be had here: that is no word about the mail.
  private func inLight(of place: DeliveryPlace, _ fault: DeliveryFault) -> DeliveryFault {
    guard place.tls == nil, case .reply(let reply) = fault.cause, reply.code.rawValue == 530 else { return fault }
    return DeliveryFault(stage: .startTLS, cause: .security(.refused(reply)))
  }

  private mutating func settle(_ number: Int, _ result: RecipientResult, _ place: DeliveryPlace) {
    outcomes.append((number, result))
    places[number] = place
  }

  /// A refusal for good is the last word only where no host left a hope.
  private mutating func note(_ fault: DeliveryFault, _ place: DeliveryPlace) {
    let line = "\(place.host): \(fault)"
    if trail.last != line { trail.append(String(line.prefix(ExchangerAttempt.maximumTrailOctets))) }
    let isHopeful = OutcomeTable.decide(fault, of: .exchanger).action == .retry
    let wasHopeful = lastWord.map { OutcomeTable.decide($0.fault, of: .exchanger).action == .retry } ?? false
    if isHopeful || !wasHopeful { lastWord = (fault, place) }
  }

  /// No room there at present. Where nothing has been tried yet the mail just waits its turn.
  private mutating func stayAway(from host: ExchangerHost, for wait: Duration) {
    mayHaveTLS = true
    busyFor = min(busyFor ?? wait, wait)
    note(
      DeliveryFault(stage: .connect, cause: .transport("as many connections or deliveries as we allow ourselves")),
      DeliveryPlace(host: "\(host)", tls: nil))
  }

  private func isOurselves(_ name: String?) -> Bool {
    guard let name, let domain = try? DomainName(name) else { return false }
    return deliverer.settings.ownNames.contains(domain)
  }

  private mutating func noteOurselves(_ host: ExchangerHost, _ peer: DialledPeer?) {
    metOurselves = true
    trail.append("\((peer ?? DialledPeer(endpoint: nil)).named("\(host)")): greets with our own name")
  }

  private func result() -> DeliveryResult {
    let first = outcomes.first.flatMap { places[$0.number] }
    var result = DeliveryResult(place: first ?? DeliveryPlace(host: "\(domain)", tls: nil), outcomes: outcomes)
    if outcomes.isEmpty, sessions == 0, let busyFor {
      result.busyFor = busyFor
      return result
    }
    result.elsewhere = places
    result.earlier = trail
    guard !pending.isEmpty else { return result }
    let (fault, place) = lastWord ?? wordForNobody()
    if pending.count == job.recipients.count { result.earlier.removeAll { $0 == "\(place.host): \(fault)" } }
    for recipient in pending {
      result.outcomes.append((recipient.number, .fault(fault)))
      result.elsewhere[recipient.number] = place
    }
    if outcomes.isEmpty { result.place = place }
    return result
  }

  /// No host failed, and none took it: all that were met are ourselves, or the attempt was cut short.
  private func wordForNobody() -> (DeliveryFault, DeliveryPlace) {
    let place = DeliveryPlace(host: "\(domain)", tls: nil)
    guard metOurselves, let name = domain.name else {
      return (DeliveryFault(stage: .connect, cause: .transport("the delivery was cancelled")), place)
    }
    return (DeliveryFault(stage: .greeting, cause: .destination(.onlyOurselves(name))), place)
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
