public import MailSyntax
public import NIOCore

/// Where accepted mail lives. One contract suite runs against every implementation: segments and SQLite in
/// `QueueStorage`, the model with crash semantics in `QueueModel`.
///
/// A function that returns has made its change durable. One that throws has changed nothing, or the store has stopped.
public protocol QueueStore: Sendable {
  /// Whether new mail may come in; outcomes can be recorded in the first two.
  var condition: StoreCondition { get }

  /// A place for one body's bytes. What is never committed is garbage after a crash and is reclaimed.
  func beginBody() throws(StoreFault) -> any BodyWriter
  /// Law 1: returns only when envelope, recipients, event and body survive a power cut. `event` (message.accepted, made
  /// by Intake) goes into the outbox in the same transaction. A message has at least one recipient.
  func commit(_ message: NewMessage, body: any BodyWriter, event: MailEvent) async throws(StoreFault) -> QueuedMessage

  /// The lanes with a queued recipient, and when the earliest of each is due: in their order, the first `limit` behind
  /// `after`. Fewer than `limit` are the last.
  func lanes(after: Lane?, limit: Int) async throws(StoreFault) -> [LaneSummary]
  /// What a lane has to serve at `moment`, at most `limit` messages, and when there will be more.
  func due(in lane: Lane, at moment: UTCInstant, limit: Int) async throws(StoreFault) -> DueMail
  func message(_ id: QueueID) async throws(StoreFault) -> QueuedMessage?
  /// The stored body without the prefix, its checksum verified by the end of reading.
  func openBody(of id: QueueID) async throws(StoreFault) -> any BodyReader

  /// One transaction: what became of recipients, with its events, and the reports that follow from it. A message
  /// without an unfinished recipient leaves the queue here. What a change does to a recipient is
  /// `RecipientStanding.applying`; a recipient number that the message doesn't have is `.notFound`. A report's event is
  /// `MailEvent.accepted`. Events alone, without changes and reports, are kept of a message that has left, too.
  func record(_ changes: [RecipientChange], of id: QueueID, reports: [NewReport], events: [MailEvent])
    async throws(StoreFault)

  /// The queue as an operator sees it, oldest first, from behind `after`.
  func list(_ filter: QueueFilter, after: QueueID?, limit: Int) async throws(StoreFault) -> [QueuedMessage]
  /// The attempts made for a message that is still in the queue, oldest first.
  func attempts(of id: QueueID) async throws(StoreFault) -> [RecipientAttempt]
  /// What happened to a message, oldest first; kept for the history time after the message left.
  func events(of id: QueueID) async throws(StoreFault) -> [StampedEvent]
  func counts() async throws(StoreFault) -> QueueCounts

  /// Ends the store's work; afterwards every call throws `.stopped`.
  func close() async
}

public enum StoreCondition: Hashable, Sendable {
  case accepting
  /// Free space is under its floor: no new mail, deliveries go on.
  case spaceLow
  /// A write or fsync failed. Nothing more is tried until a restart (Law 1).
  case stopped(reason: String)
}

public enum StoreFault: Error, Hashable, Sendable {
  case spaceLow
  case stopped(reason: String)
  /// It can't be had at this moment, for want of a file descriptor or memory. Nothing was changed; later it may work.
  case unavailable(reason: String)
  case notFound
  /// The body's checksum does not match: the message is held and named.
  case corrupt(QueueID)
  /// The message has more bytes than the store takes at once.
  case tooLarge
  /// A message of this id is in the queue already.
  case duplicate(QueueID)
}

/// Takes a body's bytes. Used by one task or loop at a time.
public protocol BodyWriter: AnyObject, Sendable {
  /// `.later` answers when earlier bytes are on their way to disk.
  func write(_ bytes: ByteBuffer) -> Prompt<Void>
  var size: ByteCount { get }
  /// Gives the space back. After `commit` it does nothing.
  func discard()
}

public protocol BodyReader: AnyObject, Sendable {
  /// The next piece, at most 64 KiB; nil at the end. `.corrupt` may come as late as the end.
  func next() async throws(StoreFault) -> ByteBuffer?
}

/// Mail of one account on one route: what is served in turn.
public struct Lane: Hashable, Comparable, Sendable {
  public let route: RouteKey
  /// Tenant or account; empty for relayed mail and reports.
  public let account: String
  public init(route: RouteKey, account: String) {
    self.route = route
    self.account = account
  }
  public static func < (left: Lane, right: Lane) -> Bool {
    (left.route.rawValue, left.account) < (right.route.rawValue, right.account)
  }
}

public struct LaneSummary: Hashable, Sendable {
  public let lane: Lane
  public let earliestDue: UTCInstant
  public init(lane: Lane, earliestDue: UTCInstant) {
    self.lane = lane
    self.earliestDue = earliestDue
  }
}

public struct DueMail: Hashable, Sendable {
  /// Messages with a recipient due at the moment asked for or before, by priority and then by due time; each once.
  public let ids: [QueueID]
  /// When the next recipient is due that isn't yet.
  public let nextDue: UTCInstant?
  public init(ids: [QueueID], nextDue: UTCInstant?) {
    self.ids = ids
    self.nextDue = nextDue
  }
}

/// The new standing of one recipient after an attempt or an operator's word.
public struct RecipientChange: Hashable, Sendable {
  public let number: Int
  public let state: RecipientState
  public let due: UTCInstant
  /// 1 when this was an attempt, 0 when it was an operator's word or a report of delay.
  public let attemptsAdded: Int
  public let result: String?
  public let delayReported: Bool
  /// What was tried, for the history; nil where nothing was.
  public let attempt: AttemptRecord?
  public init(
    number: Int, state: RecipientState, due: UTCInstant, attemptsAdded: Int, result: String?, delayReported: Bool,
    attempt: AttemptRecord?
  ) {
    self.number = number
    self.state = state
    self.due = due
    self.attemptsAdded = attemptsAdded
    self.result = result
    self.delayReported = delayReported
    self.attempt = attempt
  }
}

/// One attempt as it is kept.
public struct AttemptRecord: Hashable, Sendable {
  public let startedAt: UTCInstant
  public let endedAt: UTCInstant
  /// The next hop as a person knows it: a host and address, a Maildir, a socket.
  public let host: String
  /// The peer's reply, or the fault.
  public let result: String
  /// `TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 verified mail.example.com`, or `none`.
  public let tls: String
  public init(startedAt: UTCInstant, endedAt: UTCInstant, host: String, result: String, tls: String) {
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.host = host
    self.result = result
    self.tls = tls
  }
}

/// An attempt and the recipient it was for.
public struct RecipientAttempt: Hashable, Sendable {
  public let number: Int
  public let attempt: AttemptRecord
  public init(number: Int, attempt: AttemptRecord) {
    self.number = number
    self.attempt = attempt
  }
}

/// A delivery report that enters the queue in the same transaction as the outcome it tells of.
public struct NewReport: Sendable {
  public let message: NewMessage
  public let body: any BodyWriter
  public init(message: NewMessage, body: any BodyWriter) {
    self.message = message
    self.body = body
  }
}

public struct QueueCounts: Hashable, Sendable {
  public var messages: Int
  public var recipientsQueued: Int
  public var recipientsHeld: Int
  public init(messages: Int, recipientsQueued: Int, recipientsHeld: Int) {
    self.messages = messages
    self.recipientsQueued = recipientsQueued
    self.recipientsHeld = recipientsHeld
  }
}

extension QueueStore {
  /// For a store that keeps no attempts.
  public func attempts(of id: QueueID) async throws(StoreFault) -> [RecipientAttempt] { [] }
}
