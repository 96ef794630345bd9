import MailQueue
import MailSyntax
import NIOCore
import Relay

/// One delivery to the hosts of a domain, known to those whom it meets on its way: the resolver and the dialer find it in
/// their task, the hosts by the mark in the envelope.
final class ExchangerVisit: @unchecked Sendable {
  @TaskLocal static var current: ExchangerVisit?

  let id: QueueID
  let domain: DomainName?
  let isReport: Bool
  let begun: Uptime
  private let clock: VirtualClock
  /// Whose addresses were asked for, and when last.
  private var lookUps: [DomainName: Moment] = [:]
  /// Dialled, spoken to on a connection that was kept, or looked up in vain.
  private(set) var met: Set<DomainName> = []
  /// Where STARTTLS was said.
  private(set) var askedForTLS: Set<DomainName> = []
  /// A handshake ended well at some host, now or when a connection was made that was kept.
  private(set) var hadTLS = false
  private var emptyAnswers: [DomainName: Int] = [:]

  init(_ job: DeliveryJob, by clock: VirtualClock) {
    begun = clock.uptime
    self.clock = clock
    id = job.message.id
    domain = job.recipients.first?.recipient.address.domain.name
    isReport = job.message.message.reversePath == .null
  }

  func meets(_ host: DomainName) { met.insert(host) }
  func asksForTLS(at host: DomainName) { askedForTLS.insert(host) }
  func hasTLS() { hadTLS = true }
  func looksUp(_ host: DomainName) { lookUps[host] = Moment(of: clock) }
  /// Nil where its addresses weren't asked for.
  func lookUp(of host: DomainName) -> Moment? { lookUps[host] }
  /// In neither family: then there is nobody to dial.
  func hasNoAddress(_ host: DomainName) {
    emptyAnswers[host, default: 0] += 1
    if emptyAnswers[host] == AddressFamilies.count { met.insert(host) }
  }

  /// By both clocks.
  struct Moment {
    let uptime: Uptime
    let now: UTCInstant

    init(of clock: VirtualClock) { (uptime, now) = (clock.uptime, clock.now) }
  }

  private enum AddressFamilies { static let count = 2 }
}

/// The deliveries under way. Touched on the world's thread alone.
final class ExchangerVisits: @unchecked Sendable {
  private var open: [ExchangerVisit] = []
  /// Looked up only.
  private var latest: [QueueID: [DomainName: ExchangerVisit]] = [:]
  /// What hosts said in clear that they offer, by the host; nil where HELO was answered. A client that knows it from a kept connection passes the
  /// host over without a word where that is too little for the message.
  private var offersInClear: [DomainName: [HostOffers?]] = [:]

  func host(_ name: DomainName, told offers: HostOffers?) { offersInClear[name, default: []].append(offers) }
  func mayBePassedOver(_ host: DomainName, with envelope: ReceivedEnvelope) -> Bool {
    offersInClear[host]?.contains { !($0?.suffice(for: envelope) ?? envelope.isPlain) } ?? false
  }

  func begin(_ visit: ExchangerVisit) {
    open.append(visit)
    if let domain = visit.domain { latest[visit.id, default: [:]][domain] = visit }
  }

  /// The newest delivery of a message to a domain, over or not.
  func newest(_ id: QueueID, to domain: DomainName) -> ExchangerVisit? { latest[id]?[domain] }
  func end(_ visit: ExchangerVisit) { open.removeAll { $0 === visit } }

  /// Who has said MAIL to a host: for a report, which bears no mark there, all that it may have been.
  func speaking(of id: QueueID?, at host: DomainName) -> [ExchangerVisit] {
    open.filter { visit in
      let mayBe = id.map { $0 == visit.id } ?? visit.isReport
      return mayBe && visit.lookUp(of: host) != nil
    }
  }

  /// Who has said RCPT. None where the delivery has been broken off meanwhile.
  func delivering(_ id: QueueID, to domain: DomainName) -> ExchangerVisit? {
    open.first { $0.id == id && $0.domain == domain }
  }
}

/// The mail exchangers' route as it ships, with each delivery marked.
struct VisitingDeliverer: Deliverer {
  let deliverer: ExchangerDeliverer
  let visits: ExchangerVisits
  let clock: VirtualClock

  func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    let visit = ExchangerVisit(job, by: clock)
    visits.begin(visit)
    defer { visits.end(visit) }
    return await ExchangerVisit.$current.withValue(visit) { await deliverer.deliver(marked(job)) }
  }

  private func marked(_ job: DeliveryJob) -> DeliveryJob {
    var message = job.message.message
    if let sender = message.reversePath.mailbox {
      message.reversePath = .mailbox(EnvelopeMark.mark(sender, with: message.id))
    }
    let recipients = job.recipients.map { queued in
      var recipient = queued.recipient
      recipient.address = EnvelopeMark.mark(recipient.address, with: message.id)
      return QueuedRecipient(
        number: queued.number, recipient: recipient, state: queued.state, attempts: queued.attempts, due: queued.due,
        lastResult: queued.lastResult, delayReported: queued.delayReported)
    }
    return DeliveryJob(
      message: QueuedMessage(
        message: message, bodySize: job.message.bodySize, recipients: job.message.recipients),
      recipients: recipients, openBody: job.openBody)
  }

  func close() async { await deliverer.close() }
}
