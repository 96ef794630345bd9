public import MailQueue
internal import MailSyntax
public import Relay
internal import SMTPGrammar

/// A message in the queue as an operator reads it; its recipients follow it in the answer.
public struct MessageFacts: Hashable, Sendable, Codable {
  public let id: String
  /// `<user@example.org>` or `<>`.
  public let sender: String
  public let account: String?
  public let tenant: String?
  public let priority: String
  /// Octets of prefix and body.
  public let size: Int
  public let receivedAt: Timestamp
  public let expiresAt: Timestamp
  public let body: String
  public let usesSMTPUTF8: Bool
  public let envelopeID: String?
  /// `required` or `not-required`; nil where the sender asks for nothing (RFC 8689).
  public let tlsWish: String?
  /// All of them, though fewer may follow.
  public let recipientCount: Int
  /// Those that are queued or held.
  public let unfinishedCount: Int

  private enum CodingKeys: String, CodingKey {
    case id, sender, account, tenant, priority, size, body
    case receivedAt = "received_at"
    case expiresAt = "expires_at"
    case usesSMTPUTF8 = "smtputf8"
    case envelopeID = "envelope_id"
    case tlsWish = "tls_wish"
    case recipientCount = "recipient_count"
    case unfinishedCount = "unfinished_count"
  }

  public init(_ queued: QueuedMessage) {
    let message = queued.message
    id = queued.id.description
    sender = message.reversePath.description
    account = message.account
    tenant = message.tenant
    priority = "\(message.priority)"
    size = queued.size.bytes
    receivedAt = Timestamp(message.receivedAt)
    expiresAt = Timestamp(message.expiresAt)
    body = message.body.rawValue
    usesSMTPUTF8 = message.usesSMTPUTF8
    envelopeID = message.envelopeID
    tlsWish = message.tlsWish == .unstated ? nil : message.tlsWish.rawValue
    recipientCount = queued.recipients.count
    unfinishedCount = queued.recipients.count { !$0.state.isFinal }
  }
}

/// One recipient of the message before it.
public struct RecipientFacts: Hashable, Sendable, Codable {
  public let number: Int
  public let address: String
  public let route: String
  /// `RecipientState` by its name.
  public let state: String
  public let attempts: Int
  /// When the next attempt may begin; nil where none is to come.
  public let dueAt: Timestamp?
  public let lastResult: String?
  public let delayReported: Bool
  /// Since when it is being delivered, if it is at this moment.
  public let deliveringSince: Timestamp?
  /// Whom the sender named, where that is known to be another: the alias that sends it on, or ORCPT (RFC 3461 §4.2).
  public let originalRecipient: String?

  private enum CodingKeys: String, CodingKey {
    case number, address, route, state, attempts
    case dueAt = "due_at"
    case lastResult = "last_result"
    case delayReported = "delay_reported"
    case deliveringSince = "delivering_since"
    case originalRecipient = "original_recipient"
  }

  /// - Parameter underWay: the deliveries of its message at this moment.
  public init(_ queued: QueuedRecipient, underWay: [DeliveryUnderWay] = []) {
    deliveringSince = underWay.first { $0.recipients.contains(queued.number) }.map { Timestamp($0.since) }
    number = queued.number
    let address = queued.recipient.address.description
    let original = queued.recipient.forwardedFrom?.description ?? queued.recipient.originalRecipient?.address
    originalRecipient = original.flatMap { $0 == address ? nil : $0.cut(toOctets: ControlProtocol.maximumTextOctets) }
    self.address = address
    route = queued.recipient.route.rawValue
    state = queued.state.rawValue
    attempts = queued.attempts
    dueAt = queued.state == .queued ? Timestamp(queued.due) : nil
    lastResult = queued.lastResult?.cut(toOctets: ControlProtocol.maximumTextOctets)
    delayReported = queued.delayReported
  }
}

/// Something that happened to a message, from the queue's history.
public struct EventFacts: Hashable, Sendable, Codable {
  public let time: Timestamp
  public let event: MailEvent

  private enum CodingKeys: String, CodingKey { case time, event, fields }

  public init(_ stamped: StampedEvent) {
    time = Timestamp(stamped.instant)
    event = MailEvent(
      stamped.event.kind,
      stamped.event.fields.map { field in
        switch field.value {
        case .text(let text): .init(field.key, .text(text.cut(toOctets: ControlProtocol.maximumTextOctets)))
        case .number, .flag: field
        }
      })
  }

  /// Fields come back in the order of their keys.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    time = try container.decode(Timestamp.self, forKey: .time)
    let name = try container.decode(String.self, forKey: .event)
    guard let kind = MailEvent.Kind(rawValue: name) else {
      throw DecodingError.dataCorruptedError(forKey: .event, in: container, debugDescription: "no event of ours")
    }
    let fields = try container.decode([String: EventValue].self, forKey: .fields)
    event = MailEvent(kind, fields.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.value) })
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(time, forKey: .time)
    try container.encode(event.kind.rawValue, forKey: .event)
    let fields = event.fields.map { ($0.key, EventValue(value: $0.value)) }
    try container.encode(Dictionary(fields, uniquingKeysWith: { first, _ in first }), forKey: .fields)
  }
}

private struct EventValue: Codable {
  let value: MailEvent.Value

  init(value: MailEvent.Value) { self.value = value }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let flag = try? container.decode(Bool.self) {
      value = .flag(flag)
    } else if let number = try? container.decode(Int.self) {
      value = .number(number)
    } else {
      value = .text(try container.decode(String.self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch value {
    case .text(let text): try container.encode(text)
    case .number(let number): try container.encode(number)
    case .flag(let flag): try container.encode(flag)
    }
  }
}

/// How the queue stands.
public struct QueueStanding: Hashable, Sendable, Codable {
  public let messages: Int
  public let recipientsQueued: Int
  public let recipientsHeld: Int
  /// `accepting`, `space-low`, or `stopped: reason`.
  public let store: String
  public let deliveriesInFlight: Int
  public var isAccepting: Bool { store == QueueStanding.accepting }

  private static let accepting = "accepting"

  private enum CodingKeys: String, CodingKey {
    case messages, store
    case recipientsQueued = "recipients_queued"
    case recipientsHeld = "recipients_held"
    case deliveriesInFlight = "deliveries_in_flight"
  }

  public init(_ counts: QueueCounts, store condition: StoreCondition, deliveriesInFlight: Int) {
    messages = counts.messages
    recipientsQueued = counts.recipientsQueued
    recipientsHeld = counts.recipientsHeld
    self.deliveriesInFlight = deliveriesInFlight
    store =
      switch condition {
      case .accepting: QueueStanding.accepting
      case .spaceLow: "space-low"
      case .stopped(let reason): "stopped: \(reason)"
      }
  }
}
