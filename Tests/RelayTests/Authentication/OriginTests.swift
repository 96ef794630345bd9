import DNSRecords
import MailAuthentication
import MailMessage
import MailQueue
import MailSyntax
import NIOCore
import QueueModel
import SMTPSessions
import Simulation
import Synchronization
import Testing

@testable import Relay

/// The client of all sessions is 192.0.2.1, and greets as client.example.net.
@Suite("In whose name mail comes in", .timeLimit(.minutes(5)))
struct OriginTests {
  private static let zone = """
    pass.example TXT "v=spf1 ip4:192.0.2.1 -all"
    _dmarc.pass.example TXT "v=DMARC1; p=reject"
    reject.example TXT "v=spf1 -all"
    _dmarc.reject.example TXT "v=DMARC1; p=reject"
    _dmarc.quarantine.example TXT "v=DMARC1; p=quarantine"
    _dmarc.none.example TXT "v=DMARC1; p=none"
    fail.example TXT "v=spf1 -all exp=why.fail.example"
    why.fail.example TXT "%{i} is not ours"
    softfail.example TXT "v=spf1 ~all"
    neutral.example TXT "v=spf1 ?all"
    broken.example TXT "v=spf1 nonsense -all"
    late.example TXT "v=spf1 include:lost.example -all"
    client.example.net TXT "v=spf1 ip4:192.0.2.1 -all"
    unusable.example TXT "v=spf1 -all"
    _dmarc.unusable.example TXT "v=DMARC1; p=rejct"

    """

  private func stage(
    _ mode: LocalPolicy.Mode = .enforce, converter: any IDNAConverter = UnchangedNames(), zone more: String = "",
    failing: [String] = ["lost.example"],
    role: ListenerRole = .relay, unchecked: [String] = [], modes: [String: LocalPolicy.Mode] = [:],
    ledger: AuthenticationLedger? = nil
  ) async throws -> IntakeStage {
    let zone = try ZoneFile(Array((OriginTests.zone + more).utf8)).resolver(
      failing: try failing.map { try DomainName($0) })
    var settings = InboundAuthentication.Settings(mode: mode)
    settings.uncheckedNetworks = unchecked.compactMap { IPNetwork($0) }
    for (name, mode) in modes { settings.modes[try DomainName(name)] = mode }
    let stage = try IntakeStage(
      role, authentication: InboundAuthentication(settings, converter: converter, ledger: ledger) { zone },
      clock: HandClock())
    await stage.enter()
    return stage
  }

  private func message(from author: String, _ more: String = "") -> [UInt8] {
    Array("\(more)From: a@\(author)\r\nSubject: hello\r\n\r\nbody\r\n".utf8)
  }

  private func send(
    _ stage: IntakeStage, _ author: String, by sender: String? = nil, _ more: String = "",
    to: [String] = ["<bob@example.com>"]
  ) async -> String {
    await stage.submit(message(from: author, more), from: sender.map { "<\($0)>" } ?? "<a@\(author)>", to: to)
  }

  // MARK: The field

  @Test("AR-002, AR-003, SPF-007: what was found stands above all, under our own name, in registered words")
  func field() async throws {
    let stage = try await stage(.monitor)
    #expect(await send(stage, "pass.example").hasPrefix("250 "))
    let text = try #require(try await stage.queued().first?.text)
    #expect(text.hasPrefix("Authentication-Results: mail.example.com;"))
    let field = try #require(text.firstRange(of: "\r\nReceived:").map { String(text[..<$0.lowerBound]) })
    let words = field.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(
      words == "Authentication-Results: mail.example.com; spf=pass smtp.mailfrom=pass.example; spf=pass"
        + " smtp.helo=client.example.net; dkim=none; dmarc=pass header.from=pass.example policy.dmarc=reject"
        + " Received-SPF: pass (mail.example.com: domain of a@pass.example designates 192.0.2.1 as permitted sender)"
        + " client-ip=192.0.2.1; envelope-from=\"a@pass.example\"; helo=client.example.net;"
        + " receiver=mail.example.com; identity=mailfrom; mechanism=\"ip4:192.0.2.1\";")
    #expect(stage.noted("dmarc") == ["pass pass.example"] && stage.noted("spf") == ["pass pass.example"])
    #expect(stage.noted("helo") == ["pass client.example.net"] && stage.noted("dkim") == ["none"])
  }

  @Test("AR-001: what others wrote in our name is taken out on every port, and what they wrote in theirs stays")
  func forged() async throws {
    let forged =
      "Authentication-Results: mail.example.com; dmarc=pass header.from=bank.example\r\n"
      + "Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=x.example\r\n"
      + "authentication-results: \"MAIL.example.COM\" 1;\r\n\tdkim=pass\r\n"
    for role in [ListenerRole.relay, .submissions] {
      let stage = try await stage(.monitor, role: role)
      let octets = Array((forged + IntakeTests.good).utf8)
      #expect(await stage.submit(octets).hasPrefix("250 "))
      let text = try #require(try await stage.queued().first?.text)
      #expect(!text.contains("bank.example") && !text.contains("MAIL.example.COM"))
      #expect(text.contains("Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=x.example\r\n"))
      #expect(text.contains("\r\nSubject: ") && text.hasSuffix("\r\n"))
      let accepted = stage.events.events.last { $0.kind == .accepted }
      #expect(accepted?["forged-results"] == .number(2))
      #expect(text.contains("Authentication-Results: mail.example.com;") == (role == .relay), "our own")
    }
  }

  // MARK: What follows

  @Test("DMARC-006, DMARC-007: p=reject is refused in the session by 550 with DMARC in it, and nothing is kept or sent")
  func refused() async throws {
    let stage = try await stage()
    let said = await send(stage, "reject.example")
    #expect(said == "550 5.7.1 Message rejected per DMARC policy for reject.example\r\n")
    #expect(try await stage.queued().isEmpty)
    #expect(!stage.events.kinds.contains(.accepted))
    let event = try #require(stage.events.events.first { $0.kind == .unauthenticated })
    #expect(event["dmarc"] == .text("fail reject.example reject") && event["from"] == .text("<a@reject.example>"))
    #expect(event["to"] == .text("bob@example.com") && event["peer"] == .text("192.0.2.1:4711"))
    // The session goes on.
    #expect(await send(stage, "pass.example").hasPrefix("250 "))
  }

  @Test("DMARC-006: what a domain asks for less is taken and told, and a list's mail is not refused")
  func taken() async throws {
    for (author, more, mark) in [
      ("quarantine.example", "", "quarantine"), ("none.example", "", ""), ("pass.example", "", ""),
      ("reject.example", "List-Id: <list.example.net>\r\n", "quarantine"), ("unknown.example", "", ""),
    ] {
      let stage = try await stage()
      #expect(
        await send(stage, author, by: "b@other.example", more).hasPrefix(author == "pass.example" ? "550" : "250"))
      guard author != "pass.example" else { continue }
      let text = try #require(try await stage.queued().first?.text)
      #expect(text.contains("reason=\"quarantine:") == (mark == "quarantine"), "\(author)")
      #expect(stage.noted("quarantine").isEmpty == mark.isEmpty)
    }
  }

  @Test("DMARC-006: to monitor is to look: the same mail is taken, and what was found is told")
  func monitored() async throws {
    for author in ["reject.example", "quarantine.example", "fail.example", "late.example", "broken.example"] {
      let stage = try await stage(.monitor)
      #expect(await send(stage, author).hasPrefix("250 "))
      let text = try #require(try await stage.queued().first?.text)
      #expect(text.hasPrefix("Authentication-Results:") && !text.contains("quarantine:"))
    }
  }

  @Test(
    "who watches is told what to enforce would be, in the reply's own words",
    arguments: [
      ("reject.example", "", "550 5.7.1 Message rejected per DMARC policy for reject.example"),
      ("quarantine.example", "", "marked: DMARC failed, and quarantine.example asks for quarantine"),
      ("reject.example", "List-Id: <l.example>\r\n", "marked: DMARC failed, and reject.example asks for reject, but"),
      (
        "fail.example", "", "550-5.7.23 SPF: fail.example says that 192.0.2.1 may not send in its name / 550-5.7.23 The"
      ),
      ("late.example", "", "451 4.4.3 SPF could not be checked for late.example for now; try again later"),
      ("none.example", "", nil), ("softfail.example", "", nil), ("broken.example", "", nil),
    ])
  func ifEnforced(_ author: String, _ more: String, _ expected: String?) async throws {
    let stage = try await stage(.monitor)
    #expect(await send(stage, author, by: "b@\(author)", more).hasPrefix("250 "))
    let told = stage.noted("if-enforced")
    #expect(told.isEmpty == (expected == nil))
    if let expected { #expect(told.joined(separator: ",").hasPrefix(expected), "\(told)") }
    let enforcing = try await self.stage()
    _ = await send(enforcing, author, by: "b@\(author)", more)
    #expect(enforcing.events.events.allSatisfy { $0["if-enforced"] == nil })
  }

  @Test("what could not be looked up is told with its reason, of the taken and of the refused")
  func unanswered() async throws {
    let failing = ["lost.example", "_dmarc.nowhere.example", "_dmarc.example"]
    for (mode, kind) in [(LocalPolicy.Mode.monitor, MailEvent.Kind.accepted), (.enforce, .unauthenticated)] {
      for (author, expected) in [
        ("late.example", ["SPF of late.example: "]), ("nowhere.example", ["DMARC of nowhere.example: "]),
      ] {
        let stage = try await stage(mode, failing: failing)
        _ = await send(stage, author)
        let event = try #require(stage.events.events.first { $0.kind == kind }, "\(author)")
        guard case .text(let told)? = event["unanswered"] else {
          Issue.record("nothing of \(author)")
          continue
        }
        #expect(expected.allSatisfy { told.contains($0) } && !told.hasSuffix(": "), "\(told)")
      }
    }
    let good = try await stage(.monitor)
    _ = await send(good, "pass.example")
    #expect(good.noted("unanswered").isEmpty)
  }

  @Test("where nothing is learned of several domains in a row it is an alarm, which the next answer ends")
  func noAnswers() async throws {
    let numbers = 1...AnswerWatch.maximumDomains
    let failing = numbers.map { "n\($0).test" } + numbers.map { "_dmarc.n\($0).test" }
    func told(_ stage: IntakeStage) -> [String] {
      stage.events.events.filter { $0.kind == .alarm }.map { "\($0["what"]!) \($0["clears"] == nil)" }
    }
    let stage = try await stage(.monitor, failing: failing)
    // One whose name servers fail is one.
    for _ in 0..<20 { _ = await send(stage, "n1.test") }
    for number in numbers.dropFirst().dropLast() { _ = await send(stage, "n\(number).test") }
    #expect(told(stage).isEmpty)
    // An answer in between, and all begins anew.
    _ = await send(stage, "unknown.example")
    for number in numbers.dropFirst() { _ = await send(stage, "n\(number).test") }
    #expect(told(stage).isEmpty)
    for _ in 0..<2 { _ = await send(stage, "n1.test") }
    let alarm = try #require(stage.events.events.last { $0.kind == .alarm })
    #expect(told(stage).count == 1 && alarm["what"] == .text("authentication-unanswered"))
    #expect(alarm["until-cleared"] == .flag(true))
    _ = await send(stage, "pass.example")
    #expect(told(stage).count == 2)
    #expect(stage.events.events.last { $0.kind == .alarm }?["clears"] == .text("authentication-unanswered"))
    // And is said again only for as many more.
    for number in numbers.dropLast() { _ = await send(stage, "n\(number).test") }
    #expect(told(stage).count == 2)
  }

  @Test(
    "SPF-006, ESC-005: without a DMARC policy SPF's fail is 550 5.7.23 with the domain's words, temperror 451 4.4.3, and the rest nothing",
    arguments: [
      ("fail.example", "550 5.7.23"), ("softfail.example", "250"), ("neutral.example", "250"),
      ("broken.example", "250"),
      ("late.example", "451 4.4.3"), ("unknown.example", "250"), ("unusable.example", "550 5.7.23"),
    ])
  func spf(_ author: String, _ code: String) async throws {
    let stage = try await stage()
    let said = await send(stage, author)
    #expect(said.split(separator: "\r\n").allSatisfy { $0.replacing("-5.", with: " 5.").hasPrefix(code) }, "\(said)")
    if author == "fail.example" {
      #expect(said.hasPrefix("550-5.7.23 SPF: fail.example says that 192.0.2.1 may not send in its name\r\n"))
      #expect(said.hasSuffix("550 5.7.23 192.0.2.1 is not ours\r\n"))
    }
    // What a list sent on fails SPF by its nature.
    let list = try await self.stage()
    #expect(await send(list, author, "List-Post: <mailto:l@example.net>\r\n").hasPrefix("250 "))
  }

  private func send(_ stage: IntakeStage, _ author: String, _ more: String) async -> String {
    await send(stage, author, by: nil, more)
  }

  @Test("SPF-001: for the null reverse path the greeting is asked about")
  func nullPath() async throws {
    let stage = try await stage(.monitor)
    #expect(await stage.submit(message(from: "unknown.example"), from: "<>").hasPrefix("250 "))
    #expect(stage.noted("spf") == ["pass client.example.net"] && stage.noted("helo") == ["pass client.example.net"])
  }

  @Test("AR-001: a header with a line that is no field is refused: readers differ on what stands behind it")
  func faultyHeader() async throws {
    for line in ["junk", "Sub ject: x", "From nobody Mon Nov 2 10:00"] {
      for start in ["From: a@pass.example\r\n", ""] {
        let stage = try await stage(.monitor)
        let message =
          "\(start)\(line)\r\nAuthentication-Results: mail.example.com; dmarc=pass\r\n"
          + "From: ceo@bank.example\r\n\r\nbody\r\n"
        #expect(await stage.submit(Array(message.utf8), from: "<a@pass.example>").hasPrefix("554 5.6.0 "))
        #expect(try await stage.queued().isEmpty)
      }
    }
  }

  @Test("a signature that might hold keeps what a forwarder brought from being refused for good")
  func unknownSignature() async throws {
    let unsigned = String(decoding: message(from: "fail.example"), as: UTF8.self)
    let key = try SigningSample.selector("s", "fail.example")
    let signing = try MailSigning(
      store: MemoryKeyStore(try DKIMKeyring([key])), converter: UnchangedNames(), clock: HandClock(),
      events: EventSinkless())
    let signed = String(buffer: try signing.fields(for: .init(string: unsigned), now: HandClock().now)) + unsigned
    let stage = try await stage(failing: ["s._domainkey.fail.example"])
    #expect(await stage.submit(Array(signed.utf8), from: "<a@fail.example>").hasPrefix("451 4.4.3 "))
  }

  @Test("UTF8-009: international names are looked up by their A-labels, and a local part outside ASCII is in no macro")
  func international() async throws {
    let key = try SigningSample.selector("s", "xn--bcher-kva.example")
    let unsigned = "From: j\u{f6}rg@b\u{fc}cher.example\r\nSubject: gr\u{fc}n\r\n\r\nbody\r\n"
    let zone = """
      s._domainkey.xn--bcher-kva.example TXT "\(key.key.record)"
      _dmarc.xn--bcher-kva.example TXT "v=DMARC1; p=reject"
      xn--bcher-kva.example TXT "v=spf1 exists:%{l}.who.example ip4:192.0.2.1 -all"

      """
    let signing = try MailSigning(
      store: MemoryKeyStore(try DKIMKeyring([key])), converter: OneUmlaut(), clock: HandClock(),
      events: EventSinkless())
    let fields = String(buffer: try signing.fields(for: .init(string: unsigned), now: HandClock().now))
    #expect(fields.contains("d=xn--bcher-kva.example;"))
    // As others write them, who have no A-labels (RFC 8616 §4).
    let foreign =
      "DKIM-Signature: v=1; a=ed25519-sha256; d=b\u{fc}cher.example; i=@b\u{fc}cher.example; s=s; h=from; bh=AAAA; b=AAAA\r\n"
    for (field, reversePath, spf, dkim) in [
      (fields, "<a@elsewhere.example>", "none elsewhere.example", "pass xn--bcher-kva.example/s"),
      ("", "<j\u{f6}rg@b\u{fc}cher.example>", "pass b\u{fc}cher.example", "none"),
      (foreign, "<j\u{f6}rg@b\u{fc}cher.example>", "pass b\u{fc}cher.example", "fail xn--bcher-kva.example/s"),
    ] {
      let stage = try await stage(converter: OneUmlaut(), zone: zone)
      #expect(
        await stage.submit(Array((field + unsigned).utf8), from: reversePath, mail: " SMTPUTF8").hasPrefix("250 "))
      #expect(stage.noted("dmarc") == ["pass xn--bcher-kva.example"])
      #expect(stage.noted("spf") == [spf] && stage.noted("dkim") == [dkim])
      let text = try #require(try await stage.queued().first?.text)
      let written = try #require(text.firstRange(of: "\r\nReceived:").map { text[..<$0.lowerBound] })
      let spfStart = try #require(written.firstRange(of: "\r\nReceived-SPF:")).lowerBound
      let results = written[..<spfStart]
      #expect(results.utf8.allSatisfy { $0 < 0x80 } && !written.contains("?"), "results are ASCII, by A-labels")
      #expect(written[spfStart...].contains("envelope-from=\"\(reversePath.dropFirst().dropLast())\";"))
      #expect(results.contains("header.d=xn--bcher-kva.example") == !field.isEmpty)
    }
  }

  @Test(
    "DKIM-012: a signature that holds is enough, a broken one is as none, and for a key that can't be had one waits")
  func signatures() async throws {
    let key = try SigningSample.selector("s", "reject.example")
    let record = "s._domainkey.reject.example TXT \"\(key.key.record)\"\n"
    let unsigned = String(decoding: message(from: "reject.example"), as: UTF8.self)
    let signing = try MailSigning(
      store: MemoryKeyStore(try DKIMKeyring([key])), converter: UnchangedNames(), clock: HandClock(),
      events: EventSinkless())
    let fields = try signing.fields(for: .init(string: unsigned), now: HandClock().now)
    let signed = String(buffer: fields) + unsigned

    let good = try await stage(zone: record)
    #expect(await good.submit(Array(signed.utf8), from: "<b@other.example>").hasPrefix("250 "))
    let text = try #require(try await good.queued().first?.text)
    #expect(text.contains("dkim=pass") && text.contains("header.d=reject.example") && text.contains("header.s=s"))
    #expect(good.noted("dkim") == ["pass reject.example/s"])

    let broken = try await stage(zone: record)
    #expect(await broken.submit(Array((signed + "more\r\n").utf8), from: "<b@other.example>").hasPrefix("550 5.7.1 "))
    let unknown = try await stage(failing: ["s._domainkey.reject.example"])
    #expect(await unknown.submit(Array(signed.utf8), from: "<b@other.example>").hasPrefix("451 4.4.3 DMARC"))
    let gone = try await stage()
    #expect(await gone.submit(Array(signed.utf8), from: "<b@other.example>").hasPrefix("550 5.7.1 "))
  }

  private struct EventSinkless: EventSink { func record(_ event: MailEvent) {} }

  // MARK: For whom

  @Test("a message has one policy: recipients of another are asked to come by themselves, and complaints are heard")
  func recipients() async throws {
    let stage = try await stage(.monitor, modes: ["example.com": .enforce])
    #expect(
      await send(stage, "reject.example", to: ["<bob@example.com>", "<postmaster@example.com>"]).hasPrefix("452 4.5.3 ")
    )
    _ = await stage.say("RSET\r\n")
    for complaint in ["<postmaster@example.com>", "<abuse@example.com>", "<postmaster>"] {
      #expect(await send(stage, "reject.example", to: [complaint]).hasPrefix("250 "))
    }
    #expect(await send(stage, "reject.example").hasPrefix("550 "))
    let mild = try await self.stage(.enforce, modes: ["EXAMPLE.com": .monitor])
    #expect(await send(mild, "reject.example", to: ["<bob@example.com>", "<info@example.com>"]).hasPrefix("250 "))
  }

  @Test("nobody is judged who is no stranger: users, our own networks, and those the operator names")
  func unchecked() async throws {
    let own = try await stage(unchecked: ["192.0.2.0/24"])
    #expect(await send(own, "reject.example").hasPrefix("250 "))
    #expect(try await own.queued().first?.text.contains("Authentication-Results") == false)
    let user = try await stage(role: .submissions)
    #expect(await user.submit(Array(IntakeTests.good.utf8)).hasPrefix("250 "))
    #expect(try await user.queued().first?.text.contains("Authentication-Results") == false)
  }

  @Test("where nothing can be looked up mail is taken that is only watched, and put off that must be judged")
  func noResolver() async throws {
    for (mode, code) in [(LocalPolicy.Mode.monitor, "250 2.0.0 "), (.enforce, "451 4.4.3 ")] {
      let stage = try IntakeStage(
        .relay,
        authentication: InboundAuthentication(.init(mode: mode), converter: UnchangedNames()) { nil })
      await stage.enter()
      #expect(await send(stage, "pass.example").hasPrefix(code))
      #expect(try await stage.queued().allSatisfy { !$0.text.contains("Authentication-Results") })
    }
  }

  @Test(
    "a name server that says nothing ends the judgement after its time, and gives its place back",
    arguments: [(LocalPolicy.Mode.monitor, "250 2.0.0 "), (.enforce, "451 4.4.3 ")])
  func silence(_ mode: LocalPolicy.Mode, _ code: String) async throws {
    let clock = HandClock()
    let authentication = InboundAuthentication(.init(mode: mode), converter: UnchangedNames()) { SilentResolver() }
    let stage = try IntakeStage(.relay, authentication: authentication, clock: clock)
    await stage.enter()
    async let answer = send(stage, "pass.example")
    while clock.sleepers == 0 { await Task.yield() }
    clock.advance(InboundAuthentication.judgementTime - .seconds(1))
    for _ in 0..<1_000 { await Task.yield() }
    #expect(clock.sleepers > 0, "it is still waited for")
    clock.advance(.seconds(1))
    #expect(await answer.hasPrefix(code))
    let told = stage.events.events.compactMap { $0["dmarc"] }
    #expect(told == [.text("temperror: nothing could be learned in time")])
    #expect(try await stage.queued().allSatisfy { !$0.text.contains("Authentication-Results") })
    #expect(await authentication.inPlace { 1 } == 1)
  }

  /// Answers nobody who doesn't give up.
  private struct SilentResolver: Resolver {
    private func silence<Record>() async -> DNSAnswer<Record> {
      try? await Task.sleep(for: .seconds(3_600))
      return .failed(reason: "given up")
    }
    func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { await silence() }
    func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> { await silence() }
    func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> { await silence() }
    func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { await silence() }
    func names(of address: IPAddress) async -> DNSAnswer<DomainName> { await silence() }
    func alias(of name: DomainName) async -> DNSAnswer<DomainName> { await silence() }
  }

  @Test(
    "only so many are judged at once: of the others nothing is known, and a place is free again behind its judgement")
  func places() async throws {
    let authentication = InboundAuthentication(.init(), converter: UnchangedNames()) { nil }
    let most = InboundAuthentication.maximumUnderWay
    let ends = (0..<most).map { _ in OneShot<Void>() }
    let begun = Tally()
    let found = await withTaskGroup(of: Int?.self) { group in
      for number in 0..<most {
        group.addTask {
          await authentication.inPlace {
            begun.count()
            await ends[number].value()
            return number
          }
        }
      }
      while begun.value < most { await Task.yield() }
      #expect(await authentication.inPlace { most } == nil)
      ends.forEach { $0.fulfil(()) }
      return await group.reduce(into: Set()) { if let number = $1 { $0.insert(number) } }
    }
    #expect(found.count == most)
    #expect(await authentication.inPlace { most } == most)
  }

  private final class Tally: Sendable {
    private let state = Mutex(0)
    func count() { state.withLock { $0 += 1 } }
    var value: Int { state.withLock { $0 } }
  }

  // MARK: For reports

  @Test("what came in whose name is counted, refused or not, where a policy stands, and what can't be written is kept")
  func counted() async throws {
    let store = CountingStore()
    let log = EventLog()
    let ledger = AuthenticationLedger(store: store, clock: HandClock(), events: log)
    let stage = try await stage(ledger: ledger)
    for author in ["pass.example", "reject.example", "reject.example", "none.example", "unknown.example"] {
      _ = await send(stage, author)
    }
    store.fails = true
    await ledger.write()
    #expect(store.counted.isEmpty && log.events.last?["what"] == .text("authentication-not-counted"))
    store.fails = false
    _ = await send(stage, "reject.example", "List-Id: <l.example>\r\n")
    // Who asks is told what was counted up to now.
    #expect(try await ledger.authenticationRecords(of: Int(HandClock().now.seconds / 86_400), limit: 10).count == 4)
    await ledger.write()
    let told = store.counted.map { "\($0.record.authorDomain) \($0.record.disposition.rawValue) \($0.count)" }
    #expect(
      told == ["pass.example none 1", "reject.example reject 2", "none.example none 1", "reject.example quarantine 1"])
    let first = try #require(store.counted.first?.record)
    #expect(first.policyDomain == (try DomainName("pass.example")) && first.policy == "v=DMARC1; p=reject")
    #expect(first.client == .v4(0xc000_0201) && first.isSPFAligned && !first.isDKIMAligned && first.override.isEmpty)
    #expect(first.day == Int(HandClock().now.seconds / 86_400) && first.spf == "pass pass.example")
    #expect(store.counted.last?.record.override.hasPrefix("mailing_list: ") == true)
  }

  @Test("what is left out of the counts is said, with how many: too many that wait, or no room in the store")
  func leftOut() async throws {
    let store = CountingStore()
    let log = EventLog()
    let ledger = AuthenticationLedger(store: store, clock: HandClock(), events: log)
    @Sendable func record(_ author: String, _ client: Int) throws -> AuthenticationRecord {
      let domain = try DomainName(author)
      return AuthenticationRecord(
        day: 1, policyDomain: domain, policy: "v=DMARC1; p=none", authorDomain: domain, client: .v4(UInt32(client)),
        reversePathDomain: "", spf: "", dkim: "", isSPFAligned: false, isDKIMAligned: false, disposition: .none,
        override: "")
    }
    func alarms() -> [MailEvent.Value?] { log.events.map { $0["reason"] } }
    let most = AuthenticationLedger.maximumRecords
    for number in 0..<most + 3 { ledger.count(try record("a.example", number)) }
    ledger.count(try record("a.example", 0))
    await ledger.write()
    #expect(alarms() == [.text("3 messages are missing in it: more than \(most) different records wait")])
    #expect(store.counted.count == most && store.counted.first?.count == 2)

    ledger.count(try record("full.example", 1))
    await ledger.write()
    #expect(
      alarms().last == .text("1 messages are missing in it: the day has as many different records as are kept"))

    // What comes back from a store that fails finds others in its place.
    store.fails = true
    ledger.count(try record("b.example", 1))
    ledger.count(try record("b.example", 1))
    store.onFailure = { for number in 0..<most { ledger.count(try record("c.example", number)) } }
    await ledger.write()
    store.fails = false
    await ledger.write()
    #expect(alarms().contains(.text("2 messages are missing in it: more than \(most) different records wait")))
  }

  @Test("a policy is kept whole, or as many of its tags as there is room for")
  func policyText() {
    let most = AuthenticationRecord.maximumPolicyOctets
    let beginning = "v=DMARC1; p=reject; rua=mailto:"
    let fitting = beginning + String(repeating: "a", count: most - beginning.utf8.count)
    #expect(AuthenticationRecord.wholeTags(of: fitting) == fitting)
    #expect(AuthenticationRecord.wholeTags(of: fitting + "a") == "v=DMARC1; p=reject")
    #expect(AuthenticationRecord.wholeTags(of: String(repeating: "é", count: most)).isEmpty)
  }

  private final class CountingStore: AuthenticationRecordStore {
    private let state = Mutex<(counted: [CountedRecord], fails: Bool)>(([], false))
    private let whenFailing = Mutex<(@Sendable () throws -> Void)?>(nil)
    var onFailure: (@Sendable () throws -> Void)? {
      get { whenFailing.withLock { $0 } }
      set { whenFailing.withLock { $0 = newValue } }
    }
    var counted: [CountedRecord] { state.withLock { $0.counted } }
    var fails: Bool {
      get { state.withLock { $0.fails } }
      set { state.withLock { $0.fails = newValue } }
    }
    /// Has no room for those of `full.example`.
    func add(_ records: [CountedRecord]) async throws(StoreFault) -> Int {
      guard !fails else {
        try? onFailure?()
        throw .spaceLow
      }
      let kept = records.filter { $0.record.authorDomain.folded != "full.example" }
      state.withLock { $0.counted += kept }
      return records.count - kept.count
    }
    func authenticationRecords(of day: Int, limit: Int) async throws(StoreFault) -> [CountedRecord] { counted }
  }
}
