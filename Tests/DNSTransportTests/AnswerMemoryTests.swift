import DNSRecords
import MailSyntax
import Testing

@testable import DNSTransport

@Suite("What a resolver remembers")
struct AnswerMemoryTests {
  let memory = AnswerMemory<[UInt8]>()
  let name: DomainName
  let start = ContinuousClock.now
  static let longest = AnswerMemory<[UInt8]>.longestTime

  init() throws { name = try DomainName("a.example") }

  @Test("DNS: an answer counts again until its TTL is over, and ten seconds at the longest")
  func time() throws {
    memory.keep(.none(.secure), for: name, octets: 0, timeToLive: .seconds(3), at: start)
    #expect(
      memory.answer(for: try DomainName("A.Example"), at: start + .seconds(3) - .nanoseconds(1)) == .none(.secure))
    #expect(memory.answer(for: name, at: start + .seconds(3)) == nil)
    memory.keep(.noSuchName(.insecure), for: name, octets: 0, timeToLive: .seconds(86_400), at: start)
    #expect(memory.answer(for: name, at: start + Self.longest - .nanoseconds(1)) == .noSuchName(.insecure))
    #expect(memory.answer(for: name, at: start + Self.longest) == nil)
    memory.keep(.none(.insecure), for: name, octets: 0, timeToLive: .zero, at: start + Self.longest)
    #expect(memory.answer(for: name, at: start + Self.longest) == nil)
  }

  @Test(
    "what nobody could say is asked anew at once",
    arguments: [DNSAnswer<[UInt8]>.failed(reason: "SERVFAIL"), .bogus(reason: "no signature")])
  func failures(_ answer: DNSAnswer<[UInt8]>) {
    memory.keep(answer, for: name, octets: 0, timeToLive: .seconds(60), at: start)
    #expect(memory.answer(for: name, at: start) == nil)
  }

  @Test("a large answer is asked for anew, for strangers choose what is answered")
  func large() {
    let most = AnswerMemory<[UInt8]>.maximumOctets
    memory.keep(.none(.secure), for: name, octets: most + 1, timeToLive: .seconds(60), at: start)
    #expect(memory.answer(for: name, at: start) == nil)
    memory.keep(.none(.secure), for: name, octets: most, timeToLive: .seconds(60), at: start)
    #expect(memory.answer(for: name, at: start) == .none(.secure))
  }

  @Test("holds no more than two generations of names, and those asked lately among them")
  func bound() throws {
    let most = AnswerMemory<[UInt8]>.maximumNames
    let names = try (0...2 * most).map { try DomainName("n\($0).example") }
    for name in names { memory.keep(.none(.insecure), for: name, octets: 0, timeToLive: .seconds(60), at: start) }
    let kept = names.filter { memory.answer(for: $0, at: start) != nil }
    #expect(kept == Array(names[most...]))
  }
}
