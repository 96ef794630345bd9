import MailQueue
public import MailSyntax
import NIOCore
public import NIOPosix
public import Relay
import SMTPSessions

/// Writes messages into Maildirs: tmp, fsync, rename into new, fsync of the folder; then, and only then, delivered.
///
/// Each file begins with Return-Path and Delivered-To (RFC 5321 §4.4); then the message as it was sent, with its CRLF
/// line ends. Files are 0600, folders that are made 0700. All work is done on the thread pool.
public struct MaildirDeliverer: Deliverer {
  /// Files open at once for one job; more recipients take further passes over the body.
  public static let maximumOpenFiles = 32
  /// A message up to this size is written in one visit to the thread pool; longer ones in several.
  public static let maximumHeldOctets = 262_144

  private let template: MaildirTemplate
  private let hostName: String
  private let clock: any MailClock
  private let threads: NIOThreadPool

  /// - Parameters:
  ///   - hostName: ours; a part of each file's name.
  ///   - threads: running; its owner stops it.
  public init(template: MaildirTemplate, hostName: String, clock: any MailClock, threads: NIOThreadPool) {
    self.template = template
    self.hostName = hostName
    self.clock = clock
    self.threads = threads
  }

  public func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    var result = DeliveryResult(host: "maildir \(template)", tls: nil, outcomes: [])
    var rest = job.recipients[...]
    while !rest.isEmpty {
      let recipients = rest.prefix(MaildirDeliverer.maximumOpenFiles)
      rest = rest.dropFirst(recipients.count)
      do throws(DeliveryFault) {
        result.outcomes += try await write(job, for: recipients)
      } catch {
        result.outcomes += recipients.map { ($0.number, .fault(error)) }
      }
    }
    return result
  }

  private func write(
    _ job: DeliveryJob, for recipients: ArraySlice<QueuedRecipient>
  ) async throws(DeliveryFault) -> [(number: Int, outcome: RecipientResult)] {
    var targets: [MaildirBatch.Target] = []
    for recipient in recipients {
      targets.append(
        MaildirBatch.Target(
          recipient: recipient.number, folder: template.path(for: recipient.recipient.address),
          head: try head(of: job.message, for: recipient), name: MaildirName.next(at: clock.now, host: hostName)))
    }
    var batch = MaildirBatch(targets)
    var held = [job.message.message.prefix]
    do throws(StoreFault) {
      let body = try await job.openBody()
      var heldOctets = 0
      while let piece = try await body.next() {
        held.append(piece)
        heldOctets += piece.readableBytes
        guard heldOctets >= MaildirDeliverer.maximumHeldOctets else { continue }
        batch = await step(batch) { [held] batch in batch.write(held) }
        (held, heldOctets) = ([], 0)
        if batch.isHopeless { break }
      }
    } catch {
      _ = await step(batch) { $0.abandon() }
      throw DeliveryFault(stage: .write, cause: .local("the stored message can't be read: \(error)"))
    }
    let endings = await run { [batch, held] in
      var batch = batch
      batch.write(held)
      return batch.finish()
    }
    guard let endings else {
      throw DeliveryFault(stage: .write, cause: .local("the server is stopping"))
    }
    return endings.map { recipient, ending in
      switch ending {
      case .delivered(let name): (recipient, .delivered("250 2.0.0 delivered as \(name)"))
      case .fault(let fault): (recipient, .fault(DeliveryFault(stage: .write, cause: .local(fault.description))))
      }
    }
  }

  /// RFC 5321 §4.4: final delivery puts the reverse path in front. Delivered-To names whom this copy is for.
  private func head(of message: QueuedMessage, for recipient: QueuedRecipient) throws(DeliveryFault) -> ByteBuffer {
    let text = """
      Return-Path: \(message.message.reversePath)\r
      Delivered-To: \(recipient.recipient.address)\r

      """
    // SMUG-006: an address can't make header fields of its own.
    guard text.utf8.count(where: { $0 < 0x20 || $0 == 0x7f }) == 4 else {
      throw DeliveryFault(stage: .write, cause: .local("an address holds a control character"))
    }
    return ByteBuffer(string: text)
  }

  private func step(
    _ batch: MaildirBatch, _ change: @escaping @Sendable (inout MaildirBatch) -> Void
  ) async -> MaildirBatch {
    await run {
      var batch = batch
      change(&batch)
      return batch
    } ?? batch
  }

  /// On the thread pool; nil once that has stopped. A cancelled task still finishes what it began: an open file would
  /// stay behind.
  private func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value? {
    await withCheckedContinuation { continuation in
      threads.submit { state in
        switch state {
        case .active: continuation.resume(returning: work())
        case .cancelled: continuation.resume(returning: nil)
        }
      }
    }
  }
}
