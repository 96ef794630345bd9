import MailMessage
import MailQueue
import MailSyntax
import SMTPGrammar
import SMTPSessions

/// Whom a message is for behind all aliases, and what each sender's wish to be told becomes on the way there.
struct Addressees {
  /// Addresses of one message behind all its aliases.
  static let maximum = 10_000
  /// Targets looked at on the way there, those that are there already as well: this is done between two reads of a loop
  /// that serves other sessions too.
  static let maximumSteps = 100_000

  /// Each once. Empty where every recipient is a loop.
  private(set) var recipients: [NewRecipient] = []
  /// Aliases with several targets whose sender wants to hear of success: the expansion is the last we say of them.
  private(set) var expanded: [NewRecipient] = []
  /// Aliases that lead elsewhere and that this message has been to before.
  private(set) var looping: [NewRecipient] = []
  /// There are more than may be; those here are the first.
  private(set) var isBeyondBounds = false
  private var places: [ResolvedRecipient: Place] = [:]

  private struct Place {
    let index: Int
    let isDirect: Bool
  }

  /// Nil where a recipient that was accepted has no way any more: the configuration has changed since.
  init?(_ recipients: [Transaction.Recipient], by routing: Routing, reach: RoutingReach, marks: LoopMarks) {
    var followed: Set<Mailbox> = []
    var steps = 0
    for recipient in recipients {
      guard case .deliver(let targets) = routing.route(recipient.path, reach: reach) else { return nil }
      let alias = routing.alias(recipient.path)
      // An alias that is named again says nothing new.
      if let alias, !followed.insert(alias).inserted { continue }
      steps += targets.count
      guard steps <= Addressees.maximumSteps, self.recipients.count <= Addressees.maximum else { break }
      if let alias {
        add(targets, of: alias, recipient, by: routing, marks)
      } else {
        for target in targets { add(target, recipient.parameters, forwardedFrom: nil, isDirect: true) }
      }
    }
    isBeyondBounds = steps > Addressees.maximumSteps || self.recipients.count > Addressees.maximum
  }

  private mutating func add(
    _ targets: [ResolvedRecipient], of alias: Mailbox, _ recipient: Transaction.Recipient, by routing: Routing,
    _ marks: LoopMarks
  ) {
    var parameters = recipient.parameters
    let leadsElsewhere = targets.contains { !routing.isOwn($0.address.domain) }
    guard !(leadsElsewhere && marks.contain(alias)) else {
      looping.append(NewRecipient(alias, parameters))
      return
    }
    if targets.count > 1, let notify = parameters.notify {
      // RFC 3461 §5.2.7.3 (c): the expansion is told instead of each success behind it.
      if notify.contains(.success) { expanded.append(NewRecipient(alias, parameters)) }
      parameters.notify = notify.subtracting(.success)
    }
    // RFC 3461 §5.2.1 (d): so that reports from further on speak of the address that the sender knows.
    if parameters.originalRecipient == nil, case .mailbox(let named) = recipient.path, named.isASCII {
      parameters.originalRecipient = OriginalRecipient(addressType: "rfc822", address: named.description)
    }
    for target in targets {
      let isOurs = routing.isOwn(target.address.domain)
      add(target, parameters, forwardedFrom: isOurs ? nil : alias, isDirect: false)
    }
  }

  /// Who is named by the sender and stands behind an alias too gets one copy, and what was said of the name counts.
  private mutating func add(
    _ target: ResolvedRecipient, _ parameters: RecipientParameters, forwardedFrom alias: Mailbox?, isDirect: Bool
  ) {
    let recipient = NewRecipient(
      address: target.address, route: target.route, notify: parameters.notify,
      originalRecipient: parameters.originalRecipient, forwardedFrom: alias)
    guard let place = places[target] else {
      places[target] = Place(index: recipients.count, isDirect: isDirect)
      return recipients.append(recipient)
    }
    guard isDirect, !place.isDirect else { return }
    places[target] = Place(index: place.index, isDirect: true)
    recipients[place.index] = recipient
  }
}

extension NewRecipient {
  /// A recipient that is told of and never queued.
  fileprivate init(_ alias: Mailbox, _ parameters: RecipientParameters) {
    self.init(
      address: alias, route: RouteKey(rawValue: ""), notify: parameters.notify,
      originalRecipient: parameters.originalRecipient)
  }
}

extension Addressees {
  /// A report may have to be made as soon as the message is in.
  var mayBeTold: Bool { !expanded.isEmpty || !looping.isEmpty }

  static let loopStatus = EnhancedStatusCode(.permanent, 4, 6)

  /// What the sender of `message` is to be told before it goes on.
  func tellings(of message: NewMessage, at now: UTCInstant) -> [Telling] {
    let loops = looping.map { recipient in
      var told = DeliveryReport.Recipient(recipient, status: Addressees.loopStatus, at: now)
      told.explanation = "The message has been to this address before, and is sent back to it: a mail loop."
      return Telling(
        audience: Telling.audience(of: .failed, for: recipient, of: message), action: .failed, recipient: told)
    }
    let expansions = expanded.map { recipient in
      Telling(
        audience: Telling.audience(of: .expanded, for: recipient, of: message), action: .expanded,
        recipient: DeliveryReport.Recipient(recipient, status: EnhancedStatusCode(.success, 0, 0), at: now))
    }
    return (loops + expansions).filter { $0.audience != .nobody }
  }

  /// What the outbox keeps of those that are not queued.
  func events(of id: QueueID) -> [MailEvent] {
    looping.map { recipient in
      MailEvent(
        .failed,
        [
          .init("id", .text(id.description)), .init("recipient", .text(recipient.address.description)),
          .init("result", .text("the message has been to this address before")),
          .init("status", .text(Addressees.loopStatus.description)), .init("reason", .text("mail-loop")),
        ])
    }
  }
}

extension DeliveryReport.Recipient {
  fileprivate init(_ recipient: NewRecipient, status: EnhancedStatusCode, at now: UTCInstant) {
    self.init(recipient.address, status: status)
    originalType = recipient.originalRecipient?.addressType
    originalAddress = recipient.originalRecipient?.address
    lastAttempt = now
  }
}

/// The addresses that a message has been forwarded from, as its Delivered-To fields name them.
struct LoopMarks {
  private var addresses: Set<Mailbox> = []

  init(_ header: HeaderSection) {
    for field in header.fields where field.name == "delivered-to" {
      guard let text = String(validating: header.unfoldedValue(of: field), as: UTF8.self),
        let mailbox = try? Mailbox(text)
      else { continue }
      addresses.insert(mailbox.folded)
    }
  }

  func contain(_ alias: Mailbox) -> Bool { addresses.contains(alias.folded) }
}

extension Mailbox {
  /// As our domains know an address: without ASCII case.
  fileprivate var folded: Mailbox { Mailbox(localPart: localPart.lowercasedASCII(), domain: domain) }
}
