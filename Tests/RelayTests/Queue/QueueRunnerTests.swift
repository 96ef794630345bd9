import MailQueue
import MailSyntax
import NIOCore
import OrderedCollections
import QueueModel
import Relay
import SMTPGrammar
import SMTPSessions
import Simulation
import Testing

@Suite("QueueRunner")
struct QueueRunnerTests {
  @Test("accepted mail is delivered at once and leaves the queue")
  func delivers() throws {
    let house = try QueueHarness()
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(house.alpha.visits.map(\.id) == [Fixture.id(1)])
      #expect(try await house.isEmpty())
      #expect(house.events.kinds == [.accepted, .delivered])
    }
  }

  @Test("SMTP-032: what is said to the final dot waits for the store alone, however slow the next hop is")
  func promptAcceptance() throws {
    let house = try QueueHarness(concurrency: 1, latency: .milliseconds(10))
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(3_600))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...50 {
        let began = house.clock.uptime
        // What Intake does between the dot and the 250.
        try await house.submit(try Fixture.message(number))
        #expect(house.clock.uptime - began == .milliseconds(20))
      }
      #expect(house.alpha.visits.count <= 1)
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      await house.later(.seconds(7_200))
      #expect(try await house.isEmpty())
    }
  }

  @Test("mail that was there before the start is found")
  func findsOldMail() throws {
    let house = try QueueHarness()
    house.run { house in
      try await house.store(try Fixture.message(1))
      try await house.store(try Fixture.message(2, to: [("x@there.example", Fixture.beta)], account: nil))
      await house.later(.seconds(61))
      #expect(house.alpha.visits.count == 1 && house.beta.visits.count == 1)
      #expect(try await house.isEmpty())
    }
  }

  @Test("what is refused for now is tried again when its delay is over")
  func retries() throws {
    let house = try QueueHarness()
    house.alpha.follow { job in
      job.recipients[0].attempts == 0
        ? ScriptedDeliverer.answer(job, .refused(.rcpt, 450)) : ScriptedDeliverer.accept(job)
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(299))
      #expect(house.alpha.visits.count == 1)
      await house.later(.seconds(2))
      #expect(house.alpha.visits.count == 2)
      #expect(try await house.isEmpty())
      #expect(house.events.kinds == [.accepted, .deferred, .delivered])
    }
  }

  @Test("each copy that an alias sends on carries its mark, and no other's, in front of all else")
  func forwarded() throws {
    let house = try QueueHarness()
    let heads = TextBox()
    house.alpha.follow { job in
      heads.add("\(job.recipients.map(\.recipient.address.localPart)) \(String(buffer: job.message.message.prefix))")
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      var message = try Fixture.message(
        1, to: ["a", "b", "c", "d"].map { ("\($0)@there.example", Fixture.alpha) })
      message.recipients[1].forwardedFrom = try Mailbox("Team@example.com")
      message.recipients[2].forwardedFrom = try Mailbox("away@example.com")
      message.recipients[3].forwardedFrom = try Mailbox("Team@example.com")
      try await house.submit(message)
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
    }
    let received = "Received: from here\r\n"
    #expect(
      heads.text == "[\"a\"] \(received)[\"b\", \"d\"] Delivered-To: Team@example.com\r\n\(received)"
        + "[\"c\"] Delivered-To: away@example.com\r\n\(received)")
  }

  @Test("a mark of an alias outside ASCII makes its copy an international one, and no other (UTF8-003)")
  func forwardedInternationally() throws {
    let house = try QueueHarness()
    let needs = TextBox()
    house.alpha.follow { job in
      let message = job.message.message
      needs.add("\(job.recipients[0].recipient.address.localPart) \(message.usesSMTPUTF8) \(message.body.rawValue);")
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      var message = try Fixture.message(1, to: ["a", "b", "c"].map { ("\($0)@there.example", Fixture.alpha) })
      message.recipients[1].forwardedFrom = try Mailbox("b\u{fc}cher@example.com")
      message.recipients[2].forwardedFrom = try Mailbox("team@example.com")
      try await house.submit(message)
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
    }
    #expect(needs.text == "a false 7BIT;b true 8BITMIME;c false 7BIT;")
  }

  // DSN-008, DSN-015
  @Test("a refused recipient is reported to the sender, in one transaction with the refusal")
  func reports() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
    let text = TextBox()
    house.local.follow { job in
      await text.read(job)
      let report = job.message.message
      #expect(report.reversePath == .null && report.reportContent == nil && report.envelopeID == nil)
      #expect(job.recipients.allSatisfy { $0.recipient.notify == nil && $0.recipient.originalRecipient == nil })
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(house.local.visits.map { $0.recipients.map(\.description) } == [["anna@example.com"]])
      #expect(try await house.isEmpty())
      #expect(house.events.kinds.filter { $0 != .accepted } == [.failed, .reported, .delivered])
    }
    for part in [
      "Final-Recipient: rfc822; x@there.example", "Action: failed", "Remote-MTA: dns; next.example",
      "Diagnostic-Code: smtp; 550 words that decide nothing", "Received: from here", "Subject: hello",
    ] {
      #expect(text.text.contains(part), "\(part) is missing in \(text.text)")
    }
    #expect(!text.text.contains("Text."))
  }

  @Test("a report that can't be delivered goes to the postmaster, and ends there (SMTP-041)")
  func doubleBounce() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
    house.local.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      #expect(
        house.local.visits.flatMap { $0.recipients.map(\.description) } == ["anna@example.com", "boss@example.com"])
      #expect(try await house.isEmpty())
      #expect(house.events.kinds.filter { $0 == .doubleBounce }.count == 2)
      #expect(house.events.kinds.filter { $0 == .reported }.count == 2)
    }
  }

  @Test("a whole message of eight bits that can't come back is told of by its header, where that can (RET=FULL)")
  func sevenBitReport() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
    let (text, refused) = (TextBox(), TextBox())
    house.local.follow { job in
      guard job.message.message.body == .eightBitMIME else {
        await text.read(job)
        return ScriptedDeliverer.accept(job)
      }
      await refused.read(job)
      let cause = DeliveryFault.Cause.unsupported(EnhancedStatusCode(.permanent, 6, 3), "8BITMIME is not offered")
      return ScriptedDeliverer.answer(job, .fault(DeliveryFault(stage: .mail, cause: cause)))
    }
    house.run { house in
      var message = try Fixture.message(1)
      (message.reportContent, message.body) = (.full, .eightBitMIME)
      try await house.submit(message, text: "gr\u{fc}n")
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
      // The sender both times, and no postmaster.
      #expect(
        house.local.visits.flatMap { $0.recipients.map(\.description) } == ["anna@example.com", "anna@example.com"])
      #expect(house.events.kinds.filter { $0 == .reported }.count == 2)
      #expect(!house.events.kinds.contains(.doubleBounce))
    }
    #expect(refused.text.contains("gr\u{fc}n"))
    #expect(text.text.contains("Content-Type: text/rfc822-headers") && text.text.contains("Subject: hello"))
    #expect(text.text.contains("Final-Recipient: rfc822; x@there.example"))
    #expect(text.text.utf8.allSatisfy { $0 < 0x80 })
  }

  @Test("RTLS-008: a report about mail with REQUIRETLS asks for it too and shows headers alone, whatever RET said")
  func reportOfRequired() throws {
    for (wish, carried) in [(TLSWish.required, TLSWish.required), (.notRequired, .unstated), (.unstated, .unstated)] {
      let house = try QueueHarness()
      house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
      let text = TextBox()
      house.local.follow { job in
        await text.read(job)
        #expect(job.message.message.tlsWish == carried)
        // The sender's address fails, so that the postmaster hears of it: a report about a report.
        let isSender = job.recipients.contains { $0.recipient.address.description == "anna@example.com" }
        return isSender ? ScriptedDeliverer.answer(job, .refused(.rcpt, 550)) : ScriptedDeliverer.accept(job)
      }
      house.run { house in
        var message = try Fixture.message(1)
        (message.reportContent, message.tlsWish) = (.full, wish)
        try await house.submit(message, text: "a secret")
        await house.later(.seconds(1))
        #expect(
          house.local.visits.flatMap { $0.recipients.map(\.description) } == ["anna@example.com", "boss@example.com"])
        #expect(try await house.isEmpty())
      }
      #expect(text.text.contains("Subject: hello"))
      #expect(text.text.contains("a secret") == (wish != .required))
    }
  }

  @Test("RTLS-008: reports of delay and of success about such mail ask for REQUIRETLS too")
  func otherReportsOfRequired() throws {
    let house = try QueueHarness()
    let wishes = TextBox()
    let attempts = Counter()
    house.alpha.follow {
      attempts.next() < 100 ? ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) : ScriptedDeliverer.accept($0)
    }
    house.local.follow { job in
      wishes.add("\(job.message.message.tlsWish.rawValue) \(job.message.message.body.rawValue);")
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      var message = try Fixture.message(1, notify: [.success, .delay])
      message.tlsWish = .required
      try await house.submit(message)
      await house.later(.seconds(40_000))
      #expect(try await house.isEmpty())
    }
    #expect(wishes.text == "required 7BIT;required 7BIT;")
  }

  @Test("a sender that has no route is told of by the postmaster; without one the event is the end")
  func unroutableSender() throws {
    for hasDomains in [true, false] {
      let house = try QueueHarness(hasDomains: hasDomains)
      house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
      let text = TextBox()
      house.local.follow { job in
        await text.read(job)
        return ScriptedDeliverer.accept(job)
      }
      house.run { house in
        try await house.submit(try Fixture.message(1, from: hasDomains ? "nobody@example.com" : nil))
        await house.later(.seconds(1))
        #expect(
          house.local.visits.flatMap { $0.recipients.map(\.description) } == (hasDomains ? ["boss@example.com"] : []))
        #expect(house.events.kinds.contains(.doubleBounce))
        #expect(try await house.isEmpty())
      }
      #expect(text.text.contains("A message of <nobody@example.com> could not be delivered") == hasDomains)
    }
  }

  @Test("a message expires by a failed attempt behind its expiry, and not by the clock alone (SMTP-038)")
  func expiry() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    house.run { house in
      try await house.submit(try Fixture.message(1, expiresAfter: .seconds(1_000)))
      await house.later(.seconds(990))
      #expect(!(try await house.isEmpty()))
      await house.later(.seconds(20))
      #expect(try await house.isEmpty())
      // At 0, 300, 600, 900 and at the expiry itself.
      #expect(house.alpha.visits.map { ($0.at - Fixture.start).components.seconds } == [0, 300, 600, 900, 1_000])
      #expect(house.local.visits.count == 1)
    }
  }

  @Test("a jump of the wall clock costs a delivery at most an early attempt, not the message")
  func clockJump() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(10))
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      house.clock.jump(by: .seconds(30 * 86_400))
      await house.later(.seconds(61))
      #expect(house.events.kinds.last == .delivered)
      #expect(try await house.isEmpty())
    }
  }

  @Test("the sender hears of a delay once, after four hours (DSN-007)")
  func delay() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(4 * 3_600 - 100))
      #expect(house.local.visits.isEmpty)
      await house.later(.seconds(6 * 3_600))
      #expect(house.local.visits.count == 1)
      #expect(house.events.kinds.filter { $0 == .delayReported }.count == 1)
    }
  }

  @Test("a host that fails rests, and the route's other mail isn't spent on it (SMTP-040)")
  func backOff() throws {
    let house = try QueueHarness(concurrency: 2)
    house.alpha.follow { ScriptedDeliverer.answer($0, .unreachable) }
    house.run { house in
      for number in 1...20 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(4))
      let first = house.alpha.visits.count
      #expect((1...2).contains(first))
      // Rests of 5, 10, 20 and 40 seconds, one probe behind each.
      await house.later(.seconds(72))
      #expect(house.alpha.visits.count == first + 4)
      house.alpha.follow { ScriptedDeliverer.accept($0) }
      await house.later(.seconds(700))
      #expect(try await house.isEmpty())
    }
  }

  @Test("a refused recipient holds nobody else back")
  func recipientScope() throws {
    let house = try QueueHarness(concurrency: 1)
    house.alpha.follow { job in
      job.message.id == Fixture.id(1)
        ? ScriptedDeliverer.answer(job, .refused(.rcpt, 450)) : ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...5 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(1))
      #expect(house.alpha.visits.count == 5)
    }
  }

  @Test("no route has more deliveries at once than it may")
  func concurrency() throws {
    let house = try QueueHarness(concurrency: 3)
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(10))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...12 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(100))
      #expect(house.alpha.mostInFlight == 3)
      #expect(try await house.isEmpty())
    }
  }

  @Test("with every hand busy the runner waits, instead of waking itself for what it can't begin")
  func busy() throws {
    let house = try QueueHarness { $0.maximumConcurrency = 1 }
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(1_000))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...3 { try await house.submit(try Fixture.message(number)) }
      await house.later(.seconds(3_500))
      #expect(try await house.isEmpty())
    }
    #expect(house.world.jobs < 2_000)
  }

  @Test("while an operator has a message in hand the store isn't asked for it over and over")
  func operatorInHand() throws {
    let house = try QueueHarness(latency: .milliseconds(500)) { $0.window = 1 }
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    house.run { house in
      for number in 1...3 { try await house.store(try Fixture.message(number)) }
      #expect(try await house.runner.retryNow(QueueFilter(), by: "root") == 3)
      await house.later(.seconds(60))
    }
    #expect(house.world.jobs < 2_000)
  }

  @Test("recipients of one route go together, in bounded parts; each route on its own (SMTP-040)")
  func jobs() throws {
    let house = try QueueHarness { $0.maximumRecipients = 3 }
    house.run { house in
      let recipients = (1...7).map { ("u\($0)@there.example", Fixture.alpha) } + [("v@there.example", Fixture.beta)]
      try await house.submit(try Fixture.message(1, to: recipients))
      await house.later(.seconds(1))
      #expect(house.alpha.visits.map(\.recipients.count) == [3, 3, 1])
      #expect(house.beta.visits.map(\.recipients.count) == [1])
      #expect(try await house.isEmpty())
    }
  }

  @Test("a queue far larger than the window is served whole, every account in turn")
  func largeQueue() throws {
    let house = try QueueHarness(concurrency: 2) {
      $0.window = 4
      $0.maximumHeldMessages = 3
    }
    house.alpha.follow { [clock = house.clock] job in
      await clock.sleep(for: .seconds(1))
      return ScriptedDeliverer.accept(job)
    }
    house.run { house in
      for number in 1...200 { try await house.submit(try Fixture.message(number, account: "bulk", priority: .bulk)) }
      try await house.submit(try Fixture.message(201, account: "reset", priority: .interactive))
      await house.later(.seconds(10))
      let place = house.alpha.visits.firstIndex { $0.id == Fixture.id(201) }
      #expect(place.map { $0 < 10 } == true)
      await house.later(.seconds(200))
      #expect(Set(house.alpha.visits.map(\.id)).count == 201)
      #expect(house.alpha.visits.count == 201)
      #expect(try await house.isEmpty())
    }
  }

  @Test("a damaged body holds its message with an alarm, and nothing else stops")
  func corruptBody() throws {
    let house = try QueueHarness()
    house.alpha.follow { job in
      do throws(StoreFault) {
        let body = try await job.openBody()
        while try await body.next() != nil {}
        return ScriptedDeliverer.accept(job)
      } catch {
        return ScriptedDeliverer.answer(
          job, .fault(DeliveryFault(stage: .content, cause: .local("the body can't be read"))))
      }
    }
    house.run { house in
      let held = try await house.store(try Fixture.message(1))
      house.store.damageBody(of: held.id)
      try await house.store(try Fixture.message(2))
      await house.later(.seconds(61))
      let counts = try await house.store.counts()
      #expect(counts.recipientsHeld == 1 && counts.recipientsQueued == 0)
      #expect(house.events.kinds.contains(.held) && house.events.kinds.contains(.alarm))
    }
  }

  @Test("a schedule that is replaced holds from the next attempt on")
  func otherSchedule() throws {
    let house = try QueueHarness()
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 450)) }
    let quicker = try Fixture.options {
      $0.schedule = (try? RetrySchedule(delays: [.seconds(10)], jitterPercent: 0)) ?? .standard
    }
    house.run { house in
      try await house.submit(try Fixture.message(1))
      await house.later(.seconds(1))
      house.runner.replace(
        routes: QueueHarness.table([Fixture.alpha: house.alpha]),
        routing: try Routing(domains: [], outbound: .route(Fixture.alpha)), options: quicker)
      await house.later(.seconds(298))
      #expect(house.alpha.visits.count == 1)
      await house.later(.seconds(3))
      #expect(house.alpha.visits.count == 2)
      await house.later(.seconds(10))
      #expect(house.alpha.visits.count == 3)
    }
  }

  @Test("a route that is gone is waited for with an alarm, and a new table brings it back")
  func unknownRoute() throws {
    let house = try QueueHarness()
    house.run { house in
      let gone = RouteKey(rawValue: "gone")
      try await house.submit(try Fixture.message(1, to: [("x@there.example", gone)]))
      await house.later(.seconds(1))
      #expect(house.events.kinds == [.accepted, .deferred, .alarm])
      house.runner.replace(
        routes: QueueHarness.table([gone: house.beta]), routing: try Routing(domains: [], outbound: .route(gone)),
        options: try Fixture.options())
      await house.later(.seconds(301))
      #expect(house.beta.visits.count == 1)
      #expect(try await house.isEmpty())
    }
  }
}

/// Keeps the text of the last body that was read.
final class TextBox: @unchecked Sendable {
  private(set) var text = ""
  func add(_ more: String) { text += more }
  func read(_ job: DeliveryJob) async {
    do throws(StoreFault) {
      let body = try await job.openBody()
      var read = ""
      while let chunk = try await body.next() { read += String(buffer: chunk) }
      text += read
    } catch {
      Issue.record("\(error)")
    }
  }
}
