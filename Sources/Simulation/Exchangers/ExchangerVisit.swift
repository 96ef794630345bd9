import MailQueue
import MailSyntax
import NIOCore
import Relay

/// One delivery to the hosts of a domain, known to those whom it meets on its way: the resolver and the dialer find it in
/// their task, the hosts by a mark in front of the content.
final class ExchangerVisit: @unchecked Sendable {
  @TaskLocal static var current: ExchangerVisit?

  let id: QueueID
  let domain: DomainName?
  /// Dialled, or looked up in vain.
  private(set) var met: Set<DomainName> = []
  /// Where STARTTLS was said.
  private(set) var askedForTLS: Set<DomainName> = []
  /// A handshake ended well at some host.
  private(set) var hadTLS = false
  private var emptyAnswers: [DomainName: Int] = [:]

  init(_ job: DeliveryJob) {
    id = job.message.id
    domain = job.recipients.first?.recipient.address.domain.name
  }

  func dialled(_ host: DomainName) { met.insert(host) }
  func asksForTLS(at host: DomainName) { askedForTLS.insert(host) }
  func hasTLS() { hadTLS = true }
  /// In neither family: then there is nobody to dial.
  func hasNoAddress(_ host: DomainName) {
    emptyAnswers[host, default: 0] += 1
    if emptyAnswers[host] == AddressFamilies.count { met.insert(host) }
  }

  private enum AddressFamilies { static let count = 2 }
}

/// The mail exchangers' route as it ships, with each delivery marked.
struct VisitingDeliverer: Deliverer {
  static let mark = "X-Simulated-Id: "
  let deliverer: ExchangerDeliverer

  func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    var message = job.message.message
    var prefix = ByteBuffer(string: "\(VisitingDeliverer.mark)\(message.id)\r\n")
    prefix.writeImmutableBuffer(message.prefix)
    message.prefix = prefix
    let marked = QueuedMessage(message: message, bodySize: job.message.bodySize, recipients: job.message.recipients)
    return await ExchangerVisit.$current.withValue(ExchangerVisit(job)) {
      await deliverer.deliver(DeliveryJob(message: marked, recipients: job.recipients, openBody: job.openBody))
    }
  }

  func close() async { await deliverer.close() }
}
