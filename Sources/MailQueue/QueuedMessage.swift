public import MailSyntax
public import NIOCore
public import SMTPGrammar

/// The envelope and the circumstances of a message that is about to be accepted: all but its body.
public struct NewMessage: Hashable, Sendable {
  public let id: QueueID
  public var reversePath: ReversePath
  public var recipients: [NewRecipient]
  public var body: BodyType
  public var usesSMTPUTF8: Bool
  public var envelopeID: String?
  public var reportContent: DeliveryReportContent?
  /// What the sender asks of the channels to each of the recipients, all of them alike (RFC 8689 §4.1).
  public var tlsWish: TLSWish
  /// Who submitted: the fairness of the queue and the trace to the user (SUBOP-003) go by it. Nil for relayed mail.
  public var account: String?
  public var tenant: String?
  public var priority: PriorityClass
  public var receivedAt: UTCInstant
  /// The first failed attempt after this moment is the last.
  public var expiresAt: UTCInstant
  /// Header fields of ours that stand in front of the stored body: Received and what submission added. CRLF-ended, and
  /// empty in a report of ours alone: what came in has a Received field.
  public var prefix: ByteBuffer

  /// A delivery report that this house wrote, rather than a message without a sender that came in.
  public var isOwnReport: Bool { reversePath == .null && prefix.readableBytes == 0 }

  public init(
    id: QueueID, reversePath: ReversePath, recipients: [NewRecipient], body: BodyType = .sevenBit,
    usesSMTPUTF8: Bool = false, envelopeID: String? = nil, reportContent: DeliveryReportContent? = nil,
    tlsWish: TLSWish = .unstated, account: String? = nil, tenant: String? = nil, priority: PriorityClass = .normal,
    receivedAt: UTCInstant,
    expiresAt: UTCInstant, prefix: ByteBuffer
  ) {
    self.id = id
    self.reversePath = reversePath
    self.recipients = recipients
    self.body = body
    self.usesSMTPUTF8 = usesSMTPUTF8
    self.envelopeID = envelopeID
    self.reportContent = reportContent
    self.tlsWish = tlsWish
    self.account = account
    self.tenant = tenant
    self.priority = priority
    self.receivedAt = receivedAt
    self.expiresAt = expiresAt
    self.prefix = prefix
  }
}

/// One recipient of a new message, with the route the mail will take.
public struct NewRecipient: Hashable, Sendable {
  public var address: Mailbox
  public var route: RouteKey
  public var notify: Notify?
  public var originalRecipient: OriginalRecipient?
  /// The address of ours that the mail came to, where an alias sends it on to another domain: named in Delivered-To of
  /// this recipient's copy, by which a loop is known.
  public var forwardedFrom: Mailbox?
  public init(
    address: Mailbox, route: RouteKey, notify: Notify? = nil, originalRecipient: OriginalRecipient? = nil,
    forwardedFrom: Mailbox? = nil
  ) {
    self.address = address
    self.route = route
    self.notify = notify
    self.originalRecipient = originalRecipient
    self.forwardedFrom = forwardedFrom
  }
}

/// The order in which mail of one account leaves: a password reset before a newsletter.
public enum PriorityClass: Int, Hashable, Comparable, Sendable, CaseIterable {
  case interactive = 0
  case normal = 1
  case bulk = 2
  public static func < (left: PriorityClass, right: PriorityClass) -> Bool { left.rawValue < right.rawValue }
}

/// A message as it stands in the queue.
public struct QueuedMessage: Hashable, Sendable {
  public let message: NewMessage
  /// Octets of the stored body, without the prefix.
  public let bodySize: ByteCount
  /// In the order of the envelope; the index is the recipient's number for good.
  public var recipients: [QueuedRecipient]

  public init(message: NewMessage, bodySize: ByteCount, recipients: [QueuedRecipient]) {
    self.message = message
    self.bodySize = bodySize
    self.recipients = recipients
  }
  public var id: QueueID { message.id }
  /// What SIZE of RFC 1870 counts: prefix and body.
  public var size: ByteCount { ByteCount(message.prefix.readableBytes + bodySize.bytes) }

  /// The copy of those whom an alias of ours sends it to: with the loop mark in front, before all that was there. An
  /// alias outside ASCII makes it an international message, whatever it was (RFC 6531 §3.4).
  public func forwarded(from alias: Mailbox) -> QueuedMessage {
    var marked = message
    var prefix = ByteBuffer(string: "Delivered-To: \(alias)\r\n")
    prefix.writeImmutableBuffer(message.prefix)
    marked.prefix = prefix
    if !alias.isASCII {
      marked.usesSMTPUTF8 = true
      marked.body = .eightBitMIME
    }
    return QueuedMessage(message: marked, bodySize: bodySize, recipients: recipients)
  }
}

public struct QueuedRecipient: Hashable, Sendable {
  public let number: Int
  public let recipient: NewRecipient
  public var state: RecipientState
  public var attempts: Int
  /// When the next attempt may begin; meaningless in a final state.
  public var due: UTCInstant
  /// What the last attempt ended with, as a person reads it.
  public var lastResult: String?
  public var delayReported: Bool

  public init(
    number: Int, recipient: NewRecipient, state: RecipientState = .queued, attempts: Int = 0, due: UTCInstant,
    lastResult: String? = nil, delayReported: Bool = false
  ) {
    self.number = number
    self.recipient = recipient
    self.state = state
    self.attempts = attempts
    self.due = due
    self.lastResult = lastResult
    self.delayReported = delayReported
  }
}

/// Where a recipient stands. Documentation/Queue.md says what a crash at each step leaves.
public enum RecipientState: String, Hashable, Sendable, CaseIterable {
  case queued
  /// Waits for an operator.
  case held
  case delivered
  /// Given up; the sender has been told where RFC 3461 lets us.
  case failed
  /// Taken out by an operator; the audit record is in the outbox.
  case removed

  public var isFinal: Bool {
    switch self {
    case .queued, .held: false
    case .delivered, .failed, .removed: true
    }
  }
}
