import MailQueue
import MailSyntax
import NIOCore
import Relay
import SMTPGrammar
import SMTPSessions
import Synchronization
import TransportSecurity

/// A queued message and its body, as the runner hands them to a deliverer.
struct DeliveryFixture {
  var recipients = ["bob@far.example"]
  var body: [String] = ["\r\nhi\r\n"]
  var fault: StoreFault?
  var bodyType = BodyType.sevenBit
  var envelopeID: String?
  var reportContent: DeliveryReportContent?
  var notify: Notify?
  var originalRecipient: OriginalRecipient?
  var tlsWish = TLSWish.unstated
  var hasSender = true
  var expiresAt = UTCInstant(seconds: 1_700_400_000)

  func job() throws -> DeliveryJob {
    let id = QueueID(acceptedAt: UTCInstant(seconds: 1_700_000_000), random: 7)
    let route = RouteKey(rawValue: "outbound")
    let new = try recipients.map {
      NewRecipient(
        address: try Mailbox($0), route: route, notify: notify, originalRecipient: originalRecipient)
    }
    let message = NewMessage(
      id: id, reversePath: hasSender ? .mailbox(try Mailbox("alice@client.example")) : .null, recipients: new,
      body: bodyType, envelopeID: envelopeID, reportContent: reportContent, tlsWish: tlsWish,
      receivedAt: UTCInstant(seconds: 1_700_000_000), expiresAt: expiresAt,
      prefix: ByteBuffer(string: "Received: here\r\n"))
    let queued = new.enumerated().map {
      QueuedRecipient(number: $0 + 3, recipient: $1, due: UTCInstant(seconds: 1_700_000_000))
    }
    let stored = QueuedMessage(
      message: message, bodySize: ByteCount(body.reduce(0) { $0 + $1.utf8.count }), recipients: queued)
    let (pieces, fault) = (body, fault)
    return DeliveryJob(message: stored, recipients: queued) { () async throws(StoreFault) in
      FixtureReader(pieces, fault)
    }
  }
}

final class FixtureReader: BodyReader, @unchecked Sendable {
  private var pieces: [String]
  private let fault: StoreFault?
  init(_ pieces: [String], _ fault: StoreFault?) {
    self.pieces = pieces
    self.fault = fault
  }
  func next() async throws(StoreFault) -> ByteBuffer? {
    if pieces.isEmpty, let fault { throw fault }
    return pieces.isEmpty ? nil : ByteBuffer(string: pieces.removeFirst())
  }
}

/// Counts from 1 across tasks and queues.
final class Counter: Sendable {
  private let count = Mutex(0)
  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}

struct CountingRandom: RandomSource {
  func next() -> UInt64 { 0x0123_4567_89ab_cdef }
}

/// `3 delivered` or `3 rcpt reply 550`.
func describe(_ result: DeliveryResult) -> [String] {
  result.outcomes.map { number, outcome in
    switch outcome {
    case .delivered: "\(number) delivered"
    case .fault(let fault):
      switch fault.cause {
      case .reply(let reply): "\(number) \(fault.stage.rawValue) reply \(reply.code)"
      case .transport: "\(number) \(fault.stage.rawValue) transport"
      case .security: "\(number) \(fault.stage.rawValue) security"
      case .protocolViolation: "\(number) \(fault.stage.rawValue) violation"
      case .unsupported(let status, _): "\(number) \(fault.stage.rawValue) unsupported \(status)"
      case .local: "\(number) \(fault.stage.rawValue) local"
      case .destination: "\(number) \(fault.stage.rawValue) destination"
      case .policy(let fault): "\(number) \(fault.rule.rawValue) policy"
      }
    }
  }
}
