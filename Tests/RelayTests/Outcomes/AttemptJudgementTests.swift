import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar
import SMTPSessions
import Simulation
import Testing
import TransportSecurity

@testable import Relay

@Suite("AttemptJudgement")
struct AttemptJudgementTests {
  static func fault(_ stage: DeliveryStage, _ code: UInt16) -> RecipientResult {
    .fault(DeliveryFault(stage: stage, cause: FaultCatalogue.reply(code)))
  }
  static let unreachable = RecipientResult.fault(DeliveryFault(stage: .connect, cause: .transport("refused")))

  /// Judges one attempt on as many recipients as there are results.
  static func judge(
    _ results: [RecipientResult], after age: Duration = .seconds(60), from sender: String? = "anna@example.com",
    notify: Notify? = nil, ending: Route.Ending = .finalDelivery, expiresAfter: Duration = .seconds(5 * 86_400),
    isOwnReport: Bool = false, host: String = "mx.there.example", wasCancelled: Bool = false,
    bodyIsCorrupt: Bool = false, canReport: Bool = true, delayReported: Bool = false,
    origin: HostOrigin = .configured, wish: TLSWish = .unstated,
    _ change: (inout QueueRunner.Options) -> Void = { _ in }
  ) throws -> AttemptJudgement {
    let recipients = results.indices.map { ("user\($0)@there.example", Fixture.alpha) }
    var accepted = try Fixture.message(1, from: sender, to: recipients, notify: notify, expiresAfter: expiresAfter)
    if isOwnReport { accepted.prefix.clear() }
    accepted.tlsWish = wish
    var message = Fixture.queued(accepted)
    for index in message.recipients.indices { message.recipients[index].delayReported = delayReported }
    let attempt = Attempt(
      message: message, recipients: message.recipients,
      result: DeliveryResult(
        host: host, tls: nil, outcomes: results.enumerated().map { ($0.offset, $0.element) }),
      startedAt: Fixture.start + age, endedAt: Fixture.start + age + .seconds(1), ending: ending, origin: origin,
      wasCancelled: wasCancelled, bodyIsCorrupt: bodyIsCorrupt, canReport: canReport)
    var random = SplitMix(seed: 1)
    return attempt.judge(by: try Fixture.options(change), using: &random)
  }

  @Test(
    "RTLS-006, RTLS-012: who wished for more or less TLS hears by 5.7.10 that none was had to the end, and not before")
  func noSafeChannel() throws {
    let stripped = RecipientResult.fault(DeliveryFault(stage: .startTLS, cause: .security(.notOffered)))
    #expect(try Self.judge([stripped], wish: .required).tellings.isEmpty)
    for (wish, status) in [(TLSWish.required, "5.7.10"), (.notRequired, "5.7.10"), (.unstated, "4.7.4")] {
      let judgement = try Self.judge([stripped], after: .seconds(90), expiresAfter: .seconds(60), wish: wish)
      #expect(judgement.tellings.map(\.action) == [.failed])
      #expect(judgement.tellings.map(\.recipient.status.description) == [status])
    }
  }

  @Test("RTLS-006: what one message asks of a domain's hosts holds back no other mail and calls no operator")
  func noSafeChannelForOne() throws {
    let stripped = RecipientResult.fault(DeliveryFault(stage: .startTLS, cause: .security(.notOffered)))
    for (wish, origin, holdsBack) in [
      (TLSWish.required, HostOrigin.exchanger, false), (.required, .configured, true), (.unstated, .exchanger, true),
      (.notRequired, .exchanger, true),
    ] {
      let judgement = try Self.judge([stripped], origin: origin, wish: wish)
      #expect(judgement.changes.map(\.state) == [.queued])
      #expect((judgement.verdict == .failed) == holdsBack && (judgement.alarm != nil) == holdsBack)
    }
  }

  @Test("what waits for a channel as safe as is asked for has a schedule of its own, and nothing else has it")
  func policySchedule() throws {
    let stripped = RecipientResult.fault(DeliveryFault(stage: .startTLS, cause: .security(.notOffered)))
    let obstacle = PolicyFault(TLSObstacle("its TLSA records can't be had"), rule: .dane)
    let ruledOut = RecipientResult.fault(DeliveryFault(stage: .lookup, cause: .policy(obstacle)))
    let own = try RetrySchedule(delays: [.seconds(40)], jitterPercent: 0)
    let judgement = try Self.judge([stripped, ruledOut, Self.unreachable], origin: .exchanger) {
      $0.policySchedule = own
    }
    #expect(judgement.changes.map { $0.due - Fixture.start } == [.seconds(101), .seconds(101), .seconds(361)])
  }

  @Test("each recipient goes its own way")
  func mixed() throws {
    let judgement = try Self.judge([.delivered("250 ok"), Self.fault(.rcpt, 550), Self.fault(.rcpt, 450)])
    #expect(judgement.changes.map(\.state) == [.delivered, .failed, .queued])
    #expect(judgement.changes.map(\.number) == [0, 1, 2])
    #expect(judgement.events.map(\.kind) == [.delivered, .failed, .deferred])
    #expect(judgement.tellings.map(\.action) == [.failed])
    #expect(judgement.verdict == .answered)
    #expect(judgement.nextDue == Fixture.start + .seconds(61 + 300))
  }

  @Test("a recipient the route forgot is tried again, and one it doesn't have is ignored")
  func forgotten() throws {
    var judgement = try Self.judge([.delivered("ok")])
    #expect(judgement.changes.map(\.state) == [.delivered])
    let message = Fixture.queued(try Fixture.message(1))
    let attempt = Attempt(
      message: message, recipients: message.recipients,
      result: DeliveryResult(host: "x", tls: nil, outcomes: [(7, .delivered("whom?"))]), startedAt: Fixture.start,
      endedAt: Fixture.start, ending: .finalDelivery, wasCancelled: false, bodyIsCorrupt: false, canReport: true)
    var random = SplitMix(seed: 1)
    judgement = attempt.judge(by: try Fixture.options(), using: &random)
    #expect(judgement.changes.map(\.state) == [.queued])
    #expect(judgement.alarm != nil)
  }

  @Test("a message expires only by a failed attempt that began after its expiry")
  func expiry() throws {
    let lifetime = Duration.seconds(1_000)
    #expect(
      try Self.judge([Self.unreachable], after: .seconds(999), expiresAfter: lifetime).changes[0].state == .queued)
    let expired = try Self.judge([Self.unreachable], after: lifetime, expiresAfter: lifetime)
    #expect(expired.changes[0].state == .failed)
    // RFC 3463 §3.5: the cause, not "expired".
    #expect(expired.tellings.first?.recipient.status == EnhancedStatusCode(.persistentTransient, 4, 1))
    let delivered = try Self.judge([.delivered("ok")], after: .seconds(100_000), expiresAfter: lifetime)
    #expect(delivered.changes[0].state == .delivered)
  }

  @Test("the last attempt begins at the expiry, not an interval behind it")
  func lastAttempt() throws {
    let judgement = try Self.judge([Self.unreachable], after: .seconds(900), expiresAfter: .seconds(1_000))
    #expect(judgement.changes[0].due == Fixture.start + .seconds(1_000))
  }

  @Test("the rest behind a recipient limit goes at once, as long as some were taken (SMTP-035)")
  func recipientLimit() throws {
    let some = try Self.judge([.delivered("ok"), Self.fault(.rcpt, 552), Self.fault(.rcpt, 452)])
    #expect(some.changes.map(\.due) == Array(repeating: Fixture.start + .seconds(61), count: 3))
    let none = try Self.judge([Self.fault(.rcpt, 452)])
    #expect(none.changes[0].due == Fixture.start + .seconds(361))
  }

  @Test("a delay is told once, from four hours on")
  func delay() throws {
    let fourHours = Duration.seconds(4 * 3_600)
    #expect(try Self.judge([Self.unreachable], after: fourHours + .seconds(-2)).tellings.isEmpty)
    let told = try Self.judge([Self.unreachable], after: fourHours)
    #expect(told.tellings.map(\.action) == [.delayed])
    #expect(told.tellings.first?.recipient.retryUntil == Fixture.start + .seconds(5 * 86_400))
    #expect(told.changes[0].delayReported)
    #expect(told.events.map(\.kind) == [.deferred, .delayReported])
    let again = try Self.judge([Self.unreachable], after: fourHours, delayReported: true)
    #expect(again.tellings.isEmpty && again.changes[0].delayReported)
  }

  /// NOTIFY, the sender, and whether the sender is told of failure, of delay, of success.
  static let notifyTable: [(Notify?, String?, Bool, Bool, Bool)] = [
    (nil, "anna@example.com", true, true, false),
    (.never, "anna@example.com", false, false, false),
    (.success, "anna@example.com", false, false, true),
    (.failure, "anna@example.com", true, false, false),
    (.delay, "anna@example.com", false, true, false),
    ([.success, .failure, .delay], "anna@example.com", true, true, true),
    (nil, nil, false, false, false),
    ([.success, .failure, .delay], nil, false, false, false),
  ]

  @Test("NOTIFY decides who hears of what (DSN-005, DSN-006, DSN-007, DSN-008)", arguments: notifyTable)
  func notify(row: (Notify?, String?, Bool, Bool, Bool)) throws {
    let (notify, sender, failure, delay, success) = row
    func toSender(_ judgement: AttemptJudgement) -> Bool { judgement.tellings.contains { $0.audience == .sender } }
    #expect(toSender(try Self.judge([Self.fault(.rcpt, 550)], from: sender, notify: notify)) == failure)
    #expect(
      toSender(try Self.judge([Self.unreachable], after: .seconds(20_000), from: sender, notify: notify)) == delay)
    #expect(toSender(try Self.judge([.delivered("ok")], from: sender, notify: notify)) == success)
  }

  @Test("a success is told as delivered or relayed, as the route ends (DSN-005)")
  func successAction() throws {
    #expect(try Self.judge([.delivered("ok")], notify: .success).tellings.map(\.action) == [.delivered])
    #expect(
      try Self.judge([.delivered("ok")], notify: .success, ending: .relayed).tellings.map(\.action) == [.relayed])
  }

  @Test("DSN-005: what was passed on to a server that knows DSN is its to tell; a failure stays ours")
  func passedOn() throws {
    let taken = RecipientResult.delivered("ok", reportsPassedOn: true)
    for ending in [Route.Ending.relayed, .finalDelivery] {
      let judgement = try Self.judge([taken, Self.fault(.rcpt, 550)], notify: [.success, .failure], ending: ending)
      #expect(judgement.tellings.map(\.action) == [.failed])
      #expect(judgement.changes.map(\.state) == [.delivered, .failed])
    }
  }

  @Test("a report of ours that fails goes to the postmaster, others' mail without a sender into an event (DSN-008)")
  func doubleBounce() throws {
    let refused = [Self.fault(.rcpt, 550)]
    #expect(try Self.judge(refused, from: nil, isOwnReport: true).tellings.map(\.audience) == [.postmaster])
    #expect(try Self.judge(refused, from: nil).tellings.map(\.audience) == [.eventAlone])
    #expect(try Self.judge([Self.fault(.rcpt, 550)], from: nil, notify: .never).tellings.isEmpty)
  }

  @Test("a report names the server and its words only when one was met (DSN-013, DSN-014)")
  func remoteServer() throws {
    let refused = try #require(try Self.judge([Self.fault(.rcpt, 550)]).tellings.first).recipient
    #expect(refused.remoteHost == "mx.there.example")
    #expect(refused.remoteReply == "550 words that decide nothing")
    let lost = try #require(try Self.judge([Self.unreachable], after: .seconds(20_000)).tellings.first).recipient
    #expect(lost.remoteHost == nil && lost.remoteReply == nil)
  }

  /// A fault, and whether it is ours to mend at a host that our configuration names, and at one that the domain names.
  static let faultsOfOurs: [(RecipientResult, configured: Bool, exchanger: Bool)] = [
    (fault(.auth, 535), true, false), (unreachable, true, false), (fault(.greeting, 554), true, false),
    (.fault(DeliveryFault(stage: .handshake, cause: .security(.obsoleteTLS))), true, false),
    (.fault(DeliveryFault(stage: .write, cause: .local("disk full"))), true, true),
    (fault(.rcpt, 450), false, false), (fault(.finalReply, 451), false, false),
  ]

  @Test("whoever's smarthost didn't let the mail in is sent to our postmaster, and to no other")
  func faultOfOurs() throws {
    for (result, configured, exchanger) in Self.faultsOfOurs {
      for (origin, isOurs) in [(HostOrigin.configured, configured), (.exchanger, exchanger)] {
        let judgement = try Self.judge([result], after: .seconds(6 * 86_400), origin: origin)
        let told = try #require(judgement.tellings.first)
        #expect(told.action == .failed && told.recipient.isOurs == isOurs, "\(result) at \(origin)")
      }
    }
    #expect(try Self.judge([Self.fault(.rcpt, 550)]).tellings.first?.recipient.isOurs == false)
  }

  @Test(
    "DSN-013: a report names a server by its domain name, and a place of this house not at all",
    arguments: [
      ("mx.there.example", "mx.there.example"), ("mx.there.example (192.0.2.1)", "mx.there.example (192.0.2.1)"),
      ("lmtp.there.example:24 (192.0.2.1)", "lmtp.there.example (192.0.2.1)"),
      ("lmtp.there.example:24", "lmtp.there.example"),
      ("/run/dovecot/lmtp", nil), ("127.0.0.1:24", nil), ("127.0.0.1", nil), ("[::1]:24", nil), ("[192.0.2.1]", nil),
      ("localhost:24", nil), ("localhost", nil), ("", nil), ("192.0.2.1:24, 192.0.2.2:24", nil),
    ] as [(String, String?)])
  func placeOfThisHouse(host: String, shown: String?) throws {
    let refused = try #require(try Self.judge([Self.fault(.rcpt, 550)], host: host).tellings.first).recipient
    #expect(refused.remoteHost == shown)
    #expect(refused.remoteReply == "550 words that decide nothing")
    let relayed = try Self.judge([.delivered("ok")], notify: .success, ending: .relayed, host: host).tellings.first
    #expect(relayed?.recipient.remoteHost == shown)
  }

  @Test("a cancelled delivery leaves its recipients as they were, but keeps what was said for good")
  func cancelled() throws {
    let judgement = try Self.judge(
      [.delivered("ok"), Self.unreachable, Self.fault(.rcpt, 550)], wasCancelled: true)
    #expect(judgement.changes.map(\.number) == [0, 2])
    #expect(judgement.verdict == .answered)
  }

  @Test("a damaged body holds the message instead of bouncing it")
  func corrupt() throws {
    let local = RecipientResult.fault(DeliveryFault(stage: .content, cause: .local("checksum")))
    let judgement = try Self.judge([local, local], bodyIsCorrupt: true)
    #expect(judgement.changes.map(\.state) == [.held, .held])
    #expect(judgement.tellings.isEmpty && judgement.verdict == .nothing)
  }

  @Test("without room for a report, what would need one waits")
  func noRoom() throws {
    let judgement = try Self.judge(
      [Self.fault(.rcpt, 550), .delivered("ok")], notify: [.failure, .success], canReport: false)
    #expect(judgement.changes.map(\.state) == [.queued, .delivered])
    #expect(judgement.tellings.isEmpty)
  }

  @Test("host and destination faults speak of the route, others don't")
  func verdicts() throws {
    #expect(try Self.judge([Self.unreachable]).verdict == .failed)
    #expect(try Self.judge([Self.fault(.auth, 535)]).verdict == .failed)
    #expect(try Self.judge([Self.fault(.mail, 550)]).verdict == .answered)
    #expect(try Self.judge([.delivered("ok"), Self.fault(.rcpt, 421)]).verdict == .failed)
  }
}
