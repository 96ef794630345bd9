public import MailQueue
public import SMTPSessions
public import TransportSecurity

/// Hands one message to one next hop for some of its recipients: a Maildir, an LMTP server, a smarthost.
public protocol Deliverer: Sendable {
  /// Never throws and always names each recipient of the job once. Cancellation ends it with transport faults.
  func deliver(_ job: DeliveryJob) async -> DeliveryResult
  /// Leaves what it keeps open, in good order. Nothing is delivered after it.
  func close() async
}

extension Deliverer {
  public func close() async {}
}

public struct DeliveryJob: Sendable {
  public let message: QueuedMessage
  /// Those to serve now, all of one route.
  public let recipients: [QueuedRecipient]
  /// Opens the stored body; may be called again when a connection is lost before the body was taken.
  public let openBody: @Sendable () async throws(StoreFault) -> any BodyReader
  public init(
    message: QueuedMessage, recipients: [QueuedRecipient],
    openBody: @escaping @Sendable () async throws(StoreFault) -> any BodyReader
  ) {
    self.message = message
    self.recipients = recipients
    self.openBody = openBody
  }
}

public struct DeliveryResult: Sendable {
  /// The next hop as a person knows it.
  public var host: String
  public var tls: TLSFacts?
  /// By recipient number.
  public var outcomes: [(number: Int, outcome: RecipientResult)]
  public init(host: String, tls: TLSFacts?, outcomes: [(number: Int, outcome: RecipientResult)]) {
    self.host = host
    self.tls = tls
    self.outcomes = outcomes
  }
}

/// What the next hop did with one recipient. `OutcomeTable` decides what follows.
public enum RecipientResult: Hashable, Sendable {
  /// It took responsibility, in these words. With `reportsPassedOn` it knows RFC 3461 and has been told what the sender
  /// wants to hear: to tell of a success is its duty then, and not ours (§5.2.1).
  case delivered(String, reportsPassedOn: Bool = false)
  case fault(DeliveryFault)
}

public struct DeliveryFault: Error, Hashable, Sendable {
  public let stage: DeliveryStage
  public let cause: Cause

  /// `local` is also a route that isn't configured, or a Maildir that can't be written.
  public typealias Cause = DialogueFault.Cause

  public init(stage: DeliveryStage, cause: Cause) {
    self.stage = stage
    self.cause = cause
  }
}

/// How far the dialogue had come.
public enum DeliveryStage: String, Hashable, Sendable, CaseIterable {
  case connect, greeting, ehlo, startTLS = "starttls", handshake, auth, mail, rcpt, data, content, finalReply =
    "final-reply"
  /// Maildir and other routes without a dialogue.
  case write
}
