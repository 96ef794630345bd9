public import MailQueue
public import MailSyntax
public import SMTPGrammar
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
  var requireTLS = RequireTLSConduct.insist
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
  /// Where the recipients were served, but for those that `elsewhere` names.
  public var place: DeliveryPlace
  /// By recipient number: those of whom another host than `place` had the last word.
  public var elsewhere: [Int: DeliveryPlace] = [:]
  /// By recipient number.
  public var outcomes: [(number: Int, outcome: RecipientResult)]
  /// What was met before, at other hosts of the same destination: a line each, for the record.
  public var earlier: [String] = []
  /// Nothing was tried: the next hop's limits leave no room at present. The recipients stand as they stood, and the
  /// route is asked again after this long.
  public var busyFor: Duration?

  public init(place: DeliveryPlace, outcomes: [(number: Int, outcome: RecipientResult)]) {
    self.place = place
    self.outcomes = outcomes
  }
  public init(host: String, tls: TLSFacts?, outcomes: [(number: Int, outcome: RecipientResult)]) {
    self.init(place: DeliveryPlace(host: host, tls: tls), outcomes: outcomes)
  }

  func place(of number: Int) -> DeliveryPlace { elsewhere[number] ?? place }
}

/// Who had the last word on a recipient, and over what channel. It never changes: all mail that goes over one connection
/// under one policy shares one, and what records say of it is put into words once.
public final class DeliveryPlace: Sendable {
  /// The next hop as a person knows it.
  public let host: String
  public let tls: TLSFacts?
  /// Why the mail went in clear, where it did so over a network (Law 2: always recorded).
  public let cleartextReason: String?
  /// What was asked of the channel, where the recipients' domain, the sender or an operator may ask.
  public let policy: AppliedPolicy?
  /// The channel for records: `TLSv1.3 … verified mx.example.org`, `none`, `none (STARTTLS is not offered)`.
  let channel: String
  /// What is kept of the channel. Nil where nobody asks for a proof and there is nothing to prove: a Maildir, a server of
  /// our own.
  let evidence: DeliveryEvidence?
  /// The evidence for events.
  let evidenceFields: [MailEvent.Field]

  public init(host: String, tls: TLSFacts?, cleartextReason: String? = nil, policy: AppliedPolicy? = nil) {
    self.host = host
    self.tls = tls
    self.cleartextReason = cleartextReason
    self.policy = policy
    channel = tls?.summary ?? cleartextReason.map { "none (\($0))" } ?? "none"
    evidence = DeliveryEvidence(of: tls, under: policy)
    evidenceFields = evidence?.fields ?? []
  }

  /// What strangers are told of it: `mx.example.net (192.0.2.1)`. Nil where it goes by no domain name, as a server on
  /// this machine: RFC 3464 §2.3.5 asks for a name, and how our house is built is nobody's business.
  var nameForReports: String? {
    let words = host.split(separator: " ", maxSplits: 1)
    guard let first = words.first, let name = try? DomainName(first.prefix { $0 != ":" }), name.isFullyQualified,
      IPAddress(name.description) == nil
    else { return nil }
    return words.count > 1 ? "\(name) \(words[1])" : name.description
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

  /// What a dialogue can meet (`DialogueFault.Cause`), and what keeps one from beginning.
  public enum Cause: Hashable, Sendable {
    case reply(ServerReply)
    case transport(String)
    case security(SecurityFault)
    case protocolViolation(String)
    case unsupported(EnhancedStatusCode, String)
    /// Also a route that isn't configured, or a Maildir that can't be written.
    case local(String)
    /// No host was found for the domain.
    case destination(DestinationFault)
    /// What was asked of the channel rules the host out.
    case policy(PolicyFault)

    public init(_ cause: DialogueFault.Cause) {
      switch cause {
      case .reply(let reply): self = .reply(reply)
      case .transport(let text): self = .transport(text)
      case .security(let fault): self = .security(fault)
      case .protocolViolation(let text): self = .protocolViolation(text)
      case .unsupported(let status, let text): self = .unsupported(status, text)
      case .local(let text): self = .local(text)
      }
    }
  }

  public init(stage: DeliveryStage, cause: Cause) {
    self.stage = stage
    self.cause = cause
  }
}

/// How far the dialogue had come.
public enum DeliveryStage: String, Hashable, Sendable, CaseIterable {
  /// Finding the hosts of a domain.
  case lookup
  case connect, greeting, ehlo, startTLS = "starttls", handshake, auth, mail, rcpt, data, content, finalReply =
    "final-reply"
  /// Maildir and other routes without a dialogue.
  case write
}
