public import MailSyntax

/// One thing that happened, as a name and ordered fields with stable keys. Log lines, metrics, the outbox and later
/// webhooks all render this one vocabulary; Documentation/Events.md lists it.
public struct MailEvent: Hashable, Sendable {
  public let kind: Kind
  public let fields: [Field]

  public init(_ kind: Kind, _ fields: [Field]) {
    self.kind = kind
    self.fields = fields
  }

  public enum Kind: String, Hashable, Sendable, CaseIterable {
    // A session
    case sessionOpened = "session.opened"
    case sessionSecured = "session.secured"
    case sessionClosed = "session.closed"
    case authenticated = "auth.accepted"
    case authenticationFailed = "auth.failed"
    case commandRefused = "command.refused"
    case wrongWrapper = "session.wrong-wrapper"
    case addressLimited = "session.address-limited"
    case listed = "session.listed"
    case listUnanswered = "session.list-unanswered"
    case unauthenticated = "message.unauthenticated"
    // A message
    case accepted = "message.accepted"
    case delivered = "recipient.delivered"
    case deferred = "recipient.deferred"
    case failed = "recipient.failed"
    case held = "recipient.held"
    case released = "recipient.released"
    case rescheduled = "recipient.rescheduled"
    case removed = "recipient.removed"
    case reported = "message.reported"
    case delayReported = "recipient.delay-reported"
    case doubleBounce = "message.double-bounce"
    case deliveryCut = "delivery.cut"
    // The transport policy
    case overrideAdded = "policy.override-added"
    case overrideEnded = "policy.override-ended"
    case policyForgotten = "policy.forgotten"
    case downgraded = "tls.downgrade"
    // Signing keys
    case selectorChanged = "dkim.selector-changed"
    // The house
    case started = "server.started"
    case stopping = "server.stopping"
    case stopped = "server.stopped"
    case reloaded = "server.reloaded"
    case dnssecProven = "server.dnssec-proven"
    case alarm = "server.alarm"
  }

  /// A key and its value; keys are lower case with hyphens.
  public struct Field: Hashable, Sendable {
    public let key: String
    public let value: Value
    public init(_ key: String, _ value: Value) {
      self.key = key
      self.value = value
    }
  }

  public enum Value: Hashable, Sendable {
    case text(String)
    case number(Int)
    case flag(Bool)
  }

  public subscript(key: String) -> Value? { fields.first { $0.key == key }?.value }
}

/// An event with its place in the outbox and its moment.
public struct StampedEvent: Hashable, Sendable {
  public let sequence: Int64
  public let instant: UTCInstant
  public let event: MailEvent
  public init(sequence: Int64, instant: UTCInstant, event: MailEvent) {
    self.sequence = sequence
    self.instant = instant
    self.event = event
  }
}

/// Where events go besides the outbox: the log. Never blocks.
public protocol EventSink: Sendable {
  func record(_ event: MailEvent)
}
