import Accounts
import DNSRecords
import MailSyntax
import SMTPSessions
import Synchronization
import Testing

@testable import Relay

@Suite("Domains with a null MX", .timeLimit(.minutes(5)))
struct NullExchangerCheckTests {
  /// `null.example` takes no mail, `mixed.example` says so beside a host, `down.example` can't be looked up,
  /// `slow.example` answers never.
  private final class Exchangers: Resolver {
    let asked = Mutex<[String]>([])
    private let gate = HeldClock()

    func mailExchangers(of name: DomainName) async -> DNSAnswer<MailExchanger> {
      asked.withLock { $0.append(name.description) }
      func records(_ exchanges: [MailExchanger.Exchange]) -> DNSAnswer<MailExchanger> {
        .records(
          DNSRecordSet(
            records: exchanges.map { MailExchanger(preference: 0, exchange: $0) }, canonicalName: name,
            security: .insecure, timeToLive: .seconds(60)))
      }
      switch name.folded {
      case "null.example", "alice.example": return records([.null])
      case "mixed.example": return records([.null, .host(name)])
      case "odd.example": return records([.unusable("a b")])
      case "down.example": return .failed(reason: "SERVFAIL")
      case "forged.example": return .bogus(reason: "forged")
      case "slow.example":
        await gate.sleep(until: Uptime(nanoseconds: .max))
        return records([.null])
      case "gone.example": return .noSuchName(.insecure)
      case _: return .none(.insecure)
      }
    }
    func addresses(of name: DomainName, family: AddressFamily) async -> DNSAnswer<IPAddress> { .none(.insecure) }
    func texts(of name: DomainName) async -> DNSAnswer<[UInt8]> { .none(.insecure) }
    func tlsaRecords(of name: DomainName) async -> DNSAnswer<TLSARecord> { .none(.insecure) }
    func names(of address: IPAddress) async -> DNSAnswer<DomainName> { .none(.insecure) }
    func alias(of name: DomainName) async -> DNSAnswer<DomainName> { .none(.insecure) }
  }

  private static let takers = ["mixed", "odd", "down", "forged", "gone", "plain"]

  @Test("NMX-003: RCPT at submission to a domain with a null MX is 556 5.1.10, and to no other domain")
  func recipient() async throws {
    let stage = try IntakeStage(.submissions, exchangers: Exchangers(), clock: HeldClock())
    await stage.enter()
    _ = await stage.say("MAIL FROM:<alice@example.com>\r\n")
    #expect(
      await stage.say("RCPT TO:<bob@Null.example>\r\n") == "556 5.1.10 that domain takes no mail (null MX)\r\n")
    for name in Self.takers { #expect(await stage.say("RCPT TO:<bob@\(name).example>\r\n") == "250 2.1.5 OK\r\n") }
    #expect(await stage.say("RCPT TO:<bob@[192.0.2.1]>\r\n") == "250 2.1.5 OK\r\n")
    #expect(await stage.say("RCPT TO:<bob@example.com>\r\n") == "250 2.1.5 OK\r\n")
  }

  @Test("NMX-004: a sender whose domain has a null MX is refused with 550 5.7.27, and no other sender")
  func sender() async throws {
    let stage = try IntakeStage(.relay, exchangers: Exchangers(), clock: HeldClock())
    await stage.enter()
    #expect(await stage.say("MAIL FROM:<x@null.example>\r\n").hasPrefix("550 5.7.27 the sender's domain takes no mail"))
    for sender in Self.takers.map({ "x@\($0).example" }) + ["", "x@example.com", "x@[192.0.2.1]"] {
      #expect(await stage.say("MAIL FROM:<\(sender)>\r\nRSET\r\n").hasPrefix("250 2.1.0"), "\(sender)")
    }
  }

  @Test("NMX-004: who logs in may not send from such a domain either, and his quota isn't charged for it")
  func submitter() async throws {
    var quota = QuotaLimits()
    quota.messagesPerHour = 1
    let stage = try IntakeStage(.submissions, quota: quota, exchangers: Exchangers(), clock: HeldClock())
    await stage.enter()
    for _ in 1...3 { #expect(await stage.say("MAIL FROM:<me@alice.example>\r\n").hasPrefix("550 5.7.27 ")) }
    #expect(await stage.say("MAIL FROM:<alice@example.com>\r\n").hasPrefix("250"))
  }

  @Test("a look-up that is late lets the mail on")
  func late() async throws {
    let (clock, exchangers) = (HeldClock(), Exchangers())
    let check = NullExchangerCheck(exchangers, clock: clock)
    let slow = try DomainName("slow.example")
    async let answer = check.takesNoMail(slow).value()
    while exchangers.asked.withLock({ $0.isEmpty }) || clock.sleepers == 0 { await Task.yield() }
    clock.advance(NullExchangerCheck.lookUpTime)
    #expect(await answer == false)
  }

  @Test("an answer is kept for its time, a failure for a while; our own domains and the null path never are")
  func kept() async throws {
    let (clock, exchangers) = (HeldClock(), Exchangers())
    let check = NullExchangerCheck(exchangers, clock: clock)
    let (null, down) = (try DomainName("null.example"), try DomainName("down.example"))
    for _ in 1...2 {
      #expect(await check.takesNoMail(null).value())
      #expect(await check.takesNoMail(down).value() == false)
    }
    #expect(exchangers.asked.withLock { $0 } == ["null.example", "down.example"])
    clock.advance(NullExchangerCheck.failureTime)
    #expect(await check.takesNoMail(down).value() == false)
    #expect(exchangers.asked.withLock { $0 } == ["null.example", "down.example", "down.example"])
    clock.advance(.seconds(60) - NullExchangerCheck.failureTime)
    #expect(await check.takesNoMail(null).value())
    #expect(exchangers.asked.withLock { $0.count } == 4)

    let stage = try IntakeStage(.relay, exchangers: exchangers, clock: clock)
    await stage.enter()
    _ = await stage.say("MAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nRSET\r\nMAIL FROM:<bob@example.com>\r\n")
    #expect(exchangers.asked.withLock { $0.count } == 4)
  }

  @Test("only so many look-ups go on at the same time; who comes beyond is let on unasked")
  func crowd() async throws {
    let (clock, exchangers) = (HeldClock(), Exchangers())
    let check = NullExchangerCheck(exchangers, clock: clock)
    let (slow, null) = (try DomainName("slow.example"), try DomainName("null.example"))
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<NullExchangerCheck.maximumAsking { group.addTask { await check.takesNoMail(slow).value() } }
      while clock.sleepers < NullExchangerCheck.maximumAsking { await Task.yield() }
      #expect(await check.takesNoMail(null).value() == false)
      clock.advance(NullExchangerCheck.lookUpTime)
      for await answer in group { #expect(!answer) }
    }
    #expect(await check.takesNoMail(null).value())
  }
}
