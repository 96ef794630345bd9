import MailQueue
import MailSyntax
import OrderedCollections
import SMTPSessions
import TransportSecurity

/// Law 2, at the only place that can't be deceived: the host that sees the octets, and knows its own channel.
extension ReceivingSession {
  /// MAIL: no envelope in clear behind an offer of STARTTLS, but where TLS has failed here before.
  func auditSender(_ envelope: ReceivedEnvelope) {
    let speakers = internet.visits.speaking(of: envelope.id, at: host.name)
    for speaker in speakers { speaker.meets(host.name) }
    // MAIL says whose mail it is, and not to which domain: it must be allowed for one of those that it may be.
    let faults = speakers.map { speaker in
      speaker.domain.flatMap { internet.foreign.domains[$0] }.flatMap { fault(of: speaker, to: $0) }
    }
    if let fault = faults.first ?? nil, faults.allSatisfy({ $0 != nil }) {
      internet.ledger.violate("\(host.name) was sent MAIL over \(channelText) against \(fault)")
    }
    // RFC 3207 §4.1, Law 2: what goes in clear at last goes on a connection of its own.
    if tls == nil, wasAskedForTLS {
      internet.ledger.violate("\(host.name) was sent MAIL in clear on the connection where STARTTLS failed")
    }
    guard tls == nil, offeredTLS, visit?.askedForTLS.contains(host.name) != true else { return }
    internet.ledger.violate("\(host.name) offers STARTTLS and was sent MAIL in clear")
  }

  /// RCPT: the host is one of the domain's, and the channel is as safe as the domain's mail asks for.
  func audit(_ recipient: Mailbox, of id: QueueID, in envelope: ReceivedEnvelope) {
    let foreign = internet.foreign
    guard let name = recipient.domain.name, let domain = foreign.domains[name] else {
      return internet.ledger.violate("\(host.name) was sent mail for \(recipient.domain)")
    }
    if tls != nil { internet.visits.delivering(id, to: name)?.hasTLS() }
    let hosts = domain.hosts(own: foreign.own)
    guard host.greetingName != foreign.own else {
      return internet.ledger.violate("mail for \(name) came back to ourselves")
    }
    let isAttackers = host.key == .attackers
    guard hosts.contains(host.name) || (isAttackers && internet.misled.contains(name)) else {
      return internet.ledger.violate("\(host.name) is no mail host of \(name) and was sent its mail")
    }
    if let visit = internet.visits.newest(id, to: name), let fault = fault(of: visit, to: domain) {
      internet.ledger.violate("\(host.name) was sent mail for \(name) over \(channelText) against \(fault)")
    }
    auditWish(envelope, id)
    if tls == nil, offeredTLS, !isAttackers { auditClear(name, hosts, id) }
  }

  /// RFC 8689 §2, §4.2.1: who asked for REQUIRETLS is passed on as asking for it, and nobody else.
  private func auditWish(_ envelope: ReceivedEnvelope, _ id: QueueID) {
    let (wish, isSaid) = (internet.ledger.wish(of: id), envelope.parameters["REQUIRETLS"] != nil)
    let isToBeSaid = wish == .required && (!envelope.isReport || (hasOffered && channel.offersRequireTLS))
    guard isSaid != isToBeSaid else { return }
    internet.ledger.violate(
      "\(host.name) was \(isSaid ? "" : "not ")told REQUIRETLS of \(id), whose sender says \(wish.rawValue)")
  }

  private func fault(of visit: ExchangerVisit, to domain: ForeignDomain) -> String? {
    guard let judged = visit.lookUp(of: host.name) else { return "nobody asked for the addresses of \(host.name)" }
    return internet.oracle.fault(
      in: channel,
      of: WireOracle.Passage(
        domain: domain, host: host, wish: internet.ledger.wish(of: visit.id), isReport: visit.isReport,
        begun: visit.begun, judged: judged))
  }

  private var channelText: String {
    guard channel.isEncrypted else { return "a channel in clear" }
    let isOwn = channel.key == host.key
    return "TLS with \(isOwn ? "itself" : "somebody else"), proven to be \(channel.provenNames)"
  }

  /// In clear to a host that offers TLS: by a connection made for this alone, when all others had been tried and none
  /// had TLS, on new connections or on those that were kept.
  private func auditClear(_ domain: DomainName, _ hosts: [DomainName], _ id: QueueID) {
    guard let visit, visit.domain == domain, visit.id == id else {
      return internet.ledger.violate("\(host.name) was sent mail for \(domain) on a connection in clear of another's")
    }
    internet.inject(.clearAtLast)
    let untried = hosts.filter { host in
      let isPassedOver =
        visit.lookUp(of: host) != nil
        && envelope.map { internet.visits.mayBePassedOver(host, with: $0) } ?? false
      return !visit.met.contains(host) && !isPassedOver
    }
    if !untried.isEmpty {
      internet.ledger.violate("mail for \(domain) went to \(host.name) in clear, and \(untried) had not been tried")
    }
    if visit.hadTLS {
      internet.ledger.violate("mail for \(domain) went to \(host.name) in clear, though another host had TLS")
    }
  }
}
