import DNSRecords
import MailAuthentication
import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import SMTPGrammar
import SMTPSessions
import Simulation
import Synchronization
import Testing

@testable import Relay

@Suite("Signing what goes out")
struct MailSigningTests {
  private func signing(
    _ selectors: [DKIMSelector], events: EventLog = EventLog(), clock: any MailClock = StoppedClock()
  ) throws -> MailSigning {
    try MailSigning(
      store: MemoryKeyStore(try DKIMKeyring(selectors)), converter: UnchangedNames(), clock: clock, events: events)
  }

  @Test("DKIM-005, DKIM-006, DKIM-008: what a user submits is signed as it leaves, by each kind of key, above all else")
  func submission() async throws {
    let selectors = [
      try SigningSample.selector("r", "example.com", .rsa), try SigningSample.selector("e", "example.com"),
    ]
    let messages = [
      // Whole; without Date and Message-ID, which are added; with Bcc, which is taken out; with a list's long header.
      "From: alice@example.com\r\nTo: bob@example.com\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
        + "Message-ID: <1@example.com>\r\nSubject: hello\r\n\r\nbody \r\n.. dots\r\n\r\n\r\n",
      "From: alice@example.com\r\nSubject: bare\r\n\r\nbody",
      "Bcc: secret@example.com\r\nFrom: Alice <alice@example.com>\r\nBcc: other@example.com\r\nSubject: x\r\n\r\nbody\r\n",
      "From: alice@example.com\r\n\r\n",
      "From: alice@example.com\r\nSubject: no body",
    ]
    for role in [ListenerRole.submissions, .submission] {
      for message in messages {
        let stage = try IntakeStage(role, signing: try signing(selectors))
        await stage.enter()
        let stuffed = message.replacing("\r\n.", with: "\r\n..")
        #expect(await stage.submit(Array(stuffed.utf8)).hasPrefix("250 "))
        let queued = try #require(try await stage.queued().first)
        #expect(queued.text.hasPrefix("DKIM-Signature:"))
        #expect(!queued.text.contains("Bcc:"))
        let outcomes = try await SigningSample.outcomes(
          of: queued.text, by: SigningSample.zone(selectors), at: StoppedClock().now)
        #expect(outcomes.map(\.result) == [.pass, .pass], "\(outcomes.map(\.reason)) \(queued.text)")
        #expect(stage.noted("signed") == ["example.com/r", "example.com/e"])
        // RFC 6376 §5.4: nobody can add another author to what was signed.
        let forged = queued.text.replacing("\r\nFrom: ", with: "\r\nFrom: eve@example.net\r\nFrom: ")
        let after = try await SigningSample.outcomes(
          of: forged, by: SigningSample.zone(selectors), at: StoppedClock().now)
        #expect(after.allSatisfy { $0.result != .pass })
      }
    }
  }

  @Test("nothing is signed for who has no key, for a key that waits, and of what others wrote")
  func unsigned() async throws {
    let octets = Array(IntakeTests.good.utf8)
    for selectors in [
      [], [try SigningSample.selector("e", "example.com", .ed25519, .waiting)],
      [try SigningSample.selector("e", "example.com", .ed25519, .retired)],
      [try SigningSample.selector("e", "elsewhere.example")],
    ] {
      let stage = try IntakeStage(.submissions, signing: try signing(selectors))
      await stage.enter()
      #expect(await stage.submit(octets).hasPrefix("250 "))
      #expect(try await stage.queued().first?.text.contains("DKIM-Signature") == false)
      #expect(stage.noted("signed").isEmpty)
    }
    // Who comes by 25 proves nothing of who he is.
    let relay = try IntakeStage(.relay, signing: try signing([try SigningSample.selector("e", "example.com")]))
    await relay.enter()
    #expect(await relay.submit(octets).hasPrefix("250 "))
    #expect(try await relay.queued().first?.text.contains("DKIM-Signature") == false)
  }

  @Test("what should be signed and can't be is not taken, and nothing of it is kept")
  func unsignable() async throws {
    func answer(_ fields: Int) async throws -> (reply: String, isQueued: Bool) {
      let stage = try IntakeStage(.submissions, signing: try signing([try SigningSample.selector("e", "example.com")]))
      await stage.enter()
      let resent = String(repeating: "Resent-To: bob@example.com\r\n", count: fields)
      let message = "From: alice@example.com\r\nSubject: x\r\n\(resent)\r\nbody\r\n"
      let reply = await stage.submit(Array(message.utf8))
      return (reply, try await !stage.queued().isEmpty)
    }
    let taken = try await answer(900)
    #expect(taken.reply.hasPrefix("250 ") && taken.isQueued)
    let refused = try await answer(995)
    #expect(refused.reply.hasPrefix("554 5.6.0 the message can't be signed: ") && !refused.isQueued)
  }

  @Test("of authors of too many domains that sign here nobody signs")
  func signers() throws {
    let names = (0...MailSigning.maximumSigners).map { "d\($0).example" }
    let signing = try signing(try names.map { try SigningSample.selector("e", $0) })
    func signings(_ count: Int) throws -> Int {
      let from = names.prefix(count).map { "a@\($0)" }.joined(separator: ", ")
      guard
        case .complete(let header, _) = HeaderScanner.read(ByteBuffer(string: "From: \(from)\r\nSender: a@x\r\n\r\n"))
      else { throw MailSyntaxError.badDomain }
      return try signing.signings(for: header).count
    }
    #expect(try signings(MailSigning.maximumSigners) == MailSigning.maximumSigners)
    let fault = #expect(throws: MessageSigningFault.self) { try signings(names.count) }
    #expect("\(String(describing: fault))".contains("more than 4 domains that sign here"))
  }

  @Test(
    "a key begins to sign when the DNS shows it, one command or restart later nothing is different, and all is told")
  func rotation() async throws {
    let events = EventLog()
    let old = try SigningSample.selector("old", "example.com")
    let new = try SigningSample.selector("new", "example.com", .ed25519, .waiting)
    let store = MemoryKeyStore(try DKIMKeyring([old, new]))
    let clock = HandClock()
    let signing = try MailSigning(store: store, converter: UnchangedNames(), clock: clock, events: events)
    func look(_ selectors: [DKIMSelector]) async -> Bool {
      let zone = SigningSample.zone(selectors)
      signing.replace(resolver: { zone }, giveUpAfter: .seconds(3_600))
      return await signing.look()
    }
    func names() throws -> [String] {
      signing.keyring.signings(for: [try DomainName("example.com")]).map(\.selector.description)
    }
    #expect(await look([old]), "one waits")
    #expect(try names() == ["old"] && store.writes == 0)
    #expect(await look([old, new]) == false)
    #expect(try names() == ["new"])
    #expect(
      events.events.filter { $0.kind == .selectorChanged }.map { [$0["selector"], $0["standing"]] } == [
        [.text("new"), .text("signing")], [.text("old"), .text("retired")],
      ])
    #expect(try store.load().selectors.map(\.standing) == [.retired, .signing])

    // The old one's record is missed as long as mail that it signed may be on its way.
    #expect(await look([new]) == false)
    let alarms = { events.events.filter { $0.kind == .alarm }.map { $0["what"] } }
    #expect(alarms() == [.text("dkim-record-missing")])
    #expect(await look([new]) == false)
    #expect(alarms().count == 1, "said once")
    #expect(await look([old, new]) == false)
    #expect(alarms() == [.text("dkim-record-missing"), .text("dkim-record-back")])
    clock.advance(.seconds(3_600 + 86_400))
    #expect(await look([new]) == false)
    #expect(alarms().count == 2)
    #expect(try store.load().selectors.map(\.name.description) == ["new"])
    #expect(await look([]) == false)
    #expect(alarms().last == .text("dkim-record-missing"))
    #expect(try names() == ["new"], "it signs on: that its record is gone is a mistake")
  }

  @Test("keys that can't be read are an error, and what can't be written is tried again")
  func faults() async throws {
    let store = MemoryKeyStore(
      try DKIMKeyring([try SigningSample.selector("new", "example.com", .ed25519, .waiting)]))
    let events = EventLog()
    let signing = try MailSigning(store: store, converter: UnchangedNames(), clock: HandClock(), events: events)
    let zone = SigningSample.zone(signing.keyring.selectors)
    signing.replace(resolver: { zone }, giveUpAfter: .seconds(3_600))
    store.fail(DKIMKeyStoreFault("disk full"))
    #expect(throws: DKIMKeyStoreFault.self) {
      _ = try MailSigning(store: store, converter: UnchangedNames(), clock: HandClock(), events: events)
    }
    #expect(throws: DKIMKeyStoreFault.self) { _ = try signing.reread() }
    #expect(await signing.look())
    #expect(events.events.last?["what"] == .text("dkim-keys-not-written"))
    store.fail(nil)
    #expect(await signing.look() == false)
    #expect(signing.keyring.selectors.map(\.standing) == [.signing])
  }

  @Test("records are looked for side by side, and no more than so many: one that is slow holds up few others")
  func sideBySide() async throws {
    let most = MailSigning.looksAtOnce
    let selectors = try (0..<(2 * most)).map {
      try SigningSample.selector("s\($0)", "example.com", .ed25519, .waiting)
    }
    let signing = try signing(selectors, clock: HandClock())
    let crowd = Crowd(zone: SigningSample.zone(selectors), wanted: most)
    signing.replace(resolver: { crowd }, giveUpAfter: .seconds(3_600))
    #expect(await signing.look() == false)
    #expect(crowd.largest == most && most > 1)
  }

  @Test("a key that a command takes away while its record is looked for doesn't come back")
  func takenAway() async throws {
    let selectors = [
      try SigningSample.selector("stays", "example.com", .ed25519, .waiting),
      try SigningSample.selector("goes", "example.net", .ed25519, .waiting),
    ]
    let store = MemoryKeyStore(try DKIMKeyring(selectors))
    let signing = try MailSigning(
      store: store, converter: UnchangedNames(), clock: HandClock(), events: EventLog())
    let crowd = Crowd(zone: SigningSample.zone(selectors), wanted: selectors.count) {
      _ = try? store.change { _ = $0.remove(selectors[1].name, selectors[1].domain) }
    }
    signing.replace(resolver: { crowd }, giveUpAfter: .seconds(3_600))
    #expect(await signing.look() == false)
    #expect(try store.load().selectors.map(\.name.description) == ["stays"])
    #expect(signing.keyring.selectors.map(\.standing) == [.signing])
  }

  /// Answers once so many ask at the same time, or nobody has joined them for long.
  private final class Crowd: Resolver {
    private let zone: ZoneResolver
    private let wanted: Int
    private let onAsked: @Sendable () -> Void
    private let state = Mutex<(present: Int, largest: Int)>((0, 0))
    var largest: Int { state.withLock { $0.largest } }

    init(zone: ZoneResolver, wanted: Int, onAsked: @escaping @Sendable () -> Void = {}) {
      self.zone = zone
      self.wanted = wanted
      self.onAsked = onAsked
    }

    func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> {
      state.withLock {
        $0.present += 1
        $0.largest = max($0.largest, $0.present)
      }
      defer { state.withLock { $0.present -= 1 } }
      onAsked()
      var patience = 10_000
      while patience > 0, largest < wanted {
        patience -= 1
        await Task.yield()
      }
      // Who may come beyond them has the time to.
      for _ in 0..<200 { await Task.yield() }
      return await zone.texts(of: name)
    }

    func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { await zone.mailExchangers(of: name) }
    func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> {
      await zone.addresses(of: name, family: family)
    }
    func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { await zone.tlsaRecords(of: name) }
    func names(of address: IPAddress) async -> DNSAnswer<DomainName> { await zone.names(of: address) }
    func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await zone.alias(of: name) }
  }

  @Test("a report of ours is signed for its author's domain, and anew where it is made anew in seven bits")
  func reports() async throws {
    let selectors = [
      try SigningSample.selector("e", "example.com"), try SigningSample.selector("r", "example.com", .rsa),
    ]
    let (whole, anew) = (TextBox(), TextBox())
    let house = try QueueHarness(signing: try signing(selectors))
    house.alpha.follow { ScriptedDeliverer.answer($0, .refused(.rcpt, 550)) }
    house.local.follow { job in
      #expect(job.message.message.isOwnReport)
      guard job.message.message.body == .eightBitMIME else {
        await anew.read(job)
        return ScriptedDeliverer.accept(job)
      }
      await whole.read(job)
      let cause = DeliveryFault.Cause.unsupported(EnhancedStatusCode(.permanent, 6, 3), "8BITMIME is not offered")
      return ScriptedDeliverer.answer(job, .fault(DeliveryFault(stage: .mail, cause: cause)))
    }
    house.run { house in
      var message = try Fixture.message(1)
      (message.reportContent, message.body) = (.full, .eightBitMIME)
      try await house.submit(message, text: "gr\u{fc}n")
      await house.later(.seconds(1))
      #expect(try await house.isEmpty())
    }
    for text in [whole.text, anew.text] {
      let outcomes = try await SigningSample.outcomes(
        of: text, by: SigningSample.zone(selectors), at: Fixture.start + .seconds(60))
      #expect(outcomes.map(\.result) == [.pass, .pass], "\(outcomes.map(\.reason)) \(text)")
    }
  }
}
