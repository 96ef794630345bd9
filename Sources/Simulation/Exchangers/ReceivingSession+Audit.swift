import MailQueue
import MailSyntax
import OrderedCollections
import SMTPSessions
import TransportSecurity

/// Law 2, at the only place that can't be deceived: the host that sees the octets, and knows its own channel.
extension ReceivingSession {
  private var isVerified: Bool { tls?.verifiedPeer?.hostName == host.name.folded }

  /// MAIL: no envelope in clear behind an offer of STARTTLS, but where TLS has failed here before.
  func auditSender(_ envelope: ReceivedEnvelope) {
    for speaker in internet.visits.speaking(of: envelope.id, at: host.name) { speaker.meets(host.name) }
    // RFC 3207 §4.1, Law 2: what goes in clear at last goes on a connection of its own.
    if tls == nil, wasAskedForTLS {
      internet.ledger.violate("\(host.name) was sent MAIL in clear on the connection where STARTTLS failed")
    }
    guard tls == nil, offeredTLS, visit?.askedForTLS.contains(host.name) != true else { return }
    internet.ledger.violate("\(host.name) offers STARTTLS and was sent MAIL in clear")
  }

  /// RCPT: the host is one of the domain's, and the channel is as safe as the domain's mail asks for.
  func audit(_ recipient: Mailbox, of id: QueueID) {
    let foreign = internet.foreign
    guard let name = recipient.domain.name, let domain = foreign.domains[name] else {
      return internet.ledger.violate("\(host.name) was sent mail for \(recipient.domain)")
    }
    if tls != nil { internet.visits.delivering(id, to: name)?.hasTLS() }
    let hosts = domain.hosts(own: foreign.own)
    guard host.greetingName != foreign.own else {
      return internet.ledger.violate("mail for \(name) came back to ourselves")
    }
    guard hosts.contains(host.name) else {
      return internet.ledger.violate("\(host.name) is no mail host of \(name) and was sent its mail")
    }
    switch domain.floor {
    case .verified:
      if !isVerified { internet.ledger.violate("\(host.name) proved nothing and was sent mail for \(name)") }
    case .encrypt:
      if tls == nil { internet.ledger.violate("\(host.name) was sent mail for \(name) in clear") }
    case .opportunistic:
      if tls == nil, offeredTLS { auditClear(name, hosts, id) }
    }
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
        visit.lookedUp.contains(host)
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
