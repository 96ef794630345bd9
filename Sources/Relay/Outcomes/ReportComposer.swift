import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar

/// Writes the delivery reports that follow from an attempt or an operator's word, ready to enter the queue in the same
/// transaction. They carry the null reverse path, so that nothing is ever reported of them but to our postmaster.
struct ReportComposer {
  /// Octets of an original's header that a report shows.
  static let maximumHeaderOctets = 64 << 10
  /// Octets of a report of ours that is made anew. The two parts in front of the original hold what an envelope does.
  static let maximumReportOctets = DeliveryReport.maximumReturnedOctets + (1 << 20)

  let store: any QueueStore
  let routing: Routing
  let random: any RandomSource
  let hostName: DomainName
  let giveUpAfter: Duration
  let now: UTCInstant
  /// A report is signed as its author's domain signs, like other mail.
  var signing: MailSigning?
  /// The original's header where it is at hand; else it is read from the store.
  var header: ByteBuffer?

  struct Composed {
    var reports: [NewReport] = []
    var events: [MailEvent] = []
  }

  /// One report for each action and audience.
  func compose(_ tellings: [Telling], of message: QueuedMessage) async throws(StoreFault) -> Composed {
    var (composed, tellings) = (Composed(), tellings)
    let again = tellings.filter { $0.audience == .senderInSevenBits }
    if !again.isEmpty, !(try await makeAnew(message, for: again.map(\.recipient.mailbox), into: &composed)) {
      tellings += again.map { Telling(audience: .postmaster, action: $0.action, recipient: $0.recipient) }
    }
    let untold = tellings.filter { $0.audience == .eventAlone }.map(\.recipient)
    if !untold.isEmpty { composed.events.append(doubleBounce(untold, message)) }
    for action in DeliveryReport.Action.allCases {
      for audience in [Telling.Audience.sender, .postmaster] {
        let recipients = tellings.filter { $0.action == action && $0.audience == audience }.map(\.recipient)
        guard !recipients.isEmpty else { continue }
        do {
          try await report(action, to: audience, of: recipients, message, into: &composed)
        } catch {
          composed.discard()
          throw error
        }
      }
    }
    return composed
  }

  private func report(
    _ action: DeliveryReport.Action, to audience: Telling.Audience, of recipients: [DeliveryReport.Recipient],
    _ message: QueuedMessage, into composed: inout Composed
  ) async throws(StoreFault) {
    guard let (reader, targets) = destination(for: audience, of: message) else {
      // No postmaster is left to tell either, or it is his own mail that failed: the event is the end of it.
      if audience == .postmaster || action == .failed { composed.events.append(doubleBounce(recipients, message)) }
      return
    }
    if audience == .postmaster || message.message.reversePath.mailbox != reader {
      guard action == .failed else { return }
      composed.events.append(doubleBounce(recipients, message))
    }
    var report = DeliveryReport(
      action: action, recipients: recipients, sender: reader, reportingHost: hostName,
      queueID: message.id.description, arrival: message.message.receivedAt, date: now,
      original: try await original(of: message, after: action))
    if reader != message.message.reversePath.mailbox { report.author = .untold(message.message.reversePath.mailbox) }
    report.postmaster = routing.primaryPostmasterAddress
    report.envelopeID = message.message.envelopeID
    report.originalUsesSMTPUTF8 = message.message.usesSMTPUTF8
    var generator = RandomSourceGenerator(random)
    let rendered = report.render(using: &generator)

    let envelope = NewMessage(
      id: QueueID(acceptedAt: now, random: random.next()), reversePath: .null,
      recipients: targets.map { NewRecipient(address: $0.address, route: $0.route) },
      body: rendered.isEightBit ? .eightBitMIME : .sevenBit, usesSMTPUTF8: rendered.usesSMTPUTF8,
      tlsWish: wish(afterThatOf: message), receivedAt: now, expiresAt: now + giveUpAfter, prefix: ByteBuffer())
    try await add(
      rendered.bytes, envelope, into: &composed,
      .reported(action, of: message.id, as: envelope.id, to: reader, recipients: recipients.count))
  }

  /// A report of ours that no way is found for because of its eight bits, once more without them. False where it can't
  /// be had so.
  private func makeAnew(
    _ message: QueuedMessage, for readers: [Mailbox], into composed: inout Composed
  ) async throws(StoreFault) -> Bool {
    guard let reader = readers.first, message.size.bytes <= ReportComposer.maximumReportOctets,
      let text = DeliveryReport.inSevenBits(unsigned(try await stored(message)))
    else { return false }
    var envelope = NewMessage(
      id: QueueID(acceptedAt: now, random: random.next()), reversePath: .null, recipients: [],
      tlsWish: wish(afterThatOf: message), receivedAt: now, expiresAt: now + giveUpAfter, prefix: ByteBuffer())
    envelope.recipients = message.recipients.map(\.recipient).filter { readers.contains($0.address) }
    try await add(
      text, envelope, into: &composed,
      .reported(.failed, of: message.id, as: envelope.id, to: reader, recipients: readers.count))
    return true
  }

  /// RFC 8689 §5: what a report shows of a message is guarded as the message was. That nobody need guard it is said of
  /// the message alone.
  private func wish(afterThatOf message: QueuedMessage) -> TLSWish {
    switch message.message.tlsWish {
    case .required: .required
    case .unstated, .notRequired: .unstated
    }
  }

  private func add(
    _ text: ByteBuffer, _ envelope: NewMessage, into composed: inout Composed, _ event: MailEvent
  ) async throws(StoreFault) {
    let body = try store.beginBody()
    // A report that can't be signed is worth more than none.
    let signatures = (try? signing?.fields(for: text, now: now)) ?? ByteBuffer()
    for piece in [signatures, text] where piece.readableBytes > 0 {
      if case .later(let written) = body.write(piece) { await written() }
    }
    composed.reports.append(NewReport(message: envelope, body: body))
    composed.events.append(event)
  }

  /// Empty where it is damaged.
  private func stored(_ message: QueuedMessage) async throws(StoreFault) -> ByteBuffer {
    var text = ByteBuffer()
    do {
      let body = try await store.openBody(of: message.id)
      while var chunk = try await body.next() { text.writeBuffer(&chunk) }
    } catch .corrupt {
      text.clear()
    }
    return text
  }

  /// Without signatures of the text as it was.
  private func unsigned(_ report: ByteBuffer) -> ByteBuffer {
    guard case .complete(let header, var body) = HeaderScanner.read(report) else { return report }
    var text = header.removing(["dkim-signature"])
    text.writeBuffer(&body)
    return text
  }

  /// Who reads the report, and where it goes. A sender we can't route to has nobody but our postmaster.
  private func destination(
    for audience: Telling.Audience, of message: QueuedMessage
  ) -> (reader: Mailbox, targets: [ResolvedRecipient])? {
    if audience == .sender, let sender = message.message.reversePath.mailbox,
      case .deliver(let targets) = routing.route(sender, reach: .anywhere)
    {
      return (sender, targets)
    }
    let postmaster = routing.primaryPostmaster
    let own = Set(postmaster.map(\.address))
    guard let first = postmaster.first, !message.recipients.contains(where: { own.contains($0.recipient.address) })
    else { return nil }
    return (first.address, postmaster)
  }

  private func doubleBounce(_ recipients: [DeliveryReport.Recipient], _ message: QueuedMessage) -> MailEvent {
    MailEvent(
      .doubleBounce,
      [
        .init("id", .text(message.id.description)),
        .init("sender", .text(message.message.reversePath.description)),
        .init("recipient", .text(recipients.first?.mailbox.description ?? "")),
        .init("recipients", .number(recipients.count)),
      ])
  }

  // MARK: The original

  /// RFC 3461 §4.3: RET speaks of reports of failure alone; all others return the header.
  private func original(
    of message: QueuedMessage, after action: DeliveryReport.Action
  ) async throws(StoreFault) -> DeliveryReport.Original {
    if let header {
      return .header(
        header.getSlice(
          at: header.readerIndex, length: min(header.readableBytes, ReportComposer.maximumHeaderOctets)) ?? header)
    }
    let isFull =
      action == .failed && message.message.reportContent == .full
      // RFC 8689 §5: whatever RET said. The report may go further than the message would have.
      && message.message.tlsWish != .required
      && message.size.bytes <= DeliveryReport.maximumReturnedOctets
    var chunks = [message.message.prefix]
    var tail = Array(message.message.prefix.readableBytesView.suffix(3))
    var headerOctets: Int?
    var octets = message.message.prefix.readableBytes
    do {
      let body = try await store.openBody(of: message.id)
      while let chunk = try await body.next() {
        if headerOctets == nil { headerOctets = endOfHeader(in: chunk, behind: &tail).map { octets + $0 } }
        chunks.append(chunk)
        octets += chunk.readableBytes
        if !isFull, headerOctets != nil || octets >= ReportComposer.maximumHeaderOctets { break }
      }
    } catch .corrupt {
      // The report matters more than what it returns.
      return .header(message.message.prefix)
    }
    if isFull { return .full(chunks, headerOctets: headerOctets ?? octets) }
    var header = ByteBuffer()
    for chunk in chunks { header.writeImmutableBuffer(chunk) }
    let end = min(headerOctets ?? octets, ReportComposer.maximumHeaderOctets)
    return .header(header.getSlice(at: header.readerIndex, length: min(end, header.readableBytes)) ?? header)
  }

  /// The octets of `chunk` up to and with the empty line that ends a header; `tail` carries what may be its beginning.
  private func endOfHeader(in chunk: ByteBuffer, behind tail: inout [UInt8]) -> Int? {
    let mark = Array("\r\n\r\n".utf8)
    let window = tail + Array(chunk.readableBytesView)
    for start in window.indices where window[start...].starts(with: mark) {
      return start + mark.count - tail.count
    }
    tail = Array(window.suffix(mark.count - 1))
    return nil
  }
}

extension ReportComposer.Composed {
  func discard() { reports.forEach { $0.body.discard() } }
}

extension MailEvent {
  fileprivate static func reported(
    _ action: DeliveryReport.Action, of id: QueueID, as report: QueueID, to reader: Mailbox, recipients: Int
  ) -> MailEvent {
    MailEvent(
      .reported,
      [
        .init("id", .text(id.description)), .init("action", .text(action.rawValue)),
        .init("to", .text(reader.description)), .init("report", .text(report.description)),
        .init("recipients", .number(recipients)),
      ])
  }
}
