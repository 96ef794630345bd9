import MailQueue
import MailSyntax
import NIOCore
import Relay
import SMTPSessions

/// How a next hop behaves for a while. Chances are per cent.
struct Mood: Hashable, Sendable {
  var refusesSessions = 0
  var refusesRecipients = 0
  /// Takes a recipient, and the connection is lost before it says so.
  var losesWords = 0
  /// Takes no more recipients at a time.
  var recipientLimit: Int?
  /// A delivery takes up to this long.
  var slowest: Duration = .seconds(2)

  static let well = Mood()
}

/// One life of the server between two cuts of the power. When it is over, nothing it still does has an effect.
final class Life: @unchecked Sendable {
  private(set) var isOver = false
  /// Its open connections to mail hosts.
  private var lines: [SimulatedLine] = []

  func end() {
    isOver = true
    closeLines()
  }

  func add(_ line: SimulatedLine) {
    lines.removeAll(where: \.isClosed)
    lines.append(line)
  }

  func closeLines() {
    for line in lines { line.cut() }
    lines = []
  }
}

/// A next hop that fails in every way of the golden table, as its mood is.
final class SimulatedHop: Deliverer {
  private let name: String
  private let world: SimulatedInternet
  private let life: Life

  init(name: String, world: SimulatedInternet, life: Life) {
    self.name = name
    self.world = world
    self.life = life
  }

  func deliver(_ job: DeliveryJob) async -> DeliveryResult {
    let (random, mood) = (world.random, world.mood(of: name))
    world.trace.note("\(name) is asked for \(job.message.id) to \(job.recipients.map(\.number))")
    await takeTime(mood)
    guard isReachable else { return answer(job, lost) }
    if random.chance(mood.refusesSessions) {
      let stages: [DeliveryStage] = [.connect, .greeting, .ehlo, .startTLS, .handshake, .auth]
      return answer(job, .fault(world.nextFault(at: stages)))
    }
    guard let content = await read(job) else {
      return answer(job, .fault(DeliveryFault(stage: .content, cause: .local("the body can't be read"))))
    }
    if let fault = world.ledger.letters.fault(in: content, isReport: job.message.message.reversePath == .null) {
      world.ledger.violate("\(name) received what was not sent: \(fault)")
    }
    if let wish = world.ledger.letters.wish(of: content), job.message.message.tlsWish != wish {
      world.ledger.violate("\(name) was handed \(job.message.id) as if its sender's wish weren't \(wish.rawValue)")
    }
    let text = String(decoding: content, as: UTF8.self)
    await takeTime(mood)
    guard isReachable else { return answer(job, lost) }
    var outcomes: [(number: Int, outcome: RecipientResult)] = []
    for (place, recipient) in job.recipients.enumerated() {
      outcomes.append((recipient.number, outcome(for: recipient, at: place, of: job, mood, text)))
    }
    // Taken, and the word is on its way: a cut here delivers again.
    await takeTime(mood)
    return DeliveryResult(host: "\(name).example", tls: nil, outcomes: outcomes)
  }

  private func outcome(
    for recipient: QueuedRecipient, at place: Int, of job: DeliveryJob, _ mood: Mood, _ text: String
  ) -> RecipientResult {
    let random = world.random
    if let limit = mood.recipientLimit, place >= limit {
      world.inject(.recipientLimit)
      return .fault(DeliveryFault(stage: .rcpt, cause: FaultCatalogue.reply(random.pick([452, 552]))))
    }
    if random.chance(mood.refusesRecipients) {
      let stages: [DeliveryStage] = [.mail, .rcpt, .data, .content, .finalReply, .write]
      return .fault(world.nextFault(at: stages))
    }
    if random.chance(mood.losesWords) {
      world.inject(.lostWord)
      world.ledger.tookSilently(job, recipient)
      return .fault(DeliveryFault(stage: .finalReply, cause: .transport("lost before the reply")))
    }
    world.ledger.took(job, recipient)
    if job.message.message.reversePath == .null { world.ledger.received(report: text) }
    return .delivered("250 2.0.0 taken")
  }

  private var isReachable: Bool { !life.isOver && !Task.isCancelled }
  private var lost: RecipientResult { .fault(DeliveryFault(stage: .content, cause: .transport("cancelled"))) }

  private func answer(_ job: DeliveryJob, _ result: RecipientResult) -> DeliveryResult {
    DeliveryResult(host: "\(name).example", tls: nil, outcomes: job.recipients.map { ($0.number, result) })
  }

  private func takeTime(_ mood: Mood) async {
    let milliseconds = Int(mood.slowest.nanoseconds / 1_000_000)
    await world.clock.sleep(for: .milliseconds(1 + world.random.below(milliseconds)))
  }

  private func read(_ job: DeliveryJob) async -> [UInt8]? {
    do throws(StoreFault) {
      let body = try await job.openBody()
      var content = job.message.message.prefix
      while var chunk = try await body.next() { content.writeBuffer(&chunk) }
      return [UInt8](content)
    } catch {
      return nil
    }
  }
}
