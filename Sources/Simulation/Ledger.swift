import MailQueue
import MailSyntax
import OrderedCollections
import Relay
import SMTPGrammar

/// Knows what was promised and what really happened, and compares them. Everything happens on the world's thread.
final class Ledger: @unchecked Sendable {
  /// One recipient of one message.
  struct Entry: Hashable, Sendable {
    let id: QueueID
    let address: Mailbox
  }

  private(set) var violations: [String] = []
  /// What anybody tried to make durable, by id.
  private var known: OrderedDictionary<QueueID, NewMessage> = [:]
  /// The ids a 250 was seen for.
  private(set) var acknowledged: OrderedSet<QueueID> = []
  /// How often a next hop took a recipient.
  private var taken: OrderedDictionary<Entry, Int> = [:]
  /// How often it may have been taken again: deliveries in flight at a cut, and words of a next hop that were lost.
  private var excuses: OrderedDictionary<Entry, Int> = [:]
  /// Taken, and not yet durable with us.
  private var unsettled: OrderedSet<Entry> = []
  /// The events that end a recipient, in their order, as the store keeps them; read anew by every check.
  private var ends: OrderedDictionary<Entry, [MailEvent.Kind]> = [:]
  /// Reports that a mailbox received: which failed address of which message they name.
  private var told: OrderedSet<String> = []
  private var doubleBounced: OrderedSet<QueueID> = []
  /// The reports that were made of a message.
  private var reports: OrderedDictionary<QueueID, [QueueID]> = [:]
  /// Reports about messages with REQUIRETLS, which are guarded as those were (RFC 8689 §5).
  private var guardedReports: Set<QueueID> = []
  private(set) var cuts = 0
  /// By how much the wall clock was set back, altogether: what began behind an expiry may seem to have ended before it.
  private(set) var setBack = Duration.zero
  /// What was written by whom.
  var letters = LetterBook()
  /// What the DNS really says.
  var foreign: ForeignInternet?
  /// Told of each recipient that a next hop takes.
  var arrival: ((Entry) -> Void)?

  func clockJumps(by jump: Duration) { setBack += max(.zero, .zero - jump) }

  func violate(_ text: String) { violations.append(text) }

  // MARK: What happens

  func committing(_ message: NewMessage) {
    known[message.id] = message
  }
  /// - Parameter wish: what the sender asked for.
  func acknowledge(_ id: QueueID, _ wish: TLSWish) {
    if known[id] == nil { violate("\(id) was acknowledged and never committed") }
    if let taken = known[id]?.tlsWish, taken != wish {
      violate("\(id) was taken as \(taken.rawValue), and its sender said \(wish.rawValue)")
    }
    acknowledged.append(id)
  }

  func took(_ job: DeliveryJob, _ recipient: QueuedRecipient) {
    took(Entry(id: job.message.id, address: recipient.recipient.address))
    if job.message.message.receivedAt > job.message.message.expiresAt {
      violate("\(job.message.id) was born expired")
    }
  }

  func took(_ entry: Entry) {
    taken[entry, default: 0] += 1
    unsettled.append(entry)
    arrival?(entry)
    if taken[entry, default: 0] > 1 + excuses[entry, default: 0] {
      violate("\(entry.id) reached \(entry.address) \(taken[entry, default: 0]) times without an excuse")
    }
  }

  /// The next hop took it and its word was lost: it will be tried again, and that is nobody's fault.
  func tookSilently(_ job: DeliveryJob, _ recipient: QueuedRecipient) {
    tookSilently(Entry(id: job.message.id, address: recipient.recipient.address))
  }

  /// The excuse comes first: what was on its way at a cut may arrive behind what was sent again.
  func tookSilently(_ entry: Entry) {
    excuses[entry, default: 0] += 1
    let isUnsettled = unsettled.contains(entry)
    took(entry)
    if !isUnsettled { unsettled.remove(entry) }
  }

  /// It was taken, and its word didn't reach us.
  func wordLost(_ entry: Entry) {
    excuses[entry, default: 0] += 1
    unsettled.remove(entry)
  }

  func received(report text: String) {
    // RFC 6533 §4.2: what names an international address may be encoded.
    let lines = (text.contains("message/global-delivery-status") ? quotedPrintable(text) : text)
      .split(separator: "\r\n")
    guard let id = lines.first(where: { $0.hasPrefix("Queue identifier: ") })?.dropFirst(18).prefix(QueueID.characters)
    else { return }
    var recipient: Substring?
    for line in lines {
      if line.hasPrefix("Final-Recipient: ") { recipient = line.split(separator: "; ", maxSplits: 1).last }
      if line == "Action: failed", let recipient { told.append("\(id) \(recipient)") }
    }
  }

  /// The power was cut or the store stopped: what was in flight may be done again.
  func cut() {
    cuts += 1
    for entry in unsettled { excuses[entry, default: 0] += 1 }
    unsettled = []
  }

  /// An event that has become durable.
  func happened(_ event: MailEvent) {
    learnOfReport(event)
    checkWaiting(event)
    guard let entry = Ledger.end(in: event) else { return }
    if event.kind == .failed { checkFailure(event, entry) }
    // An operator's word leaves a delivery under way unsettled: the cut may come before it is told.
    if event.kind != .removed { unsettled.remove(entry) }
    if event.kind == .delivered, taken[entry, default: 0] == 0 {
      violate("\(entry.id) is said to be delivered to \(entry.address), where it never came")
    }
  }

  /// A report about a message with REQUIRETLS has it, too.
  private func learnOfReport(_ event: MailEvent) {
    guard event.kind == .reported, case .text(let of)? = event["id"], case .text(let report)? = event["report"],
      let id = QueueID(of), let report = QueueID(report), wish(of: id) == .required
    else { return }
    guardedReports.insert(report)
  }

  /// The recipient that an event ends.
  private static func end(in event: MailEvent) -> Entry? {
    switch event.kind {
    case .delivered, .failed, .removed:
      guard case .text(let text)? = event["id"], let id = QueueID(text), case .text(let address)? = event["recipient"],
        let mailbox = try? Mailbox(address)
      else { return nil }
      return Entry(id: id, address: mailbox)
    case .accepted, .deferred, .held, .released, .rescheduled, .reported, .delayReported, .doubleBounce, .deliveryCut,
      .sessionOpened,
      .sessionSecured, .sessionClosed, .authenticated, .authenticationFailed, .commandRefused, .wrongWrapper,
      .addressLimited, .listed, .listUnanswered, .overrideAdded, .overrideEnded, .policyForgotten, .downgraded,
      .selectorChanged, .unauthenticated,
      .started,
      .stopping, .stopped, .reloaded, .dnssecProven, .alarm:
      return nil
    }
  }

  /// As it was accepted; nil for what the server made itself.
  func message(_ id: QueueID) -> NewMessage? { known[id] }

  /// What the sender asks of the channels to all recipients.
  func wish(of id: QueueID) -> TLSWish {
    known[id]?.tlsWish ?? (guardedReports.contains(id) ? .required : .unstated)
  }

  /// From receipt to expiry; nil for what the server made itself.
  func lifetime(of id: QueueID) -> Duration? { known[id].map { $0.expiresAt - $0.receivedAt } }

  // MARK: What must hold

  /// After every start and at the end: what was acknowledged is in the queue, or ended with an event; and so are the
  /// reports that followed from it.
  func check(_ store: any QueueStore) async {
    ends = [:]
    doubleBounced = []
    reports = [:]
    var ids = acknowledged
    var next = 0
    while next < ids.count {
      do {
        for report in try await check(ids[next], store) { ids.append(report) }
      } catch {
        return violate("the store can't be read: \(error)")
      }
      next += 1
    }
  }

  /// Checks one message and gives the reports that were made of it.
  private func check(_ id: QueueID, _ store: any QueueStore) async throws(StoreFault) -> [QueueID] {
    let queued = try await store.message(id)
    let events = try await store.events(of: id).map(\.event)
    for event in events {
      // What was durable at a cut, and nobody heard of.
      learnOfReport(event)
      if let entry = Ledger.end(in: event) { ends[entry, default: []].append(event.kind) }
      if event.kind == .doubleBounce { doubleBounced.append(id) }
    }
    if let queued, queued.message.tlsWish != wish(of: id) {
      violate("\(id) says \(queued.message.tlsWish.rawValue) where its sender said \(wish(of: id).rawValue)")
    }
    let addresses = known[id]?.recipients.map(\.address) ?? queued?.recipients.map(\.recipient.address) ?? []
    for address in addresses {
      let isQueued = queued?.recipients.contains { $0.recipient.address == address && !$0.state.isFinal } ?? false
      let hasEnded = !ends[Entry(id: id, address: address), default: []].isEmpty
      if !isQueued, !hasEnded { violate("\(id) to \(address) was acknowledged and is lost") }
      if isQueued, hasEnded { violate("\(id) to \(address) ended and is still queued") }
    }
    if addresses.isEmpty, !events.contains(where: { Ledger.end(in: $0) != nil }) { violate("the report \(id) is lost") }
    let reports = events.compactMap { event -> QueueID? in
      guard event.kind == .reported, case .text(let text)? = event["report"] else { return nil }
      return QueueID(text)
    }
    self.reports[id] = reports
    return reports
  }

  /// When the queue has drained: each failure was told where RFC 3461 asks for it.
  func checkReports() {
    checkEnds()
    for (entry, kinds) in ends where kinds.contains(.failed) {
      guard let message = known[entry.id], message.reversePath.mailbox != nil,
        let recipient = message.recipients.first(where: { $0.address == entry.address }),
        recipient.notify?.contains(.failure) ?? true, !doubleBounced.contains(entry.id)
      else { continue }
      guard !told.contains("\(entry.id) \(entry.address)") else { continue }
      // An operator may take a report out, too, and one that fails has its own double bounce.
      let isLost = reports[entry.id, default: []].contains { report in
        ends.contains { $0.key.id == report && !$0.value.contains(.delivered) }
      }
      guard !isLost else { continue }
      violate("nobody was told that \(entry.id) to \(entry.address) failed")
    }
  }

  /// What a next hop took is told, whatever an operator said meanwhile; and what has arrived doesn't fail any more.
  private func checkEnds() {
    for (entry, kinds) in ends {
      if taken[entry] != nil, excuses[entry] == nil, !kinds.contains(.delivered) {
        violate("\(entry.id) reached \(entry.address), and nobody was told")
      }
      if let arrived = kinds.firstIndex(of: .delivered), kinds[arrived...].contains(where: { $0 != .delivered }) {
        violate("\(entry.id) to \(entry.address) was delivered, and then ended otherwise: \(kinds)")
      }
    }
  }

  var summary: String {
    let kinds = ends.values.flatMap { $0 }
    return "\(acknowledged.count) acknowledged, \(kinds.count { $0 == .delivered }) delivered, "
      + "\(kinds.count { $0 == .failed }) failed, \(kinds.count { $0 == .removed }) removed, \(cuts) cuts, "
      + "\(told.count) told"
  }
}

/// RFC 2045 §6.7, decoded.
private func quotedPrintable(_ text: String) -> String {
  var decoded: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let octet = rest.popFirst() {
    guard octet == UInt8(ascii: "=") else {
      decoded.append(octet)
      continue
    }
    let pair = rest.prefix(2)
    if pair.elementsEqual([0x0d, 0x0a]) {
      rest = rest.dropFirst(2)
    } else if let value = UInt8(String(decoding: pair, as: UTF8.self), radix: 16) {
      decoded.append(value)
      rest = rest.dropFirst(2)
    } else {
      decoded.append(octet)
    }
  }
  return String(decoding: decoded, as: UTF8.self)
}
